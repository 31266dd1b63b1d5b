"""The view on a terminal: what is drawn from a study, and that a real sweep draws it without tearing."""

import datetime
import io
import logging
import os
import pty
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from lightsweep.launching import Job, JobEvent, Outcome, Slot
from lightsweep.sweeping import marks
from lightsweep.sweeping.live_view import LiveView, Picture, SlotBoard, clock
from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.results import duration_s
from lightsweep.sweeping.space import build_space

X = {"x": optuna.distributions.FloatDistribution(0, 100)}


def event(share: int, pid: int, outcome: Outcome | None = None) -> JobEvent:
    return JobEvent(Job(0, b""), Slot(share, (), share, None, 1), pid, outcome)


def drawn(picture: Picture, slots, width: int = 120) -> list[str]:
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=width, file=nowhere)
        console.print(picture.draw(slots))
        return [line.rstrip() for line in console.export_text().splitlines()]


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for value in (3.0, 7.0):
        study.tell(study.ask(X), value)
    study.tell(study.ask(X), state=TrialState.FAIL)
    running = study.ask(X)
    running.set_user_attr(marks.OWNER, Owner.here().to_attribute())
    running.report(0.5, 0)
    running.report(0.75, 3)
    return study


def plan(n_trials: int = 9) -> Plan:
    space = build_space({"x": "interval(0,100)"}, None, [])
    return Plan("s", "journal:/x", Path("/s"), ("maximize",), {}, None, space, n_trials)


@pytest.fixture
def picture(study):
    return Picture(study, plan())


def test_counts_best_and_slots_are_drawn(picture, study):
    lines = drawn(picture, {"cpu slot 0": os.getpid(), "cpu slot 1": None})
    assert "3/9 done · 1 running · 0 pruned · 1 failed · ETA –" in lines[0]
    assert lines[1].startswith(f"best 7  trial 1  x={study.trials[1].params['x']:.6g}")
    assert lines[3].split()[:4] == ["cpu", "slot", "0", "3"]
    assert " 3     0.75" in lines[3]
    assert lines[4].split() == ["cpu", "slot", "1", "–"]


def test_a_narrow_terminal_cuts_the_parameters_and_no_number(picture, monkeypatch):
    monkeypatch.setattr("lightsweep.sweeping.live_view.shown_parameters", lambda *_: "optimizer.lr=0.1 " * 9)
    lines = drawn(picture, {"cpu slot 0": os.getpid()}, width=80)
    assert lines[2].split() == ["slot", "trial", "time", "step", "value", "parameters"]
    assert lines[3].startswith("cpu slot 0  3 ")
    assert " 0.75 " in lines[3]
    assert lines[3].endswith("…")


def test_running_trials_are_drawn_where_the_launcher_tells_no_slots(picture):
    lines = drawn(picture, None)
    assert str(os.getpid()) in lines[3]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "study s  3/9 done · 1 running · 1 failed · ETA –"),
        (40, "3/9 done · 1 running · 1 failed · ETA –"),
        (20, "3/9 done · 1 runnin…"),
    ],
)
def test_counts_are_one_line_on_a_narrow_terminal(picture, width, line):
    lines = drawn(picture, {}, width)
    assert lines[0] == line
    assert lines[1].startswith("best 7")


def test_study_that_holds_more_trials_than_wanted_is_not_shown_as_a_part_of_them(study):
    assert "3 done" in drawn(Picture(study, plan(n_trials=2)), {})[0]


def lasting(seconds: float, state: TrialState) -> optuna.trial.FrozenTrial:
    """A trial that took so long, until now or until it is told."""
    trial = optuna.trial.create_trial(state=state, value=1.0 if state.is_finished() else None)
    trial.set_user_attr(marks.OWNER, Owner.here().to_attribute())
    trial.datetime_start = datetime.datetime.now() - datetime.timedelta(seconds=seconds)
    return trial


