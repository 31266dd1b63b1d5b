"""What the launcher's warm server imports, against what a run imports."""

import subprocess
import sys
from pathlib import Path

from hydra_plugins.lightsweep_local.config import LocalLauncherConf

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "lightning.", "tensorboard", "PIL", "fsspec", "lightsweep.training")
PROGRAM = f"""
import runpy, sys
from importlib import import_module

for name in {LocalLauncherConf().preload}:
    import_module(name)
before = set(sys.modules)
try:
    runpy.run_path("train.py", run_name="__main__")
finally:
    print(sorted(name for name in set(sys.modules) - before if name.startswith({HEAVY})))
"""


def test_a_run_finds_what_it_needs_imported_by_the_warm_server(mnist_root, tmp_path):
    overrides = ("model=convnet", "optimizer=adam", "trainer.max_epochs=1", "data.val_size=100")
    command = [sys.executable, "-c", PROGRAM, *overrides, f"data.root={mnist_root}", f"hydra.run.dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
