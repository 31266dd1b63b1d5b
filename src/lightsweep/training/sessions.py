"""A run's sessions: what those before a resumption took, which the times of the run are to hold too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightsweep.config.saved import read_result
from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training.clock import PARTS
from lightsweep.training.result import Result


@dataclass(frozen=True)
class Earlier:
    """What the sessions before this one came to, as the last of them left it in `result.json`.

    Attributes:
        steps: optimizer steps.
        finished: the run was at its end.
        seconds: of all of them.
        seconds_by_part: the same by the meter's parts.
        samples_per_second: as of `Result`.
    """

    steps: int
    finished: bool
    seconds: float
    seconds_by_part: Mapping[str, float]
    samples_per_second: float

    @classmethod
    def read(cls, paths: RunPaths) -> "Earlier | None":
        """None where the last session was killed, and so told no times, or the file is missing or damaged."""
        try:
            values = read_result(paths)
        except RunFolderError:
            return None
        parts: Any = values.get("seconds_by_part")
        numbers = [values.get(key) for key in ("steps", "seconds", "samples_per_second")]
        if values.get("status") == "running" or not isinstance(parts, dict) or set(parts) != set(PARTS):
            return None
        if not all(isinstance(value, int | float) for value in [*numbers, *parts.values()]):
            return None
        finished = values.get("status") in ("completed", "pruned")
        return cls(values["steps"], finished, values["seconds"], parts, values["samples_per_second"])

    def seconds_until(self, steps: int) -> Mapping[str, float] | None:
        """The seconds by part, to go on from a checkpoint; None where what came after it is done again."""
        return self.seconds_by_part if steps == self.steps else None

    def was_all(self, result: Result) -> bool:
        """Whether the run was at its end, and nothing more was trained."""
        return self.finished and result.steps == self.steps

    def repeat_in(self, result: Result) -> None:
        """Leave the times of a finished run as they were where nothing more was trained."""
        if self.was_all(result):
            result.seconds, result.seconds_by_part = self.seconds, dict(self.seconds_by_part)
            result.samples_per_second = self.samples_per_second
