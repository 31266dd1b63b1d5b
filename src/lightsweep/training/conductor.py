"""The callback that ties Lightning's hooks to the stepper, the recorder and the clock."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loops.evaluation_loop import RestartStage
from torch import Tensor

from lightsweep.data.loader import Chunk
from lightsweep.errors import ConfigError
from lightsweep.training.callbacks import is_out_of_time, stopped_early, why_pruned
from lightsweep.training.clock import Clock
from lightsweep.training.freezing import freeze_alone, frozen_parts
from lightsweep.training.progress import Bar
from lightsweep.training.randomness import draw_apart, random_states, restore_random_state
from lightsweep.training.recorder import Recorder
from lightsweep.training.sessions import Earlier
from lightsweep.training.stepper import Stepper
from lightsweep.training.synchronizing import buffers_by_rank, share_buffers
from lightsweep.training.tally import Sums


class Conductor(Callback):
    """Logs what the stepper counted, and advances what counts epochs.

    Args:
        stepper: makes the steps.
        recorder: writes metrics.
        clock: counts the time.
        bar: told the running loss.
        log_every_n_steps: steps between two logged training metrics.
        monitor: metric that a plateau schedule looks at.

    Attributes:
        started: whether training began, with all that a checkpoint held taken up.
        describe: writes what the run is into its folder; of one that goes on, once it has made a step.
        described: whether it was called.
        earlier: the sessions of a run that goes on, as they ended; None where the last was killed.
    """

    def __init__(
        self, stepper: Stepper, recorder: Recorder, clock: Clock, bar: Bar, log_every_n_steps: int, monitor: str
    ) -> None:
        self.stepper, self.recorder, self.clock, self.bar = stepper, recorder, clock, bar
        self.log_every_n_steps, self.monitor = log_every_n_steps, monitor
        self.started = self.described = False
        self.describe: Callable[[], None] = lambda: None
        self.earlier: Earlier | None = None
        self._logged_step = 0
        self._validated = self._closed = self._stopped = False
        self._patience: dict[str, Any] = {}
        self._random: list[dict[str, Any]] = []
        self._buffers: list[dict[str, Tensor]] = []
        self._frozen: list[str] | None = None

    def describe_once(self) -> None:
        """Call `describe`, the first time."""
        if not self.described:
            self.described = True
            self.describe()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on, time that is nothing else is the framework's; a resumed run takes up what each process had."""
        own_is_saved = len(self._random) == trainer.world_size
        if self._random:
            own = trainer.global_rank if own_is_saved else 0
            restore_random_state(self._random[own], trainer.strategy.root_device)
        if not own_is_saved:
            draw_apart(trainer.global_rank, self.stepper.steps)
        elif self._buffers:
            pl_module.load_state_dict(self._buffers[trainer.global_rank], strict=False)
        if self._frozen is not None:
            freeze_alone(self.stepper.model.net, self._frozen)
        self.started = True
        self.recorder.introduce()
        self.clock.enter("framework")
        if (self._closed and (self.stepper.is_at_end or self._stopped)) or stopped_early(trainer):
            trainer.should_stop = True  # as before it was resumed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the epoch's permutation, and skip what a resumed epoch had before."""
        self.stepper.start_epoch()
        self._closed, self._patience = False, {}
        loader: Any = trainer.train_dataloader
        batches, batches_of_epoch = self.stepper.batches, len(loader.order)
        if batches % loader.chunk == 0 or batches == batches_of_epoch or self.stepper.is_at_end:
            self._settle_chunk(trainer)  # which checkpoints of earlier versions were written before
        # a run that has its last step behind it has only the validation after it to come
        skip = batches_of_epoch if self.stepper.is_at_end or self._stopped else batches
        loader.epoch, loader.skip = trainer.current_epoch, skip
        count_from(trainer.fit_loop.epoch_loop, trainer.current_epoch * len(loader), loader.behind, len(loader))
        self._let_callbacks_log_by_steps(trainer, restarts=loader.behind > 0)

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        """What Lightning's and own callbacks log from here on is of the steps so far."""
        self._let_callbacks_log_by_steps(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Chunk, batch_idx: int
    ) -> None:
        """Log when it is due; at the epoch's last batch, let the schedules know."""
        if not self.stepper.steps:
            name = type(pl_module).__name__
            raise ConfigError(f"`model`: {name}.training_step must call super().training_step, which makes the steps")
        self._let_callbacks_log_by_steps(trainer)
        self.describe_once()
        self._settle_chunk(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the time as validation's."""
        if trainer.state.fn == "fit":
            self.describe_once()  # of a run that has only this before it
            self._note_patience(trainer)
        self.clock.enter("validation")
        self._settle(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """A signal ends a validation too; several processes agree on it after the next chunk of training."""
        if trainer.world_size == 1:
            self.stepper.stop.raise_if_requested()

    def on_test_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """A signal ends a test too, where no other process waits for its part."""
        self.on_validation_batch_end(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let plateau schedules see the monitored metric."""
        self.clock.enter("framework")
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Publish the epoch's metrics, log them, and let plateau schedules see the monitored one."""
        if self.stepper.is_at_end or self._stopped:
            trainer.should_stop = True  # also where no step was left to say so
        if not self._validated:
            self._note_patience(trainer)
        self._settle(trainer)  # for the checkpoint, also where nothing was validated
        metrics = self._metrics(self.stepper.epoch)
        self.stepper.model.log_for_callbacks(metrics)
        self.stepper.model.evaluated.update(metrics)
        row = {f"{name}_epoch": value for name, value in metrics.items()}
        if self._validated:
            row |= {k: v for k, v in self.stepper.model.evaluated.items() if k.startswith("val/")}
        if self.stepper.epoch_is_whole and (self.monitor in metrics or self._validated):
            self._advance_plateaus()
        self._validated, self._closed = False, True
        self.recorder.log(self.stepper.steps, self._epoch(trainer), row)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs besides what Lightning saves; `on_save_checkpoint` adds what each process has."""
        return {
            "stepper": self.stepper.state_dict(),
            "evaluated": dict(self.stepper.model.evaluated),
            "logged_step": self._logged_step,
            "frozen": frozen_parts(self.stepper.model.net),
            "closed": self._closed,  # the epoch has been validated and logged, as far as it went
            "seconds": dict(self.clock.seconds),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.stepper.load_state_dict(state_dict["stepper"])
        self.stepper.model.evaluated = dict(state_dict["evaluated"])
        self._logged_step = state_dict["logged_step"]
        self._random, self._buffers = state_dict["random"], state_dict["buffers"]
        self._closed, self._stopped = state_dict["closed"], state_dict.get("stopped", False)
        self._frozen = state_dict.get("frozen")  # earlier versions did not say
        closed = self.earlier.seconds_until(self.stepper.steps) if self.earlier is not None else None
        for part, seconds in (closed if closed is not None else state_dict["seconds"]).items():
            self.clock.seconds[part] += seconds

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say where to go on in our own terms: Lightning's would repeat or skip parts of a chunk."""
        progress: Any = trainer.fit_loop.epoch_progress.current
        # an epoch that max_steps or max_time cut short is processed too, and a run that is given more goes on within it
        between_epochs = progress.processed > progress.completed and self.stepper.epoch_is_whole
        own = checkpoint["callbacks"][self.state_key]
        # an end by a limit is none for a run that is given more, and whether it is pruned is asked again
        limited = self.stepper.is_at_end or is_out_of_time(trainer) or why_pruned(trainer.callbacks) is not None  # type: ignore[attr-defined]
        own["stopped"] = trainer.should_stop and not limited
        own["random"] = random_states(trainer.strategy.root_device, trainer.world_size)
        own["buffers"] = buffers_by_rank(self.stepper.model) if trainer.world_size > 1 else []
        stepper = own["stepper"]
        if between_epochs:
            empty = asdict(Sums())
            stepper.update(batches=0, epoch=empty, interval=dict(empty), _ended=False)
        checkpoint["loops"]["fit_loop"] = fresh_loop(
            checkpoint["loops"]["fit_loop"],
            progress.processed if between_epochs else progress.completed,
            self.stepper.steps,
        )
        checkpoint["files"] = self.recorder.state_dict()
        checkpoint["callbacks"].update(self._patience)

    def _let_callbacks_log_by_steps(self, trainer: Trainer, restarts: bool = False) -> None:
        """Give Lightning the number that `self.log` and its own callbacks log by: it would count chunks.

        It adds one as it restarts, and one after a chunk and its validation.
        """
        trainer.fit_loop.epoch_loop._batches_that_stepped = self.stepper.steps - restarts

    def _settle_chunk(self, trainer: Trainer) -> None:
        """Log what the steps so far add up to when it is due; after the epoch's last step, let the schedules know."""
        stepper = self.stepper
        done = stepper.batches >= trainer.datamodule.num_train_batches  # type: ignore[attr-defined]
        is_due = stepper.steps - self._logged_step >= self.log_every_n_steps or done
        if stepper.interval.examples and is_due:
            self._log_interval(trainer)
        if done:
            stepper.end_epoch()

    def _settle(self, trainer: Trainer) -> None:
        """Make the network what is validated and saved, on all processes."""
        self.stepper.show_averages()
        if trainer.world_size > 1:
            share_buffers(self.stepper.model)

    def _note_patience(self, trainer: Trainer) -> None:
        """Where a limit cut the epoch short, what early stopping has counted so far, to be gone on with.

        A run that is given more ends the epoch, and then it counts once.
        """
        if not self.stepper.epoch_is_whole:
            counting = [each for each in trainer.callbacks if isinstance(each, EarlyStopping)]  # type: ignore[attr-defined]
            self._patience = {each.state_key: deepcopy(each.state_dict()) for each in counting}

    def _advance_plateaus(self) -> None:
        for schedule in self.stepper.schedules:
            if schedule.on_plateau:
                schedule.advance(self.stepper.model.evaluated[self.monitor])

    def _epoch(self, trainer: Trainer) -> float:
        """Passes over the training split made so far."""
        return trainer.current_epoch + self.stepper.batches / max(1, trainer.datamodule.num_train_batches)  # type: ignore[attr-defined]

    def _log_interval(self, trainer: Trainer) -> None:
        stepper = self.stepper
        sums, stepper.interval = stepper.interval, Sums()
        self._logged_step = stepper.steps
        self.recorder.log(stepper.steps, self._epoch(trainer), {**self._metrics(sums), **stepper.rates})
        self.bar.tell_loss(trainer.current_epoch, stepper.batches, sums)

    def _metrics(self, sums: Sums) -> dict[str, float]:
        if not sums.examples:
            return {}
        metrics = {"train/loss": sums.loss / sums.examples}
        if self.stepper.model.task.counts:
            metrics["train/acc"] = sums.correct / sums.examples
        return metrics


def count_from(loop: Any, before: int, behind: int, chunks: int) -> None:
    """Let Lightning's loop over an epoch's chunks begin after some of them.

    After all of them, only what follows the last one is to come: the validation, where one is due. No callback is told
    of a chunk again.

    Args:
        loop: the trainer's `fit_loop.epoch_loop`, about to run.
        before: chunks of the epochs before.
        behind: chunks of this epoch that are behind it.
        chunks: all that it has.
    """
    for counts, number in ((loop.batch_progress.total, before + behind), (loop.batch_progress.current, behind)):
        for name in vars(counts):
            setattr(counts, name, number)
    if not behind:
        return
    loop.restarting = True  # else it would begin at 0
    if behind == chunks:
        loop.val_loop._restart_stage = RestartStage.RESTARTED_MID_EVALUATION


def fresh_loop(state: dict[str, Any], epoch: int, steps: int) -> dict[str, Any]:
    """The state of a Lightning fit loop that stands before an epoch, with some optimizer steps made.

    Args:
        state: a fit loop's state; its shape is kept.
        epoch: epochs that are behind it.
        steps: optimizer steps that are behind it.
    """

    def zeroed(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: zeroed(value) for key, value in tree.items()}
        return type(tree)() if isinstance(tree, (int, float)) else tree

    fresh = zeroed(state)
    for counts in fresh["epoch_progress"].values():
        counts.update(dict.fromkeys(counts, epoch))
    for counts in fresh["epoch_loop.manual_optimization.optim_step_progress"].values():
        counts.update(dict.fromkeys(counts, steps))
    return fresh