@pytest.mark.parametrize(
    ("finished_s", "running_s", "eta"),
    [
        ([], [5], "–"),
        ([8, 12], [], "1:10"),  # seven are left, one after the other
        ([10], [2.6, 9], "0:34"),  # 7.4 s, 1 s and six of ten seconds, two at once
        ([10] * 7, [3.6, 9], "0:06"),
        ([10] * 8, [25], "0:00"),
        ([10] * 9, [], "0:00"),
        ([10, -3600], [-3600], "1:10"),  # the clock was set back by an hour
    ],
)
def test_time_to_go_follows_what_trials_took_and_what_runs_has_done(finished_s, running_s, eta):
    study = optuna.create_study()
    study.add_trial(lasting(500, TrialState.COMPLETE))  # of an earlier sweep, on another machine perhaps
    view = Picture(study, plan(n_trials=10))
    study.add_trials([lasting(seconds, TrialState.COMPLETE) for seconds in finished_s])
    study.add_trials([lasting(seconds, TrialState.RUNNING) for seconds in running_s])
    assert f"ETA {eta}" in drawn(view, {})[0]


def test_a_trial_in_which_the_clock_was_set_back_lasted_nobody_knows_how_long():
    assert [duration_s(lasting(seconds, TrialState.COMPLETE)) for seconds in (-3600, 8)] == [
        None,
        pytest.approx(8, abs=1),
    ]


def test_board_keeps_the_place_of_a_freed_slot_by_its_number():
    board = SlotBoard()
    for share, pid in ((10, 6), (2, 5), (0, 4)):
        board.see(event(share, pid))
    board.see(event(2, 5, Outcome()))
    assert list(board.busy().items()) == [("cpu slot 0", 4), ("cpu slot 2", None), ("cpu slot 10", 6)]


def test_clock():
    assert [clock(0.4), clock(61), clock(3723)] == ["0:00", "1:01", "1:02:03"]


def on_terminal(app, *overrides: str) -> str:
    """What a sweep writes to a terminal of 120 columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(app.folder)
        command = app.command(*overrides)
        os.execvpe(command[0], command, {**app.environment(), "TERM": "xterm", "COLUMNS": "120"})
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's word for the end of a pseudo-terminal
            break
        if not part:
            break
        written += part
    assert os.waitpid(pid, 0)[1] == 0, written.decode()
    os.close(terminal)
    return written.decode()


SWEEP = (
    "x=interval(-2,2)",
    "hydra.sweeper.n_trials=4",
    "sleep_s=0.6",
    "hydra/launcher=local",
    "hydra.launcher.preload=[]",
)


@pytest.mark.parametrize("looks", [0, 1])
def test_drawing_ends_where_a_look_at_its_begin_or_end_fails(looks, study, monkeypatch):
    left = [{}] * looks

    def look():
        if not left:
            raise OSError("the study cannot be read")
        return left.pop()

    monkeypatch.setattr("lightsweep.sweeping.live_view.finished_trials", lambda plan: look)
    stdout, launcher, chatty = sys.stdout, SimpleNamespace(on_event=None), logging.getLogger("lightsweep.launching")
    level = chatty.level
    view = LiveView(study, plan(), launcher, Console(file=io.StringIO(), force_terminal=True))
    with pytest.raises(OSError, match="cannot be read"), view:
        assert sys.stdout is not stdout
    assert (sys.stdout, launcher.on_event, chatty.level) == (stdout, None, level)


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
@pytest.mark.parametrize("live", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_sweep_on_a_terminal(app, live):
    text = on_terminal(app, *SWEEP, f"hydra.sweeper.live={live}")
    assert ("ETA" in text) == live
    assert ("cpu slot 0  " in text) == live
    assert ("[HYDRA] job 0 started" in text) != live
    assert "trial 3  complete" in text
    assert "value minimized" in text  # the table at the end


@pytest.mark.slow
def test_no_view_without_a_terminal(app):
    out = app.sweep(*SWEEP).stdout
    assert "ETA" not in out
    assert "trial 3  complete" in out
