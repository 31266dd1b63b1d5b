"""Stories of a run that is stopped again and again and resumed each time, told by a seed."""

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from lightsweep.paths import RunPaths
from tests.faults.nursery import Nursery

SEED = int(os.environ.get("FAULT_SEED", "0"))
"""Another seed gives other faults: `FAULT_SEED=7 pytest -m slow tests/faults`."""

BASE = (
    "trainer.accelerator=cpu",
    "trainer.checkpoint_every_n_steps=3",
    "trainer.log_every_n_steps=4",
    "trainer.precision=32-true",
    "data.val_size=50",
    "logger=tensorboard",
    "trainer.max_epochs=2",
)
CASES = {
    "mlp": (
        *("model=mlp", "model.widths=[16]", "model.dropout=0.2", "model.batch_norm=true", "data.batch_size=40"),
        *("data.shift=1", "optimizer=adam", "scheduler=onecycle", "trainer.accumulate_grad_batches=2"),
        *("trainer.ema_decay=0.9", "trainer.grad_clip=1.0"),
    ),
    "plateau": (
        *("model=softmax_regression", "scheduler=plateau", "scheduler.patience=0", "early_stopping.patience=2"),
        *("data.batch_size=50", "trainer.max_epochs=4"),
    ),
    "convnet": ("model=convnet", "model.filters=[4,4]", "data.batch_size=60", "optimizer=muon"),
    "workers": ("model=softmax_regression", "data.loader=workers", "data.batch_size=60", "optimizer=adamw"),
    "full_batch": ("model=softmax_regression", "optimizer=lbfgs", "trainer.max_epochs=5"),
}


@dataclass
class Story:
    """One run, with what happened to it.

    Attributes:
        folder: where the commands run; the run's own folder is `run` inside it.
        lines: lines of our code in a run that nothing happens to; faults fall within them.
        seconds: how long such a run takes.
        told: the faults so far, for the message of a test that fails.
    """

    nursery: Nursery
    overrides: tuple[str, ...]
    folder: Path
    lines: int
    seconds: float
    told: list[str] = field(default_factory=list)

    def command(self) -> tuple[str, ...]:
        """The command that begins the run, or goes on with it."""
        begun = RunPaths(self.folder / "run").config.is_file()
        return ("resume=run",) if begun else (*self.overrides, "hydra.run.dir=run")

    def suffer(self, dice: random.Random, number: int) -> int:
        """Send a signal at a moment that the dice choose; returns the exit code."""
        if dice.random() < 0.7:
            at = dice.randint(1, self.lines)
            self.told.append(f"signal {number} at line {at}")
            return self.nursery.start(self.folder, *self.command(), fault=(at, number)).wait()
        delay = dice.uniform(0, self.seconds)
        self.told.append(f"signal {number} after {delay:.3f} s")
        process = self.nursery.start(self.folder, *self.command())
        time.sleep(delay)
        if Path(f"/proc/{process.pid}").exists():
            os.kill(process.pid, number)
        return process.wait()

    def end(self) -> None:
        """Let the run come to its end undisturbed."""
        code = self.nursery.start(self.folder, *self.command()).wait()
        assert code == 0, f"{self}: {(self.folder / 'err.txt').read_text()}"

    def __str__(self) -> str:
        return f"FAULT_SEED={SEED}, {self.folder.name}: {'; '.join(self.told)}"


def kill_until(story: Story, dice: random.Random, most: int) -> int:
    """Kill a run up to `most` times, then let it end; returns how many kills there were."""
    for kills in range(most):
        code = story.suffer(dice, signal.SIGKILL)
        if code != -signal.SIGKILL:
            assert code == 0, f"{story}: {(story.folder / 'err.txt').read_text()}"
            return kills
    story.end()
    return most
