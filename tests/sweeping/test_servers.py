"""Sweeps on real servers, PostgreSQL, MariaDB and Optuna's gRPC proxy: shared, restarted, refused; no password told."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from lightsweep.cli import doctor
from lightsweep.sweeping import marks
from lightsweep.sweeping.storage import open_storage
from tests.ports import free_port
from tests.sweeping.database_servers import (  # connections_closed is a fixture
    PASSWORD,
    MariaServer,
    PostgresServer,
    Server,
    away,
    connections_closed,  # noqa: F401
)

SPACE = ("optimizer.lr=tag(log,interval(1e-4,1))", "x=interval(-2,2)")
LOCAL = ("hydra/launcher=local", "hydra.launcher.gpus=null", "hydra.launcher.preload=[optuna,lightsweep.sweeping.job]")


@cache
def running(kind: type[Server]) -> Server:
    """One server of a kind for all tests, each of which has a database of its own."""
    return kind()


@pytest.fixture(scope="module", autouse=True)
def _stop_servers() -> Iterator[None]:
    kinds = (PostgresServer, MariaServer)
    yield
    if running.cache_info().currsize:
        for kind in kinds:
            running(kind).close()
        running.cache_clear()


@pytest.fixture
def server_of(needs_program) -> Callable[[str], Server]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def server(name: str) -> Server:
        kind = {"postgresql": PostgresServer, "mysql": MariaServer}[name]
        needs_program(*kind.programs)
        return running(kind)

    return server


@pytest.fixture
def postgres(server_of) -> Server:
    return server_of("postgresql")


def trials_of(url: str, name: str = "s") -> list[optuna.trial.FrozenTrial]:
    storage = open_storage(url)
    return storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)


def assert_exact(trials: list[optuna.trial.FrozenTrial], n_trials: int) -> None:
    """None lost, none doubled: as many counted as wanted, nobody still at it, no number and no setting twice."""
    tally = marks.count(trials)
    assert (tally.complete, tally.running, tally.waiting) == (n_trials, 0, 0), tally
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))
    settings = Counter(tuple(sorted(trial.params.items())) for trial in trials if trial.state is TrialState.COMPLETE)
    assert max(settings.values()) == 1


def assert_silent(folder: Path, *texts: str) -> None:
    """The password is in no file of the sweep, and in nothing that was printed."""
    assert not any(PASSWORD in text for text in texts)
    told = [path for path in folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert told == []


def finished(url: str) -> int:
    try:
        return sum(trial.state.is_finished() for trial in trials_of(url))
    except KeyError:  # no study yet
        return 0


def wait_for(url: str, count: int, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 300
    while finished(url) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
def test_sweep_on_a_server_tells_no_password(app, server_of, name):
    url = server_of(name).database()
    done = app.sweep(*LOCAL, *SPACE, f"hydra.sweeper.storage={url}", "hydra.sweeper.study_name=s",
                     "hydra.sweeper.n_trials=6", "hydra.launcher.num_workers=2", "fail=high", "hydra.sweeper.n_jobs=2",
                     "hydra.sweeper.max_failure_rate=1")  # fmt: skip
    tally = marks.count(trials_of(url))
    assert (tally.counted, tally.running) == (6, 0)
    assert "study s: 6 of 6 trials finished" in done.stdout
    assert_silent(app.folder, done.stdout, done.stderr)


def test_password_from_the_environment_is_in_no_file(app, postgres, monkeypatch):
    monkeypatch.setenv("STUDY_URL", postgres.database())
    done = app.sweep(*SPACE, "hydra.sweeper.storage=${oc.env:STUDY_URL}", "hydra.sweeper.study_name=s",
                     "hydra.sweeper.n_trials=2")  # fmt: skip
    assert_exact(trials_of(os.environ["STUDY_URL"]), 2)
    assert_silent(app.folder, done.stdout, done.stderr)


def sweep_through_a_restart(app, server: Server, num_workers: int, n_trials: int, away_s: float, sleep_s: float) -> str:
    """A sweep whose server is away in the middle; returns what it said on stderr."""
    url = server.database()
    process = app.start(*LOCAL, *SPACE, f"hydra.sweeper.storage={url}", "hydra.sweeper.study_name=s",
                        f"hydra.sweeper.n_trials={n_trials}", f"hydra.launcher.num_workers={num_workers}",
                        f"hydra.sweeper.n_jobs={num_workers}", "hydra/sweeper/sampler=random",
                        f"sleep_s={sleep_s}")  # fmt: skip
    wait_for(url, n_trials // 4, process)
    before = finished(url)
    away(server, away_s)
    out, err = process.communicate(timeout=1500)
    assert process.returncode == 0, f"{out}\n{err}"
    trials = trials_of(url)
    assert before < n_trials, "the server was not away in mid-sweep"
    assert_exact(trials, n_trials)
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in trials if marks.OWNER in trial.user_attrs}) > 1
    assert_silent(app.folder, out, err)
    return err


@pytest.mark.parametrize("name", ["postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_restart_of_the_server_in_mid_sweep_loses_nothing(app, server_of, name):
    said = sweep_through_a_restart(app, server_of(name), num_workers=3, n_trials=24, away_s=6, sleep_s=0.5)
    assert said.count("does not answer; trying again for up to 15 minutes") == 1
    assert said.count("answers again, after") == 1


def test_an_interruption_while_the_server_is_away_ends_the_sweep_which_goes_on_later(app, postgres):
    url = postgres.database()
    sweep = (*LOCAL, *SPACE, f"hydra.sweeper.storage={url}", "hydra.sweeper.study_name=s", "hydra.sweeper.n_jobs=2",
             "hydra.launcher.num_workers=2", "hydra.sweeper.n_trials=6", "sleep_s=1")  # fmt: skip
    process = app.start(*sweep)
    wait_for(url, 2, process)
    postgres.stop()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)  # a storage's patience is 15 minutes
    postgres.start()

    assert process.returncode == 130, f"{out}\n{err}"
    assert err.splitlines()[-1].startswith("error: interrupted by signal 2; to go on: the same command with ")
    assert "Traceback" not in out + err, out + err
    app.sweep(*sweep)
    assert marks.count(trials_of(url)).counted == 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_eight_workers_make_500_trials_while_the_server_is_away_for_30_s(app, postgres):
    sweep_through_a_restart(app, postgres, num_workers=8, n_trials=500, away_s=30, sleep_s=0.05)


def test_commands_on_one_study_share_its_trials(app, postgres):
    """As on several machines: each command has a folder, and so a lock, of its own."""
    url = postgres.database()
    processes = [
        app.start(*SPACE, f"hydra.sweep.dir={app.folder}/host{host}", f"hydra.sweeper.storage={url}",
                  "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=15", "sleep_s=0.1")
        for host in range(3)
    ]  # fmt: skip
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, f"{out}\n{err}"
        assert_silent(app.folder, out, err)
    trials = trials_of(url)
    assert_exact(trials, 15)
    assert len({trial.user_attrs[marks.OWNER]["pid"] for trial in trials if marks.OWNER in trial.user_attrs}) > 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda url: url.replace(PASSWORD, "wrong-w0rd"), "password authentication failed"),
        (lambda url: url.rpartition("/")[0] + "/nothing", "does not exist"),
        (lambda url: url.replace(url.rpartition(":")[2].partition("/")[0], str(free_port())), "refused"),
    ],
)
def test_server_that_cannot_be_used_is_one_line(app, postgres, changed, reason):
    url = changed(postgres.database())
    done = app.sweep(*SPACE, f"hydra.sweeper.storage={url}", code=2)
    assert done.stderr.startswith("error: `hydra.sweeper.storage` postgresql://sweeper:***@127.0.0.1:")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert_silent(app.folder, done.stdout, done.stderr.replace("wrong-w0rd", PASSWORD))


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
def test_doctor_says_what_to_do_about_a_server(server_of, name):
    server = server_of(name)
    url = server.database()
    database = url.rpartition("/")[2]
    host = url.rpartition("@")[2].partition(":")[0]

    def advised(url):
        finding = doctor.optuna_storage(url)
        assert finding.state == "problem", finding
        assert PASSWORD not in finding.found
        return finding.advice

    assert advised(url.replace(PASSWORD, "wrong-w0rd")).startswith("check user and password")
    assert advised(url.replace(database, "nosuch")).startswith("make the database on its server")
    assert advised(url.replace(host, "nosuch.invalid")).startswith("check the host's name")
    assert advised(url.replace(str(server.port), str(free_port()))).startswith("start its server, or check host and")


PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from lightsweep.sweeping.storage import open_storage
run_grpc_proxy_server(open_storage("journal:" + sys.argv[1], for_sweep=True), host="127.0.0.1", port=int(sys.argv[2]))
"""


def test_sweep_through_optunas_grpc_proxy(app):
    port = free_port()
    proxy = subprocess.Popen([sys.executable, "-c", PROXY, str(app.folder / "study.journal"), str(port)],
                             env=app.environment(), stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        app.sweep(*LOCAL, *SPACE, f"hydra.sweeper.storage=grpc://127.0.0.1:{port}", "hydra.sweeper.study_name=s",
                  "hydra.sweeper.n_trials=6", "hydra.launcher.num_workers=2", "hydra.sweeper.n_jobs=2")  # fmt: skip
    finally:
        proxy.kill()
        proxy.wait()
    assert_exact(trials_of(f"journal:{app.folder}/study.journal"), 6)


@pytest.mark.slow
def test_proxy_that_is_not_there_is_one_line(app):
    port = free_port()
    done = app.sweep(*SPACE, f"hydra.sweeper.storage=grpc://127.0.0.1:{port}", code=2)
    assert f"cannot be used: no gRPC proxy answers at 127.0.0.1:{port}" in done.stderr
    assert done.stderr.count("\n") == 1
