"""metrics.csv: columns may come late, and a resumed run forgets what it will write again."""

import csv
import sys
import time
from pathlib import Path

import pytest
from lightning.pytorch.loggers import Logger
from omegaconf import OmegaConf

from lightsweep.config.saved import read_result
from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths
from lightsweep.training.clock import Clock
from lightsweep.training.logger_runs import LoggerRuns
from lightsweep.training.recorder import Recorder
from lightsweep.training.trainer import build_loggers
from lightsweep.training.watching import Watcher


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path / "metrics.csv", [], Clock())


def rows(recorder):
    with recorder.path.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def test_a_column_that_comes_later_is_empty_before(recorder):
    recorder.log(1, 0.5, {"train/loss": 2.0})
    recorder.log(2, 1.0, {"val/loss": 1.0})

    assert rows(recorder) == [
        {"step": "1", "epoch": "0.5", "train/loss": "2.0", "val/loss": ""},
        {"step": "2", "epoch": "1.0", "train/loss": "", "val/loss": "1.0"},
    ]


def test_numbers_are_written_exactly(recorder):
    recorder.log(1, 1.0, {"train/loss": 0.1 + 0.2})

    assert float(rows(recorder)[0]["train/loss"]) == 0.1 + 0.2


def test_rewinding_forgets_later_rows_and_keeps_the_columns(recorder, tmp_path):
    for step, name in ((1, "train/loss"), (2, "train/loss"), (2, "val/loss"), (3, "train/loss")):
        recorder.log(step, step / 3, {name: float(step)})
        if (step, name) == (2, "train/loss"):
            state = recorder.state_dict()
    with recorder.path.open("a") as file:
        file.write("4,1.")  # as a full disk leaves a row

    resumed = Recorder(recorder.path, [], Clock())
    resumed.rewind(state)
    resumed.log(3, 1.0, {"train/loss": 9.0})

    assert [(row["step"], row["train/loss"]) for row in rows(resumed)] == [("1", "1.0"), ("2", "2.0"), ("3", "9.0")]


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path):
    logger = Notes()
    recorder = Recorder(tmp_path / "metrics.csv", [logger], Clock(), active=False, settings={"seed": 3})

    recorder.introduce()
    recorder.log(1, 1.0, {"train/loss": 1.0})
    recorder.conclude(1, {"test/acc": 0.5})

    assert not list(tmp_path.iterdir())
    assert logger.told == []


class Notes(Logger):
    """Notes what it is told."""

    name = version = "notes"

    def __init__(self):
        self.told = []

    def log_hyperparams(self, params):
        self.told.append(params)

    def log_metrics(self, metrics, step):
        self.told.append((step, metrics))


class Filed(Notes):
    """A logger that takes the run's folder among others."""

    def __init__(self, **options):
        super().__init__()
        self.options = options


@pytest.mark.parametrize(("logger", "given"), [(Notes, False), (Filed, True)])
def test_a_logger_is_given_the_runs_folder_where_it_takes_one(tmp_path, logger, given):
    node = {"_target_": f"{logger.__module__}.{logger.__name__}"}
    cfg = OmegaConf.create({"logger": {"x": node}, "trust": [logger.__module__.partition(".")[0]]})

    [found] = build_loggers(cfg, RunPaths(tmp_path), LoggerRuns(tmp_path))

    assert getattr(found, "options", {}) == ({"save_dir": str(tmp_path)} if given else {})


class Named(Notes):
    """A logger that names its runs, as MLflow's."""

    def __init__(self, run_name=None):
        super().__init__()
        self.run_name = run_name


@pytest.mark.parametrize(("given", "name"), [({}, "mine/3"), ({"run_name": "best"}, "best")])
def test_a_logger_that_names_its_runs_names_them_by_their_folder(given, name):
    node = {"_target_": f"{__name__}.Named", **given}
    cfg = OmegaConf.create({"logger": {"x": node}, "trust": [__name__.partition(".")[0]]})

    [found] = build_loggers(cfg, RunPaths(Path("/outputs/sweeps/mine/3")), LoggerRuns(Path("none")))

    assert found.run_name == name


OFFLINE = """
from tests.training.test_recorder import Notes


class UsageError(Exception):
    pass


class Offline(Notes):
    @property
    def experiment(self):
        raise UsageError("No API key configured.\\nUse `wandb login`.")
"""


def test_a_logger_that_cannot_begin_says_so_in_one_line(run, importable, monkeypatch):
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    importable("wandb", OFFLINE)

    with pytest.raises(
        ConfigError, match=r"^`logger`: wandb cannot begin: No API key configured\. Use `wandb login`\.$"
    ):
        run("model=softmax_regression", "+logger.mine._target_=wandb.Offline", "trust=[wandb]")


class Watching(Notes):
    """A logger that shows settings and results by itself, as ours for TensorBoard does."""

    def watcher(self, run):
        return Watcher()


def test_a_logger_is_told_the_settings_first_and_the_test_last(tmp_path):
    plain, watching = Notes(), Watching()
    recorder = Recorder(tmp_path / "metrics.csv", [plain, watching], Clock(), settings={"optimizer": {"lr": 0.1}})

    recorder.introduce()
    recorder.log(4, 1.0, {"val/acc": 0.5})
    recorder.conclude(4, {"test/acc": 0.75})

    row = (4, {"val/acc": 0.5, "epoch": 1.0})
    assert plain.told == [{"optimizer": {"lr": 0.1}}, row, (4, {"test/acc": 0.75})]
    assert watching.told == [row]


@pytest.mark.parametrize("introduced", [True, False])
def test_a_logger_is_told_no_test_that_was_none_or_whose_start_another_process_told(tmp_path, introduced):
    logger = Notes()
    recorder = Recorder(tmp_path / "metrics.csv", [logger], Clock())

    if introduced:
        recorder.introduce()
    recorder.conclude(4, {} if introduced else {"test/acc": 0.75})

    assert logger.told == [{}] * introduced


class Slow(Notes):
    """A logger that takes a hundred seconds to note a test."""

    passed = 0.0

    def log_metrics(self, metrics, step=None):
        if "test/acc" in metrics:
            Slow.passed += 100


def test_the_times_of_a_run_hold_what_its_loggers_do_at_its_end(run, tmp_path, monkeypatch):
    now, target = time.perf_counter, "tests.training.test_recorder.Slow"
    monkeypatch.setattr(time, "perf_counter", lambda: now() + Slow.passed)
    overrides = ("model=softmax_regression", "trainer.max_epochs=1", f"+logger.mine._target_={target}")

    result = run(*overrides, "trust=[tests]", folder=tmp_path / "slow")

    saved = read_result(RunPaths(tmp_path / "slow"))
    assert result.seconds_by_part["logging"] > 100
    assert (saved["seconds"], saved["seconds_by_part"]) == (result.seconds, result.seconds_by_part)
    assert sum(result.seconds_by_part.values()) == pytest.approx(result.seconds)
