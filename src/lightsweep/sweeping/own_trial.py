"""A trial of lightsweep's own: when its model is built, it knows what is monitored, and whether more is better."""

from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer

from lightsweep.sweeping.own_check import refuse_direction
from lightsweep.sweeping.pruning import PruningCallback
from lightsweep.sweeping.trial import current_trial


class OwnTrial(PruningCallback):
    """Reports the metric that the study ranks, and refuses a sweep that looks for the worst.

    Seconds and parameters are no metrics: a study that ranks them hears of nothing on the way, and prunes nothing.

    Args:
        objectives: the names of what the study ranks, one a direction.
        monitor: the setting, of which `auto` is settled by the model.
    """

    def __init__(self, objectives: Sequence[str], monitor: str = "auto") -> None:
        super().__init__(monitor)
        self.objectives = list(objectives)

    def inform(self, monitor: str, modes: Mapping[str, str | None]) -> None:
        """Take up what a model's run has settled; see `Informed`.

        Raises:
            ConfigError: an objective's direction is the wrong one.
        """
        ranked, unsettled = self.objectives[0], self.monitor == "auto"
        self.monitor = monitor if ranked == "monitor" else ranked
        trial = current_trial()
        if trial is None:
            return
        for name, direction in zip(self.objectives, trial.study.directions, strict=False):
            mode = modes.get(name)
            shown = f"monitor={monitor}" if name == "monitor" else name
            advice = f"; if you gave none, give {shown} and another hydra.sweeper.study_name"
            refuse_direction(
                shown,
                None if mode is None else f"{mode}imize",
                direction.name.lower(),
                advice if name == "monitor" and unsettled else "",
            )

    def _report_metric(self, trainer: Trainer, step: int) -> None:
        if "/" in self.monitor:
            super()._report_metric(trainer, step)
