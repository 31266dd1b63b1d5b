"""The sweep on a terminal: counts, best value, time to go, and a line for each slot; finished trials scroll above it.

Which slot runs what comes from the launcher, where it tells (`on_event`); all else is read from the study.
"""

import datetime
import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightsweep.screen import many
from lightsweep.sweeping import marks
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.progress import Progress, finished_trials
from lightsweep.sweeping.results import duration_s, ranked_trials
from lightsweep.sweeping.summary import shown_parameters

if TYPE_CHECKING:
    from lightsweep.launching import JobEvent, Slot

_CHATTY = ("lightsweep.launching", "hydra_plugins.lightsweep_local")


class LiveView(Progress):
    """Draws the sweep while the body runs, and prints a line above the drawing for each trial that finishes.

    Args:
        study: the sweep's study.
        plan: the sweep.
        launcher: its `on_event`, if it has one, is used for the time of the body.
        console: a terminal.
    """

    def __init__(self, study: Study, plan: Plan, launcher: Launcher, console: Console) -> None:
        super().__init__(finished_trials(plan))
        self._picture = Picture(study, plan)
        self._slots = SlotBoard() if hasattr(launcher, "on_event") else None
        self._launcher: Any = launcher
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._undo = ExitStack()

    def __enter__(self) -> "LiveView":
        with ExitStack() as undo:  # a look at the study can fail, here and at the end
            for name in _CHATTY:  # the view says which job runs where
                chatty = logging.getLogger(name)
                undo.callback(chatty.setLevel, chatty.level)
                chatty.setLevel(logging.WARNING)
            if self._slots is not None:
                undo.callback(setattr, self._launcher, "on_event", None)
                self._launcher.on_event = self._slots.see
            undo.enter_context(self._live)
            super().__enter__()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._undo:
            super().__exit__(kind, error, trace)

    def _look(self) -> None:
        super()._look()
        self._live.update(self._picture.draw(None if self._slots is None else self._slots.busy()), refresh=True)

    def _print(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)


