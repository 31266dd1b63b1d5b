"""Sweeps that are killed, or asked to stop: what is counted, what is told, and that they go on."""

import csv
import os
import re
import signal
import time

import pytest
from omegaconf import OmegaConf
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from hydra_plugins.lightsweep_optuna.optuna_sweeper import OptunaSweeper
from lightsweep.errors import Interrupted
from lightsweep.sweeping import marks
from lightsweep.sweeping.rounds import closed_by

SPACE = ("optimizer.lr=tag(log,interval(1e-4,1))", "x=interval(-2,2)")


def test_killed_sweep_is_resumed_and_its_trial_run_again(app, study_of):
    process = app.start(*SPACE, "hydra.sweeper.n_trials=3", "fail=kill")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert [trial.state for trial in study_of(app.sweep_dir).trials] == [TrialState.RUNNING]
    app.sweep(*SPACE, "hydra.sweeper.n_trials=3", "fail=kill")
    trials = study_of(app.sweep_dir).trials
    assert [marks.condition(trial) for trial in trials] == ["not_counted", "complete", "complete", "complete"]
    assert trials[1].params == trials[0].params
    assert trials[1].user_attrs[marks.RUN_AGAIN_OF] == 0
    assert "is gone" in trials[0].user_attrs[marks.REASON]


@pytest.mark.slow
def test_interrupted_trial_is_not_counted(app, study_of):
    process = app.start(*SPACE, "hydra.sweeper.n_trials=2", "fail=interrupt")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == f"error: interrupted by signal 2; to go on: the same command with hydra.sweep.dir={app.sweep_dir}\n"
    app.sweep(*SPACE, "hydra.sweeper.n_trials=2", "fail=interrupt")
    words = [marks.condition(trial) for trial in study_of(app.sweep_dir).trials]
    assert words == ["not_counted", "complete", "complete"]


def test_a_task_that_lets_its_interruption_out_ends_the_sweep_as_the_signal_would(app, study_of):
    program = (app.folder / "app.py").read_text()
    itself = "from lightsweep.errors import Interrupted; raise Interrupted(15)"
    (app.folder / "app.py").write_text(program.replace("raise KeyboardInterrupt", itself))
    run = app.sweep(*SPACE, "hydra.sweeper.n_trials=2", "fail=interrupt", code=143)
    assert run.stderr.startswith("error: interrupted by signal 15; to go on: ")
    assert [marks.condition(trial) for trial in study_of(app.sweep_dir).trials] == ["not_counted", "waiting"]


@pytest.fixture
def ended_by(tmp_path, monkeypatch, capsys):
    """The exit code and the words of a sweep in `tmp_path` that ends by an exception."""

    def ended(end, **settings):
        def run(*_: object) -> None:
            raise end

        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        monkeypatch.setattr("lightsweep.sweeping.sweep.run_sweep", run)
        sweeper = OptunaSweeper(**settings)
        config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
        sweeper.setup(hydra_context=None, task_function=lambda cfg: None, config=config)
        sweeper.hydra_context = object()
        with pytest.raises(SystemExit, match=r"\d+") as caught:
            sweeper.sweep([])
        return caught.value.code, capsys.readouterr().err

    return ended


@pytest.mark.parametrize(
    ("end", "code", "number"),
    [(KeyboardInterrupt(), 130, 2), (SystemExit(143), 143, 15), (Interrupted(15), 143, 15), (SystemExit(3), 3, None)],
)
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, ""),
        ({"storage": "journal:a", "study_name": "s"}, ""),
        ({"storage": "journal:a"}, r" hydra\.sweeper\.study_name=no-name-[0-9a-f-]{36}"),
    ],
)
def test_interruption_is_one_line_that_says_how_to_go_on(end, code, number, settings, named, tmp_path, ended_by):
    way = rf"; to go on: the same command with hydra\.sweep\.dir={tmp_path}{named}"
    found, said = ended_by(end, **settings)
    assert found == code
    assert re.fullmatch(f"error: interrupted by signal {number}{way}\n" if number else "", said)


