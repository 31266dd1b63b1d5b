"""`hydra/launcher=ray` and `=slurm` as a user meets them: a plain multirun, its lines and its exit code."""

import os
import signal
import sys
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from lightsweep.errors import ConfigError
from lightsweep.imports import how_to_install
from lightsweep.launching.job import Job
from lightsweep.launching.on_ray import RaySettings, _join
from lightsweep.launching.on_slurm import SlurmCarrier
from lightsweep.launching.remote import Errand

LAUNCHERS = {
    "ray": ("ray", ["hydra/launcher=ray", "+hydra.launcher.init.num_cpus=2"]),
    "slurm": ("submitit", ["hydra/launcher=slurm", "hydra.launcher.cluster=local", "hydra.launcher.poll_s=0.2"]),
}


def test_hydra_finds_the_launchers():
    assert {"RayLauncher", "SlurmLauncher"} <= {found.__name__ for found in Plugins.instance().discover(Launcher)}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_job_that_fails_is_told_and_one_that_dies_is_started_again(name, program, needs_package):
    package, overrides = LAUNCHERS[name]
    needs_package(package)

    ended = program.run(*overrides, "+number=12,13,14")

    assert program.seen() == [(12, "0"), (13, "0"), (14, "0"), (14, "1")]
    assert ended.returncode == 1
    assert "ValueError: thirteen" in ended.stderr
    assert "it is started again" in ended.stdout
    done = [line.partition("job ")[2] for line in ended.stdout.splitlines() if " is done" in line]
    assert sorted(done) == ["0 is done : +number=12", "2 is done : +number=14"]


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_missing_package_is_one_line(name, program):
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == {!r} else f(n, *a)\n"
    text = (program.folder / "program.py").read_text()
    (program.folder / "program.py").write_text(hide.format(LAUNCHERS[name][0]) + text)

    ended = program.run(f"hydra/launcher={name}", "+number=1")

    assert ended.returncode == 1
    install = how_to_install(f"lightsweep[{name}]")
    assert f"needs the package {LAUNCHERS[name][0]}, which is not installed; {install}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("max_retries=-1", "`hydra.launcher.max_retries` must be a whole number of at least 0 but got -1"),
        ("cluster=cloud", "`hydra.launcher.cluster` must be slurm or local but got 'cloud'"),
        ("array_parallelism=0", "`hydra.launcher.array_parallelism` must be above 0 but got 0"),
    ],
)
def test_an_impossible_setting_is_one_line(setting, message, program, needs_package):
    needs_package("submitit")

    ended = program.run("hydra/launcher=slurm", f"hydra.launcher.{setting}", "+number=1")

    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert program.seen() == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_gpus": 1.5}, "`hydra.launcher.num_gpus` must be a whole number or a part of one GPU but got 1.5"),
        ({"num_cpus": -1}, "`hydra.launcher.num_cpus` must be a finite number of at least 0 but got -1"),
        ({"num_gpus": float("inf")}, "`hydra.launcher.num_gpus` must be a finite number of at least 0 but got inf"),
    ],
)
def test_an_impossible_share_of_a_node_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        RaySettings(**setting)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Makes SLURM's commands, each a line for the shell, and puts them where they are looked for."""

    def made(**lines: str) -> None:
        for name, line in {"srun": "exit 1", **lines}.items():  # by srun SLURM is known to be there
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return made


def errands(count: int) -> list[Errand]:
    return [Errand.of(Job(number, b"", ())) for number in range(count)]


def test_jobs_that_were_cancelled_have_ended_when_they_left_the_queue(commands, tmp_path, needs_package):
    needs_package("submitit")
    commands(sbatch="echo Submitted batch job 7", squeue="true", scancel="true")
    carrier = SlurmCarrier("slurm", tmp_path / "jobs", {}, poll_s=0.01)

    jobs = carrier.send(errands(2))

    assert carrier.ended(jobs) == {}, "an answer may be late"
    carrier.cancel(jobs, kill=False)
    assert set(carrier.ended(jobs)) == set(jobs)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("PartitionConfig", ["2 jobs waiting in SLURM's queue, none runs: PartitionConfig"]),
        ("JobArrayTaskLimit", []),  # the user's own array_parallelism, between two jobs
    ],
)
def test_why_no_job_runs_is_told_once(commands, tmp_path, needs_package, caplog, reason, told):
    needs_package("submitit")
    commands(sbatch="echo Submitted batch job 7", squeue=f"echo 7_0 PD {reason}; echo 7_1 PD {reason}")
    carrier = SlurmCarrier("slurm", tmp_path / "jobs", {}, poll_s=0.01)

    with caplog.at_level("INFO", "lightsweep"):
        jobs = carrier.send(errands(2))
        for _ in range(3):
            assert carrier.ended(jobs) == {}

    assert [record.getMessage() for record in caplog.records] == ["Launching 2 jobs as SLURM job 7", *told]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no such partition", "no such partition$"),
        ("Invalid job array specification", "Invalid job array specification; 2 jobs may .*sweeper.trials_per_job, or"),
    ],
)
def test_a_refusal_by_slurm_is_told_once(commands, tmp_path, needs_package, capsys, said, told):
    needs_package("submitit")
    commands(sbatch=f"echo {said} >&2; exit 1", squeue="true")
    carrier = SlurmCarrier("slurm", tmp_path / "jobs", {}, poll_s=0.01)

    with pytest.raises(ConfigError, match=rf"^SLURM refused the jobs: {told}"):
        carrier.send(errands(2))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ImportError("Traceback:\nImportError: no such module\n"), "ImportError: no such module"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_answer_that_cannot_be_read_is_told_by_its_errors_last_line(
    error, last, commands, tmp_path, needs_package, monkeypatch
):
    def result() -> NoReturn:
        raise error

    needs_package("submitit")
    commands(sbatch="echo Submitted batch job 7", squeue="true")
    carrier = SlurmCarrier("slurm", tmp_path / "jobs", {}, poll_s=0.01)
    (job,) = carrier.send(errands(1))
    job.paths.result_pickle.touch()
    monkeypatch.setattr(job, "result", result)

    assert str(carrier.ended([job])[job].error) == f"SLURM job 7 failed: {last}"


def test_ray_leaves_the_programs_own_handler_of_sigterm_in_place(monkeypatch):
    def init(**options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    before = signal.getsignal(signal.SIGTERM)
    try:
        _join(RaySettings())
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, before)


class _NoToken(Exception):
    """Stands for Ray's AuthenticationError."""


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (_NoToken("no authentication token was found. Ensure"), "join auto: no authentication token was found"),
        (ConnectionError("Failed to connect to Ray cluster at h:1"), r"cluster at h:1; if it has .*auth_token or RAY_"),
    ],
)
def test_a_lacking_or_wrong_token_of_a_ray_cluster_is_one_line(monkeypatch, raised, told):
    def init(**options: Any) -> NoReturn:
        raise raised

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, exceptions=SimpleNamespace(RayError=_NoToken)))
    with pytest.raises(ConfigError, match=told):
        _join(RaySettings("auto"))


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(program, needs_package):
    needs_package("ray")

    ended = program.run("hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:1", "+number=1")

    assert ended.returncode == 1
    assert "`hydra/launcher=ray` cannot join 127.0.0.1:1" in ended.stderr
    assert "Traceback" not in ended.stderr
