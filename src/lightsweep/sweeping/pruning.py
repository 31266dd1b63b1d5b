"""The Lightning callback that reports a trial's progress and ends the fit when the pruner says so.

It never raises inside a fit that can end by itself: `fit` stops cleanly, logs and checkpoints are complete, and the run
ends with `raise_if_pruned`. Without a trial it does nothing.
"""

import os
from typing import Any, NoReturn

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer

from lightsweep.config.nearest import nearest_metric
from lightsweep.errors import ConfigError
from lightsweep.sweeping import marks
from lightsweep.sweeping.trial import TRIAL_VARIABLE, current_trial, killed_trial


class PruningCallback(Callback):
    """Reports `monitor` to the current trial; rank 0 decides, every rank learns it.

    Args:
        monitor: a metric that the module logs, as in `trainer.callback_metrics`.
        every: "epoch" reports with the epoch's index (from 0) as its step: a metric whose name begins with `train` at
            the epoch's end, any other after its first validation. A number k reports once in k optimizer steps with
            `trainer.global_step` as its step: the former at the end of a batch, the latter after a validation.

    Raises:
        ConfigError: `every` is neither, nobody logs `monitor`, or the trial cannot be reached from a spawned process.
    """

    def __init__(self, monitor: str, every: str | int = "epoch") -> None:
        if every != "epoch" and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ConfigError(f"`pruning.every` must be epoch or a number of steps of at least 1 but got {every!r}")
        self.monitor, self.every = monitor, every
        self._pruned_at: int | None = None
        self._last_step: int | None = None

    @property
    def pruned(self) -> bool:
        """Whether the pruner has ended this trial; read from the study where the fit ran in another process."""
        return self._step is not None

    @property
    def reason(self) -> str:
        """Why a pruned trial ended, as `trials.csv` has it."""
        return f"pruned at step {self._step}"

    @property
    def _step(self) -> int | None:
        trial = current_trial()
        if self._pruned_at is not None or trial is None:
            return self._pruned_at
        return trial.user_attrs.get(marks.PRUNED_AT)

    def report(self, trainer: Trainer, value: float, step: int) -> None:
        """Report one value and stop the trainer when the trial is to be pruned; call it on every rank.

        Args:
            trainer: the running trainer.
            value: the monitored metric; NaN is reported as it is.
            step: counts up; a step that was reported already is passed over.

        Raises:
            optuna.TrialPruned: the trial was pruned before, but `min_epochs` or `min_steps` keeps the fit going.
        """
        if self._pruned_at is not None:
            if step > self._pruned_at:
                self._end_process(f"pruned at step {self._pruned_at}, held on by min_epochs or min_steps")
            return
        if self._last_step is not None and step <= self._last_step:
            return
        self._last_step = step
        prune = trainer.is_global_zero and self._ask_pruner(value, step, self._is_at_end(trainer))
        self._end(trainer, step if prune else None)

    def _end(self, trainer: Trainer, step: int | None) -> None:
        """Stop every rank's trainer if rank 0 has a step at which the trial is pruned."""
        if trainer.world_size > 1:
            step = trainer.strategy.broadcast(step, src=0)
        if step is not None:
            self._pruned_at = step
            trainer.should_stop = True

    def raise_if_pruned(self) -> None:
        """End a pruned run, after its logs and files are written; call it on every rank as the task's last act.

        Raises:
            optuna.TrialPruned: this process runs a trial, and it was pruned.
        """
        if self.pruned and current_trial() is not None:
            raise optuna.TrialPruned(self.reason)

    @staticmethod
    def _end_process(reason: str) -> NoReturn:
        """Leave a fit that would go on. A rank without the trial ends with code 0: Lightning kills rank 0 otherwise."""
        if current_trial() is None:
            raise SystemExit(0)
        raise optuna.TrialPruned(reason)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a strategy whose processes cannot see the trial."""
        if trainer.is_global_zero and current_trial() is None and TRIAL_VARIABLE in os.environ:
            raise ConfigError("pruning cannot reach the trial from a spawned process; use `trainer.strategy=ddp`")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report again what a killed trial had reported, as far as this run goes on after it; a pruned one ends."""
        self._end(trainer, self._report_again(trainer) if trainer.is_global_zero else None)

    def _report_again(self, trainer: Trainer) -> int | None:
        """Returns the step at which the killed trial was pruned, if this run goes on after it."""
        trial, before = current_trial(), killed_trial()
        if trial is None or before is None or len(trial.study.directions) > 1:
            return None
        reached = trainer.current_epoch - 1 if self.every == "epoch" else trainer.global_step
        for step in sorted(step for step in before.reported if step <= reached):
            trial.report(before.reported[step], step)
            trial.should_prune()  # answered before; halving notes at each rung the value that other trials meet there
            self._last_step = step
        if before.pruned_at is None or before.pruned_at > reached:
            return None
        trial.set_user_attr(marks.PRUNED_AT, before.pruned_at)
        return before.pruned_at

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report after a validation, sanity checks excepted."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self._is_of_training:
            return
        if self.every == "epoch":
            self._report_metric(trainer, trainer.current_epoch)
        elif self._is_due(trainer.global_step):
            self._report_metric(trainer, trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a training metric, which before the epoch's end is the epoch's before."""
        if self.every == "epoch" and self._is_of_training:
            self._report_metric(trainer, trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report a training metric once in `every` optimizer steps; a batch may hold several of them."""
        if self.every != "epoch" and self._is_of_training and self._is_due(trainer.global_step):
            self._report_metric(trainer, trainer.global_step)

    def _is_at_end(self, trainer: Trainer) -> bool:
        """Whether the run has made all its steps, or all of its last epoch's, or is ended, as by early stopping."""
        if trainer.should_stop and trainer.fit_loop._can_stop_early:
            return True
        if trainer.max_steps > 0 and trainer.global_step >= trainer.max_steps:
            return True
        last_epoch = trainer.max_epochs is not None and 0 < trainer.max_epochs <= trainer.current_epoch + 1
        return last_epoch and (self.every == "epoch" or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch)

    @property
    def _is_of_training(self) -> bool:
        return self.monitor.startswith("train")

    def _is_due(self, step: int) -> bool:
        assert isinstance(self.every, int)
        return step // self.every > (self._last_step or 0) // self.every

    def _report_metric(self, trainer: Trainer, step: int) -> None:
        # Lightning rounds numbers that are no tensors to float32; lightsweep's models keep their metrics as they were
        metrics = {**trainer.callback_metrics, **getattr(trainer.lightning_module, "evaluated", {})}
        if self.monitor not in metrics:
            hint = nearest_metric(self.monitor, metrics)
            raise ConfigError(
                f"pruning monitors {self.monitor}, which nobody logs (logged: {', '.join(metrics)}){hint}"
            )
        self.report(trainer, float(metrics[self.monitor]), step)

    def _ask_pruner(self, value: float, step: int, last: bool) -> bool:
        """Tell the study the value; with several directions Optuna has no pruning, and nothing is told.

        What is trained to its end is not pruned any more: nothing would be saved, and its value lost to the ranking.
        The pruner is asked all the same: halving notes the value, by which it judges others.
        """
        trial = current_trial()
        if trial is None or len(trial.study.directions) > 1:
            return False
        trial.report(value, step)
        if not trial.should_prune() or last:
            return False
        trial.set_user_attr(marks.PRUNED_AT, step)
        return True
