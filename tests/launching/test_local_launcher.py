"""`hydra/launcher=local` as a user meets it: a program, a command line, its lines and its exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import atexit, json, multiprocessing, os, pathlib, pickle, signal, sys, time
import hydra

class Point:
    pass

def end(point):
    sys.exit(17)

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    seen = {"number": cfg.number, "argv": sys.argv, "slot": os.environ["LIGHTSWEEP_SLOT"], "pid": os.getpid(),
            "devices": os.environ.get("CUDA_VISIBLE_DEVICES"), "heavy": "torch" in sys.modules}
    with open(f"{cfg.folder}/{cfg.number}.json", "w") as file:
        json.dump(seen, file)
    if cfg.number == 13:
        raise ValueError("thirteen")
    if cfg.number == 14:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.number == 15:
        server = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
        os.kill(int(server.rpartition(")")[2].split()[1]), signal.SIGINT)
        time.sleep(60)
    if cfg.number == 16:
        atexit.register(os.kill, os.getpid(), signal.SIGINT)
    if cfg.number == 17:
        spawned = multiprocessing.get_context("spawn").Process(target=end, args=(Point(),))
        spawned.start()
        spawned.join()
        assert (spawned.exitcode, type(pickle.loads(pickle.dumps(Point())))) == (17, Point)
    return cfg.number

if __name__ == "__main__":
    main()
"""


class Program:
    """A Hydra program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)

    def run(self, *overrides: str, fake_gpus: int = 0) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LIGHTSWEEP_FAKE_GPUS": str(fake_gpus)}
        environ.pop("CUDA_VISIBLE_DEVICES", None)
        flags = ["-m", "hydra/launcher=local", "hydra.launcher.preload=[]", f"+folder={self.folder}"]
        command = [sys.executable, "program.py", *flags, *overrides]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=120)

    def seen(self) -> list[dict[str, Any]]:
        """What each job wrote of itself, by the job's number."""
        found = [json.loads(path.read_text()) for path in self.folder.glob("*.json")]
        return sorted(found, key=lambda entry: entry["number"])


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_plain_grid_runs_each_job_in_a_process_and_on_a_gpu_of_its_own(program: Program) -> None:
    ended = program.run("+number=0,1,2,3", "hydra.launcher.slots_per_gpu=2", fake_gpus=2)
    assert ended.returncode == 0, ended.stderr
    jobs = program.seen()
    assert [job["number"] for job in jobs] == [0, 1, 2, 3]
    assert [(job["slot"], job["devices"]) for job in jobs] == [("0", "0"), ("1", "1"), ("2", "0"), ("3", "1")]
    assert len({job["pid"] for job in jobs}) == 4
    assert "Launching 4 jobs in 4 slots" in ended.stdout
    assert "job 3 started on gpu 1 slot 1 : +folder=" in ended.stdout


def test_a_job_that_starts_its_program_again_would_repeat_itself_and_not_the_grid(program: Program) -> None:
    assert program.run("+number=5,6", "--config-dir", str(program.folder)).returncode == 0
    folder = program.folder
    assert [job["argv"] for job in program.seen()] == [
        ["program.py", "--config-dir", str(folder), f"+folder={folder}", f"+number={number}"] for number in (5, 6)
    ]


def test_a_failed_job_ends_the_program_with_its_traceback_after_the_others_have_run(program: Program) -> None:
    ended = program.run("+number=13,1,2", "hydra.launcher.num_workers=1")
    assert ended.returncode == 1
    assert "job 0 failed: ValueError: thirteen" in ended.stdout
    assert "ValueError: thirteen" in ended.stderr
    assert f'File "{program.folder}/program.py", line 18, in main' in ended.stderr
    assert 'raise ValueError("thirteen")' in ended.stderr
    assert [job["number"] for job in program.seen()] == [1, 2, 13]


def test_a_killed_job_is_named_after_the_others_have_run(program: Program) -> None:
    ended = program.run("+number=14,1,2", "hydra.launcher.num_workers=1")
    assert ended.returncode == 1
    assert "job 0 was killed by signal 9 (SIGKILL), by hand or because memory ran out" in ended.stdout
    assert "JobDied: job 0 was killed by signal 9" in ended.stderr
    assert [job["number"] for job in program.seen()] == [1, 2, 14]


def test_an_interrupted_grid_says_what_has_not_run_and_that_it_would_start_anew(program: Program) -> None:
    ended = program.run("+number=1,15,2", "hydra.launcher.num_workers=1")
    assert ended.returncode == -signal.SIGINT
    told = "2 of 3 jobs did not run to the end; the same command starts again with the first"
    assert ended.stdout.splitlines()[-1].endswith(told)


def test_an_interruption_does_not_cut_off_the_end_of_a_job_that_is_done(program: Program) -> None:
    ended = program.run("+number=16,1", "hydra.launcher.num_workers=1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [job["number"] for job in program.seen()] == [1, 16]


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("hydra.launcher.gpus=[0,2]", "`hydra.launcher.gpus` names GPU 2, which is not there: there are 0, 1"),
        (
            "hydra.launcher.devices_per_job=0",
            "`hydra.launcher.devices_per_job` must be at least trainer.devices, which",
        ),
        ("+trainer.devices=3", "`hydra.launcher.devices_per_job` must divide the number of GPUs but got 3 for 2"),
        ("+trainer.devices=1,2", "must be at least trainer.devices, which is 2, but got 1"),
        ("hydra.launcher.grace_s=nan", "`hydra.launcher.grace_s` must be at least 0 but got nan"),
    ],
)
def test_bad_settings_are_one_line_before_any_job(program: Program, override: str, text: str) -> None:
    ended = program.run("+number=1", override, fake_gpus=2)
    assert ended.returncode != 0
    assert text in ended.stderr.splitlines()[0]
    assert "Traceback" not in ended.stderr
    assert program.seen() == []


def test_a_job_spawns_and_pickles_what_the_program_itself_defines(program: Program) -> None:
    ended = program.run("+number=17,1")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_heavy_module_is_imported_for_a_program_that_preloads_none(program: Program) -> None:
    assert program.run("+number=1").returncode == 0
    assert [job["heavy"] for job in program.seen()] == [False]
