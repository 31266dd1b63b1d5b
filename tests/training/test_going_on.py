"""Which runs can go on, by what settings, and that a refusal leaves a run as it was."""

import json
import os

import pytest
from filelock import FileLock

from lightsweep.cli import training
from lightsweep.config.going_on import made_for_length
from lightsweep.config.saved import read_result
from lightsweep.errors import ConfigError, DataError, Diverged, RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training import train
from lightsweep.training.stepper import Stepper

SMALL = ("model=softmax_regression", "optimizer=sgd", "trainer.max_epochs=2")
POLYNOMIAL = (
    "scheduler._target_=torch.optim.lr_scheduler.PolynomialLR",
    "+scheduler._partial_=true",
    "+scheduler.total_iters=auto",
)


def texts_of(folder):
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".json", ".yaml", ".ckpt", ".csv")
    }


@pytest.mark.parametrize(
    ("begun", "changed", "message"),
    [
        ((), ("optimizer.lr=0.5",), r"^`optimizer\.lr` cannot change from 0\.01 to 0\.5 where a run goes on: .*"),
        ((), ("trainer.ema_decay=0.9",), r"^`trainer\.ema_decay` cannot change from None to 0\.9 .*"),
        ((), ("monitor=val/loss",), r"^`monitor` cannot change from auto to val/loss .*"),
        ((), ("early_stopping.patience=3",), r"^`early_stopping\.patience` cannot change .*"),
        (("model=mlp",), ("model=mlp", "model.widths=[9]"), r"^`model\.widths\.0` cannot change .*"),
        ((), ("trainer.max_epochs=1",), r"^`trainer\.max_epochs` must be at least the 2 epochs .* but got 1$"),
        ((), ("trainer.max_steps=3",), r"^`trainer\.max_steps` must be at least the \d+ steps .* but got 3$"),
        ((), ("trainer.limit_train_batches=1",), r"^`trainer\.limit_train_batches` cannot change from 1\.0 to 1 .*"),
        (
            ("scheduler=cosine",),
            ("scheduler=cosine", "trainer.max_epochs=4"),
            r"^`trainer\.max_epochs` cannot change from 2 to 4 .*: `scheduler\.T_max=auto` made the schedule .*",
        ),
        (
            POLYNOMIAL,
            (*POLYNOMIAL, "trainer.max_epochs=4"),
            r"^`trainer\.max_epochs` cannot change from 2 to 4 .*: `scheduler\.total_iters=auto` made the schedule .*",
        ),
    ],
)
def test_what_a_checkpoint_holds_cannot_change_and_a_refusal_leaves_the_run_as_it_was(
    compose, run, tmp_path, begun, changed, message
):
    run(*SMALL, *begun, folder=tmp_path / "run")
    before = texts_of(tmp_path / "run")
    words = {word.partition("=")[0]: word for word in (*SMALL, *changed)}

    with pytest.raises(ConfigError, match=message):
        train(compose(*words.values()), tmp_path / "run", resume=True)

    assert texts_of(tmp_path / "run") == before


def test_a_peak_that_is_taken_from_the_optimizer_is_no_length(compose):
    assert made_for_length(compose("scheduler=onecycle", "scheduler.total_steps=50")) is None


def test_an_equal_number_of_another_type_is_no_change(compose, run, tmp_path):
    run(*SMALL, "optimizer.lr=1", folder=tmp_path / "run")
    cfg = compose(*SMALL[:-1], "optimizer.lr=1", "trainer.max_epochs=3")
    cfg.optimizer.lr = 1.0

    assert train(cfg, tmp_path / "run", resume=True).epochs == 3


