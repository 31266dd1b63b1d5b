"""Strange places and times: spaces and Unicode in paths, no UTF-8, no HOME, a read-only install, a clock set back."""

import json
import os
import subprocess
import sys

import pytest

from lightsweep.paths import RunPaths
from tests.conftest import ROOT

CLOCK = """
import time
_time, _began = time.time, time.time()
time.time = lambda: _time() - (86400 if _time() - _began > 3 else 0)  # a day back, three seconds after the start
"""
QUICK = ("model=softmax_regression", "trainer.accelerator=cpu", "trainer.max_epochs=2", "trainer.limit_train_batches=5")


@pytest.fixture
def read_only_install(tmp_path):
    """The project on a file system that cannot be written."""
    folder = tmp_path / "install ö"
    folder.mkdir()
    made = subprocess.run(["mount", "--bind", ROOT, folder], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr.strip()}")
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def ended(tmp_path):
    """Runs an install's `train.py` in a strange folder, without HOME and UTF-8, under a clock that goes back."""
    place = tmp_path / "söme pläce 漢字"
    place.mkdir()
    (tmp_path / "sitecustomize.py").write_text(CLOCK)

    def run(install, *arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "PYTHONIOENCODING": "ascii",
            "PYTHONPATH": f"{tmp_path}:{install}/src",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(install / "train.py"), *map(str, arguments)]
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False)

    run.place = place
    return run


@pytest.mark.slow
def test_a_run_in_a_strange_place_at_a_strange_time(read_only_install, ended, mnist_root):
    data = (f"data.root={mnist_root}", "data.val_size=50", "data.batch_size=50")

    first = ended(read_only_install, *QUICK, *data, "tags=['größe']", "hydra.run.dir='mein lauf ü'")

    assert (first.returncode, first.stderr) == (0, b"")
    paths = RunPaths(ended.place / "mein lauf ü")
    result = json.loads(paths.result.read_text(encoding="utf-8"))
    assert (result["status"], result["steps"]) == ("completed", 10)
    assert 0 < result["seconds"] < 600
    assert paths.config.read_text(encoding="utf-8").count("größe") == 1

    again = ended(read_only_install, "resume=mein lauf ü", "trainer.max_epochs=3")

    assert (again.returncode, again.stderr) == (0, b"")
    assert json.loads(paths.result.read_text(encoding="utf-8"))["steps"] == 15


def test_a_mistake_is_one_line_where_there_is_no_utf_8(ended):
    unquoted, wrong = ended(ROOT, "optimizer=ädäm"), ended(ROOT, "optimizer='ädäm'")

    assert (unquoted.returncode, wrong.returncode) == (2, 2)
    assert b"Hydra wants letters beyond ASCII in quotes" in unquoted.stderr
    assert wrong.stderr.startswith(b"error: `optimizer` must be one of ")
    assert wrong.stderr.count(b"\n") == unquoted.stderr.count(b"\n") == 1