class SlotBoard:
    """Which process each slot runs, as a launcher tells it; slots keep their place once they were seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: dict[Slot, int | None] = {}

    def see(self, event: "JobEvent") -> None:
        """Take note of a start or an end."""
        with self._lock:
            self._pids[event.slot] = event.pid if event.outcome is None else None

    def busy(self) -> dict[str, int | None]:
        """The pid in each slot, None in a free one."""
        with self._lock:
            places = sorted(self._pids, key=lambda slot: (slot.gpus, slot.share))
            return {slot.name: self._pids[slot] for slot in places}


class Picture:
    """What the view shows.

    Args:
        study: the sweep's study.
        plan: the sweep.
    """

    def __init__(self, study: Study, plan: Plan) -> None:
        self._study, self._plan = study, plan
        self._start = datetime.datetime.now()
        self._most_running = 1
        self._best: tuple[int, RenderableType] = (-1, Text())

    def draw(self, slots: dict[str, int | None] | None) -> RenderableType:
        """The picture of this moment; without slots, a line for each running trial."""
        trials = self._study.get_trials(deepcopy=False)
        counts = marks.count(trials)
        running = [trial for trial in trials if marks.condition(trial) == "running"]
        if self._best[0] != counts.complete:
            self._best = (counts.complete, self._best_line())
        line = self._counts_line(counts, self._eta(trials, running))
        return Group(line, self._best[1], self._table(running, slots))

    def _counts_line(self, counts: marks.TrialCounts, eta: str) -> RenderableType:
        wanted = "" if counts.counted > self._plan.n_trials else f"/{self._plan.n_trials}"
        numbers = {"running": counts.running, "pruned": counts.pruned, "failed": counts.failed}
        bar = ProgressBar(total=self._plan.n_trials, completed=counts.counted, width=24)
        return CountsLine(f"study {self._plan.study_name}", bar, f"{counts.counted}{wanted} done", numbers, eta)

    def _eta(self, trials: Sequence[FrozenTrial], running: Sequence[FrozenTrial]) -> str:
        """From what trials took since the view began, by as many at once as it has seen; unknown until one finishes."""
        self._most_running = max(self._most_running, len(running))
        counted = [trial for trial in trials if marks.condition(trial) in ("complete", "pruned", "failed")]
        ended = [duration_s(trial) for trial in counted if (trial.datetime_complete or self._start) > self._start]
        took_s = [seconds for seconds in ended if seconds is not None]
        if not took_s:
            return "–"
        each_s = sum(took_s) / len(took_s)  # not the median: what is left is a sum of short and long ones
        left_s = [max(0.0, each_s - elapsed_s(trial)) for trial in running]
        unbegun = max(0, self._plan.n_trials - len(counted) - len(running))
        return clock(max(*left_s, 0.0, (sum(left_s) + unbegun * each_s) / self._most_running))

    def _best_line(self) -> RenderableType:
        best = ranked_trials(self._study)
        if not best:
            return Text("best –")
        if len(self._plan.directions) > 1:
            return Text(f"Pareto front: {many(len(best), 'trial')}")
        return Text(
            f"best {best[0].value:.6g}  trial {best[0].number}  {shown_parameters(best[0], self._plan)}",
            overflow="ellipsis",
            no_wrap=True,
        )

    def _table(self, running: Sequence[FrozenTrial], slots: dict[str, int | None] | None) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("slot", "trial", "time", "step", "value"):
            table.add_column(name, no_wrap=True)
        table.add_column("parameters")  # rich narrows the columns that may wrap; this one's cells do not
        if slots is None:
            for trial in running:
                table.add_row(_place(trial), *self._cells(trial))
            return table
        by_pid = {_owner(trial).pid: trial for trial in running if _owner(trial).is_local()}
        for name, pid in slots.items():
            table.add_row(name, *(self._cells(by_pid[pid]) if pid in by_pid else ["–"]))
        return table

    def _cells(self, trial: FrozenTrial) -> list[str | Text]:
        """Number, time since its start, the last step that it reported and its value there, parameters."""
        step, value = max(trial.intermediate_values.items(), default=("–", None))
        shown = "–" if value is None else f"{value:.4g}"
        parameters = Text(shown_parameters(trial, self._plan), no_wrap=True, overflow="ellipsis")
        return [str(trial.number), clock(elapsed_s(trial)), str(step), shown, parameters]


@dataclass
class CountsLine:
    """One line at any width: a narrow terminal has no bar and no zeros, a narrower one no name either.

    Args:
        name: of the study.
        bar: of a fixed width.
        done: how many trials, with the word.
        numbers: of trials, by the word for them.
        eta: the time to go.
    """

    name: str
    bar: ProgressBar
    done: str
    numbers: dict[str, int]
    eta: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich, with the width that there is."""
        whole = self._words(zeros=True)
        if len(f"{self.name}  {whole}") + (self.bar.width or 0) + 2 <= options.max_width:
            line = Table.grid(padding=(0, 2))
            line.add_row(Text(self.name, style="bold"), self.bar, Text(whole))
            yield line
            return
        short = Text(self._words(zeros=False), no_wrap=True, overflow="ellipsis")
        named = Text.assemble((self.name, "bold"), "  ", short)
        yield named if named.cell_len <= options.max_width else short

    def _words(self, zeros: bool) -> str:
        shown = [f"{number} {word}" for word, number in self.numbers.items() if number or zeros]
        return " · ".join([self.done, *shown, f"ETA {self.eta}"])


def elapsed_s(trial: FrozenTrial) -> float:
    """Seconds since a running trial has started; none where the clock was set back behind that."""
    now = datetime.datetime.now()
    return max(0.0, (now - (trial.datetime_start or now)).total_seconds())


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`, from a number of seconds."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _owner(trial: FrozenTrial) -> Owner:
    return Owner.from_attribute(trial.user_attrs[marks.OWNER])


def _place(trial: FrozenTrial) -> str:
    owner = _owner(trial)
    return f"{owner.host.partition(' ')[0]} {owner.pid}"