@pytest.mark.parametrize("failing", ["data", "first step"])
def test_a_run_that_fails_before_it_has_gone_on_is_left_as_it_was(compose, run, tmp_path, monkeypatch, failing):
    run(*SMALL, folder=tmp_path / "run")
    before = texts_of(tmp_path / "run")
    longer = [*SMALL[:-1], "trainer.max_epochs=3"]
    if failing == "data":
        longer.append(f"data.root={tmp_path}")
    else:
        monkeypatch.setattr(Stepper, "_step", lambda *arguments: 1 / 0)

    with pytest.raises((DataError, ZeroDivisionError)):
        train(compose(*longer), tmp_path / "run", resume=True)

    assert texts_of(tmp_path / "run") == before


@pytest.fixture
def left(run, tmp_path):
    """Ends a run of two epochs, and gives the times that its `result.json` is made to hold, with other fields of it."""

    def ended(**changes):
        run(*SMALL, folder=tmp_path / "run")
        values = read_result(RunPaths(tmp_path / "run"))
        parts = {**values["seconds_by_part"], "validation": 1000.0}
        times = {"seconds_by_part": parts, "seconds": sum(parts.values()), "samples_per_second": 9.5}
        RunPaths(tmp_path / "run").result.write_text(json.dumps({**values, **times, **changes}))
        return times

    return ended


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_finished_run_that_goes_on_for_nothing_keeps_its_times(compose, tmp_path, left, status):
    times = left(status=status)

    result = train(compose(*SMALL), tmp_path / "run", resume=True)

    assert ({key: getattr(result, key) for key in times} == times) == (status == "completed")
    assert read_result(RunPaths(tmp_path / "run"))["seconds"] == result.seconds >= times["seconds"]


@pytest.mark.parametrize(
    ("changes", "counted"),
    [({}, True), ({"steps": 3}, False), ({"status": "running"}, False), ({"seconds_by_part": {}}, False)],
)
def test_the_time_after_the_last_checkpoint_counts_unless_its_steps_are_made_again(
    compose, tmp_path, left, changes, counted
):
    left(**changes)

    result = train(compose(*SMALL[:-1], "trainer.max_epochs=3"), tmp_path / "run", resume=True)

    assert (result.seconds > 1000) == counted
    assert result.seconds == pytest.approx(sum(result.seconds_by_part.values()))


def test_a_run_that_begins_anew_replaces_what_the_folder_held(compose, run, tmp_path, capsys):
    folder, other = RunPaths(tmp_path / "run"), RunPaths(tmp_path / "other")
    run(*SMALL, folder=folder.folder)
    (folder.folder / "mine.txt").touch()
    folder.predictions.mkdir()
    before = texts_of(folder.folder)
    with pytest.raises(DataError):
        train(compose(*SMALL, f"data.root={tmp_path}"), folder.folder)
    assert texts_of(folder.folder) == before

    for paths in (folder, other):
        train(compose(*SMALL, "seed=1", "trainer.max_steps=5", "logger=tensorboard"), paths.folder)

    assert f"note: {folder.folder} held a run, which this one replaces" in capsys.readouterr().err
    rows = [[line.split(",")[:2] for line in paths.metrics.read_text().splitlines()] for paths in (folder, other)]
    assert rows[0] == rows[1]
    assert {path.name for path in folder.folder.iterdir()} == {path.name for path in other.folder.iterdir()} | {
        "mine.txt"
    }
    assert len(list(folder.tensorboard.rglob("*"))) == len(list(other.tensorboard.rglob("*")))


def test_a_run_that_diverges_leaves_no_checkpoint_of_the_one_before(compose, run, tmp_path):
    run(*SMALL, folder=tmp_path)

    with pytest.raises(Diverged):
        train(compose(*SMALL, "optimizer.lr=1e38"), tmp_path)

    assert not RunPaths(tmp_path).best.exists()
    assert read_result(RunPaths(tmp_path))["status"] == "diverged"


