"""The outcome of a run, as `result.json` holds it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from lightsweep.config.nearest import nearest
from lightsweep.errors import ConfigError
from lightsweep.files import write_json
from lightsweep.paths import RunPaths


@dataclass
class Result:
    """What a run came to.

    Attributes:
        status: `completed`, `diverged`, `interrupted`, `pruned` or `failed`; `running` while it goes on.
        metrics: `train/loss` is the mean over the last epoch as it was trained; `val/…` and `test/…` are those of the
            best checkpoint. Accuracies are in [0, 1]. None where there is none.
        monitor: name of the metric that picked the best checkpoint.
        monitored: its best value.
        epochs: passes over the training split that were finished.
        steps: optimizer steps.
        seconds: wall time since the process started, from Python since the call, in a multirun since the run's own
            beginning; of a run that went on, of all its sessions, but for lost steps that were made again.
        samples_per_second: training examples by the time of the training epochs, validation not counted.
        seconds_by_part: the wall time split up; sums to `seconds`.
        cuda_graph: whether a GPU got a batch's forward and backward pass in one launch.
        reason: why the run ended early, in a line.
        directions: of each metric that the configuration adds, by its name without the split: `max` where more is
            better, `min` where less is, None where it does not say.
        loss: what the losses are, `cross entropy label_smoothing=0.1`: those of different kinds cannot be compared.
    """

    status: str
    seed: int
    metrics: dict[str, float | None] = field(default_factory=dict)
    monitor: str = ""
    monitored: float | None = None
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    samples_per_second: float = 0.0
    device: str = ""
    precision: str = ""
    cuda_graph: bool = False
    parameters: int = 0
    seconds_by_part: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    folder: str = ""
    directions: dict[str, str | None] = field(default_factory=dict)
    loss: str = ""

    def objectives(self, names: Sequence[str]) -> float | list[float | None] | None:
        """The values that a sweep looks at: one, or several in the order of their names.

        Args:
            names: `monitor` for the monitored metric, `seconds`, `parameters`, or a metric such as `val/loss`.

        Raises:
            ConfigError: a metric that the run does not have.
        """
        values = {"monitor": self.monitored, "seconds": self.seconds, "parameters": float(self.parameters)}
        known = {**values, **self.metrics}
        for name in names:
            if name not in known:
                raise ConfigError(f"`objectives` names {name!r}, which this run does not log{nearest(name, known)}")
        return known[names[0]] if len(names) == 1 else [known[name] for name in names]

    def save(self, paths: RunPaths) -> None:
        """Write `result.json`, with the metrics as keys of their own."""
        values = asdict(self)
        metrics = {f"{split}/{name}": None for split in ("test", "val", "train") for name in ("acc", "loss")}
        del values["folder"]  # where the file lies says it, also after the folder is moved
        write_json(paths.result, {"status": values.pop("status"), **metrics, **values.pop("metrics"), **values})
