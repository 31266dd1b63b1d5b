"""What a person sees while a run goes on: a bar in a terminal; everywhere a line at its start and for each epoch."""

import sys
import time
from datetime import timedelta

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from lightsweep.screen import decimals, draws, many
from lightsweep.training.result import Result
from lightsweep.training.stepper import Stepper
from lightsweep.training.tally import Sums


class Bar(ProgressBar):
    """A rich bar with epoch, loss, accuracy, samples a second and time left; plain lines when there is no terminal.

    The bar is drawn when the stepper ticks, not by a thread of its own, which would take time from the arithmetic.

    Args:
        stepper: knows losses and counts.
        print_loss: also print the running loss at each logging point.
    """

    def __init__(self, stepper: Stepper, print_loss: bool) -> None:
        super().__init__()
        self.stepper, self.print_loss = stepper, print_loss
        self.console = Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._began = self._epoch_began = 0.0
        self._examples_before = self._of_epoch_before = 0
        self._share_before = 0.0
        self._validated = False

    def disable(self) -> None:
        """Say nothing; Lightning calls this on all processes but the first."""
        self.console.quiet = True

    def enable(self) -> None:
        """Say what happens."""
        self.console.quiet = False

    def introduce(self, result: Result, asked: str, processes: int, weights: str | None) -> None:
        """Say what is trained, where and in which precision.

        Args:
            result: what is known of the run before it starts.
            asked: `trainer.precision`.
            processes: that train together, a device each.
            weights: where those that the network starts with are from; None for drawn ones.
        """
        name = self.stepper.model.network_name()
        precision = result.precision
        if asked not in ("auto", precision):
            precision += f" (there are no units for {asked})"
        precision += ", CUDA graph" * result.cuda_graph
        device = result.device if processes == 1 else f"{processes} × {result.device}"
        start = "" if weights is None else f"   weights of {weights}"
        self.console.print(f"{name}, {many(result.parameters, 'parameter')}   {device}   {precision}{start}")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar."""
        self._began = time.perf_counter()
        self._examples_before = self.stepper.examples
        if draws(self.console) and not self.console.quiet:
            columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[text]}"))
            self._progress = Progress(*columns, console=self.console, auto_refresh=False, transient=True)
            self._task = self._progress.add_task("", total=None, text="")
            self._progress.start()
            self._share_before = self._position()[1]
        self.stepper.on_tick = self._draw

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock; of a resumed epoch some examples are behind it."""
        self._validated = False
        self._epoch_began, self._of_epoch_before = time.perf_counter(), self.stepper.epoch.examples

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that the epoch's line has a validation to tell of."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line, without the validation of an earlier epoch."""
        seconds = time.perf_counter() - self._epoch_began
        metrics = self.stepper.model.evaluated
        speed = (self.stepper.epoch.examples - self._of_epoch_before) / max(seconds, 1e-9)
        words = [f"epoch {trainer.current_epoch + 1}{self._of_epochs()}", *described("train", metrics)]
        words += [*described("val", metrics if self._validated else {}), f"{speed:,.0f} samples/s", f"{seconds:.1f} s"]
        self.console.print("   ".join(words))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def tell_loss(self, epoch: int, batch: int, sums: Sums) -> None:
        """Print the mean loss since the last logging point, where that was asked for."""
        if self.print_loss and sums.examples:
            loss = decimals(sums.loss / sums.examples)
            self.console.print(f"epoch {epoch + 1}   batch {batch}   running loss {loss}")

    def _draw(self) -> None:
        if self._progress is None:
            return
        sums = self.stepper.epoch
        epoch, share = self._position()
        words = [loss_and_accuracy(sums, self.stepper.model.task.counts)] if sums.examples else []
        elapsed = time.perf_counter() - self._began
        words.append(f"{(self.stepper.examples - self._examples_before) / max(elapsed, 1e-9):,.0f} samples/s")
        done = share - self._share_before  # in the time since the bar began; a resumed run had the rest before
        if done > 0:
            words.append(f"{timedelta(seconds=round(elapsed * (1 - share) / done))} left")
        description = f"epoch {epoch + 1}{self._of_epochs()}"
        self._progress.update(self._task, total=1.0, completed=share, description=description, text="  ".join(words))
        self._progress.refresh()

    def _position(self) -> tuple[int, float]:
        """The present epoch, and the share of the whole run that is done (0 if its length is unknown)."""
        trainer, stepper = self.trainer, self.stepper
        epochs, steps = trainer.max_epochs or -1, stepper.max_steps
        of_epoch = stepper.batches / trainer.datamodule.num_train_batches  # type: ignore[attr-defined]
        shares = [(trainer.current_epoch + of_epoch) / epochs] if epochs > 0 else []
        shares += [stepper.steps / steps] if steps > 0 else []
        return trainer.current_epoch, min(1.0, max(shares, default=0.0))

    def _of_epochs(self) -> str:
        return f"/{self.trainer.max_epochs}" if self.trainer.max_epochs not in (None, -1) else ""


def loss_and_accuracy(sums: Sums, counts: bool) -> str:
    """Such as `loss 0.123 acc 96.10 %`."""
    text = f"loss {decimals(sums.loss / sums.examples)}"
    return f"{text}  acc {100 * sums.correct / sums.examples:.2f} %" if counts else text


def described(split: str, metrics: dict[str, float]) -> list[str]:
    """A split's metrics in words: `val loss 0.05 acc 98.40 %`; nothing if there are none."""
    own = {name.removeprefix(f"{split}/"): value for name, value in metrics.items() if name.startswith(f"{split}/")}
    if "loss" not in own:
        return []
    text = f"{split} loss {decimals(own.pop('loss'))}"
    if "acc" in own:
        text += f" acc {100 * own.pop('acc'):.2f} %"
    return [text + "".join(f" {name} {decimals(value)}" for name, value in own.items())]
