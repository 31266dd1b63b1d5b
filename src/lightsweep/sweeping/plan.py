"""What every process of a sweep must know of it: small, picklable, and the same for all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightsweep.sweeping.space import Direction, Space
from lightsweep.sweeping.storage import StorageSpec, packed, unpacked


@dataclass(frozen=True)
class RerunSettings:
    """How the best settings are run again when the sweep is done.

    Args:
        seeds: on how many fresh seeds; 0 for not at all.
        top: how many settings, best first.
        seed_key: the configuration's key of the seed.
    """

    seeds: int = 0
    top: int = 1
    seed_key: str = "seed"


@dataclass(frozen=True)
class Plan:
    """A sweep's settings after they were checked.

    Args:
        study_name: the study's name in the storage.
        storage: where the study is.
        folder: the sweep's folder, absolute.
        directions: minimize or maximize, one an objective.
        sampler: configuration node of the sampler.
        pruner: configuration node of the pruner; None prunes nothing.
        space: what is searched.
        conditions: the configuration's own values of the keys that conditions ask for.
        n_trials: trials to finish in the study, over all its sweeps.
        max_failure_rate: share of failed trials above which the sweep ends.
        retry_failed: how often a trial that failed by itself is tried again.
        max_kills: settings that lost their process so often have failed, and are not run again.
        remote_timeout_s: a trial on another host counts as dead so long after its last sign of life; None for never.
        sweep: tells this sweep's jobs from those of others on the same study.
        host: where the sweep itself runs, as in `Owner`.
        deadline: no trial starts after this `time.time()`; None for no limit.
        custom_search_space: dotted path of a callable (config, trial) that draws more.
        constraints: dotted path of a callable (trial, values) that returns numbers which are <= 0 when all is well.
        rerun: how the best settings are run again.
        live: draw a live view where stdout is a terminal.
        seed: the configuration's own seed; None where it has none, or it is searched.
    """

    study_name: str | None
    storage: StorageSpec
    folder: Path
    directions: tuple[Direction, ...]
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any] | None
    space: Space
    n_trials: int
    conditions: Mapping[str, str | None] = field(default_factory=dict)
    max_failure_rate: float = 0.5
    retry_failed: int = 0
    max_kills: int = 5
    remote_timeout_s: float | None = None
    sweep: str = ""
    host: str = ""
    deadline: float | None = None
    custom_search_space: str | None = None
    constraints: str | None = None
    rerun: RerunSettings = RerunSettings()
    live: bool = True
    seed: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but a password, which launchers that write jobs into files would leave there."""
        return {**self.__dict__, "storage": packed(self.storage)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a pickle, with the storage that is in the environment."""
        self.__dict__.update(state, storage=unpacked(state["storage"]))