@pytest.mark.parametrize(
    ("errno", "name", "which"), [(28, None, "{} or its study"), (30, "0/a", "{}"), (2, "a", "{}"), (2, "/b", None)]
)
def test_files_that_cannot_be_written_are_one_line_that_says_how_to_go_on(errno, name, which, tmp_path, ended_by):
    reason = os.strerror(errno)
    error = OSError(errno, reason) if name is None else OSError(errno, reason, str(tmp_path / name))
    if which is None:  # a file of somebody else's
        with pytest.raises(OSError, match=reason):
            ended_by(error)
        return
    what = f"{which.format(tmp_path)} can no longer be written: {reason}"
    when, where = ("if it was moved", "<where it is now>") if errno == 2 else ("once that is mended", tmp_path)
    way = f"{when}, to go on: the same command with hydra.sweep.dir={where}"
    assert ended_by(error) == (4, f"error: {what}; {way}\n")


def test_a_full_disk_ends_the_sweep_and_costs_no_trial(app, study_of):
    sweep = (*SPACE, "hydra.sweeper.n_trials=4", "fail=full")
    full = app.folder / "token"
    full.touch()

    done = app.sweep(*sweep, code=4)

    assert done.stderr.endswith(
        f"error: {app.sweep_dir} or its study can no longer be written: No space left on device; once that is mended, "
        f"to go on: the same command with hydra.sweep.dir={app.sweep_dir}\n"
    )
    assert marks.count(study_of(app.sweep_dir).trials).counted == 0
    full.unlink()
    app.sweep(*sweep)
    assert marks.count(study_of(app.sweep_dir).trials).complete == 4


def test_files_that_cannot_be_written_at_the_end_do_not_hide_why_it_is_the_end(caplog):
    def close(end):
        assert isinstance(end, KeyboardInterrupt)
        raise OSError(28, "No space left on device")

    with pytest.raises(KeyboardInterrupt), closed_by(close):
        raise KeyboardInterrupt
    assert "not as new as the study: [Errno 28] No space left on device" in caplog.text


def test_a_server_that_is_away_at_the_end_does_not_hide_why_it_is_the_end(caplog):
    def close(end):
        raise StorageInternalError("lost") from ConnectionError("no route")

    with pytest.raises(KeyboardInterrupt), closed_by(close):
        raise KeyboardInterrupt
    assert "not as new as the study: its server does not answer" in caplog.text


def test_trials_that_the_launcher_ended_are_killed_in_the_table_of_an_interrupted_sweep(app):
    program = (app.folder / "app.py").read_text()
    deaf = "    for number in (signal.SIGINT, signal.SIGTERM):\n        signal.signal(number, signal.SIG_IGN)\n"
    deaf += "    pathlib.Path(cfg.token).touch()\n"
    (app.folder / "app.py").write_text(program.replace("def main(cfg):\n", f"def main(cfg):\n{deaf}"))
    token = app.folder / "begun"
    local = (
        "hydra/launcher=local",
        "hydra.launcher.preload=[]",
        "hydra.launcher.grace_s=1",
        "hydra.launcher.gpus=null",
    )
    process = app.start(*SPACE, "hydra.sweeper.n_trials=2", "sleep_s=60", f"token={token}", *local)
    until = time.monotonic() + 60
    while not token.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0, out + err
    rows = list(csv.DictReader((app.sweep_dir / "trials.csv").read_text().splitlines()))
    assert rows[0]["state"] == "killed"
    assert "running" not in [row["state"] for row in rows]


@pytest.mark.slow
def test_exact_count_under_random_kills_of_workers_and_sweep(app, study_of):
    """Two sweeps at once on one study, both killed amid their trials four times, then one to finish."""
    settings = (*SPACE, "hydra.sweeper.n_trials=40", "sleep_s=0.1")
    for round_ in range(4):
        before = num_trial_folders(app)
        group = [app.start(*settings) for _ in range(2)]
        until = time.monotonic() + 60
        while num_trial_folders(app) == before and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05 + 0.17 * round_)
        for process in group:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    app.sweep(*settings)
    counts = marks.count(study_of(app.sweep_dir).trials)
    assert counts.counted == counts.complete == 40
    assert counts.running == counts.waiting == 0
    assert counts.not_counted > 0
    complete = [trial for trial in study_of(app.sweep_dir).trials if marks.condition(trial) == "complete"]
    for trial in study_of(app.sweep_dir).trials:
        if marks.condition(trial) == "not_counted" and trial.params:
            # all that it had drawn, which is a part where it was killed while it drew
            assert sum(trial.params.items() <= other.params.items() for other in complete) == 1


def num_trial_folders(app):
    return len(list(app.sweep_dir.glob("[0-9]*")))