@pytest.mark.parametrize(
    ("limit", "longer"),
    [
        (("trainer.max_epochs=2",), "to train longer: python train.py resume={folder} trainer.max_epochs=4"),
        (
            ("trainer.max_epochs=5", "trainer.max_steps=22"),
            "to train longer: python train.py resume={folder} trainer.max_steps=44",
        ),
        (
            ("trainer.max_epochs=2", "scheduler=cosine"),
            "its schedule was made for this length: a longer one is a run of",
        ),
    ],
)
def test_a_complete_run_says_so_and_is_not_trained_again(compose, run, tmp_path, capsys, limit, longer):
    overrides, folder = (*SMALL[:-1], *limit), tmp_path / "run"
    run(*overrides, folder=folder)
    last = RunPaths(folder).last.read_bytes()
    capsys.readouterr()

    train(compose(*overrides), folder, resume=True)

    told = f"note: {folder} is complete already: 2 epochs, 22 steps; {longer.format(folder=folder)}"
    assert capsys.readouterr().err.count(told) == 1
    assert RunPaths(folder).last.read_bytes() == last


def test_a_run_that_goes_on_for_longer_says_so(compose, run, tmp_path):
    run(*SMALL, folder=tmp_path / "run")

    result = train(compose(*SMALL[:-1], "trainer.max_epochs=3"), tmp_path / "run", resume=True)

    assert (result.status, result.epochs) == ("completed", 3)
    assert "max_epochs: 3" in RunPaths(tmp_path / "run").config.read_text()
    assert read_result(RunPaths(tmp_path / "run"))["epochs"] == 3


def test_lightnings_own_table_keeps_what_it_was_told_before_a_run_goes_on(compose, run, tmp_path):
    run(*SMALL, "logger=csv", folder=tmp_path / "run")
    first = tmp_path / "run" / "csv" / "version_0" / "metrics.csv"
    before = first.read_bytes()
    assert before

    train(compose(*SMALL[:-1], "logger=csv", "trainer.max_epochs=3"), tmp_path / "run", resume=True)

    assert first.read_bytes() == before
    assert "test/acc" in (first.parent.parent / "version_1" / "metrics.csv").read_text()


def test_a_run_that_stopped_early_stays_stopped(compose, run, tmp_path):
    overrides = (*SMALL[:-1], "optimizer.lr=3.0", "early_stopping.patience=1", "trainer.max_epochs=30")
    first = run(*overrides, folder=tmp_path / "run")
    assert first.epochs < 30

    again = train(compose(*overrides), tmp_path / "run", resume=True)

    assert (again.status, again.epochs, again.steps) == ("completed", first.epochs, first.steps)
    assert again.metrics == first.metrics


def test_last_is_the_newest_run_that_can_go_on(tmp_path):
    def add(name, result, last=False):
        paths = RunPaths(tmp_path / name)
        paths.last.parent.mkdir(parents=True)
        paths.config.write_text("seed: 0\n")
        paths.result.write_text(result)
        if last:
            paths.last.touch()
        os.utime(paths.result, (len(os.listdir(tmp_path)),) * 2)
        return paths

    with pytest.raises(RunFolderError, match="holds no run that is unfinished"):
        training.newest_unfinished(tmp_path)
    add("interrupted", '{"status": "interrupted"}')
    add("died", '{"status": "failed"}', last=True)
    held = add("running", '{"status": "running"}')
    for status in ("completed", "pruned", "diverged", "failed"):
        add(status, f'{{"status": "{status}"}}')
    add("damaged", "")
    add("sweep/0", '{"status": "interrupted"}')
    (tmp_path / "sweep" / "study.journal").touch()

    with FileLock(held.lock):
        assert training.newest_unfinished(tmp_path) == tmp_path / "died"
    assert training.newest_unfinished(tmp_path) == tmp_path / "running"


def test_a_change_that_a_run_cannot_go_on_by_is_told_before_torch_is_imported(command, run, tmp_path, monkeypatch):
    run(*SMALL, folder=tmp_path / "run")
    monkeypatch.setattr(training, "lean_imports", lambda: pytest.fail("torch is imported"))

    ended = command(training.train, f"resume={tmp_path / 'run'}", "optimizer.lr=0.5")

    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("error: `optimizer.lr` cannot change from 0.01 to 0.5 where a run goes on: ")
