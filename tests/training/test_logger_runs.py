"""A run that goes on goes on in its loggers' own runs; the loggers are stand-ins for W&B's and MLflow's."""

import json

import pytest
from lightning.pytorch.loggers import Logger

from lightsweep.errors import RunFolderError
from lightsweep.training import evaluate, train

BEGUN: list["Begun"] = []


class Begun(Logger):
    """A logger with runs of its own, which are numbered from 0 unless one is named."""

    name = version = "begun"

    def __init__(self, run_id=None):
        self.version, self.settings, self.steps = run_id or f"run {len(BEGUN)}", [], []
        BEGUN.append(self)

    def log_hyperparams(self, params):
        self.settings.append(params["trainer"]["max_epochs"])

    def log_metrics(self, metrics, step):
        self.steps.append(step)


class BegunAlike(Begun):
    """The same with W&B's name of the argument."""

    def __init__(self, id=None):
        super().__init__(id)


@pytest.fixture
def overrides(data):
    BEGUN.clear()
    return [*data, "model=softmax_regression", f"trust=[{__name__.partition('.')[0]}]"]


@pytest.mark.parametrize("logger", [Begun, BegunAlike])
def test_a_run_that_goes_on_goes_on_in_its_loggers_run(compose, overrides, tmp_path, logger):
    given = [*overrides, f"+logger.mine._target_={__name__}.{logger.__name__}"]

    train(compose(*given, "trainer.max_epochs=1"), tmp_path / "run")
    train(compose(*given, "trainer.max_epochs=2"), tmp_path / "run", resume=True)
    train(compose(*given, "trainer.max_epochs=1"), tmp_path / "run")

    first, resumed, anew = BEGUN
    assert [first.version, resumed.version, anew.version] == ["run 0", "run 0", "run 2"]
    assert [first.settings, resumed.settings, anew.settings] == [[1], [], [1]]  # MLflow refuses settings that changed
    assert min(resumed.steps) > max(step for step in first.steps if step)
    assert json.loads((tmp_path / "run" / "loggers.json").read_text()) == {"mine": "run 2"}


def test_a_logger_that_is_new_where_a_run_goes_on_begins_and_one_whose_run_is_named_keeps_it(
    compose, overrides, tmp_path
):
    own = [f"+logger.own._target_={__name__}.Begun", "+logger.own.run_id=mine"]
    new = f"+logger.new._target_={__name__}.Begun"

    train(compose(*overrides, *own, "trainer.max_epochs=1"), tmp_path / "run")
    train(compose(*overrides, *own, new, "trainer.max_epochs=2"), tmp_path / "run", resume=True)

    assert [(each.version, each.settings) for each in BEGUN] == [("mine", [1]), ("mine", []), ("run 2", [2])]


def test_a_logger_that_is_left_out_once_goes_on_in_its_run_later(compose, overrides, tmp_path):
    mine, other = (f"+logger.{name}._target_={__name__}.Begun" for name in ("mine", "other"))

    train(compose(*overrides, mine, other, "trainer.max_epochs=1"), tmp_path / "run")
    train(compose(*overrides, mine, "trainer.max_epochs=2"), tmp_path / "run", resume=True)
    train(compose(*overrides, mine, other, "trainer.max_epochs=3"), tmp_path / "run", resume=True)

    assert [each.version for each in BEGUN] == ["run 0", "run 1", "run 0", "run 0", "run 1"]


def test_a_damaged_file_is_told_and_is_nothing_to_who_has_no_such_logger(compose, overrides, tmp_path):
    given = [*overrides, f"+logger.mine._target_={__name__}.Begun"]
    result = train(compose(*given, "trainer.max_epochs=1"), tmp_path / "run")
    (tmp_path / "run" / "loggers.json").write_text('{"mine": 3}')

    with pytest.raises(RunFolderError, match=r"loggers\.json is damaged; without it the loggers begin runs"):
        train(compose(*given, "trainer.max_epochs=2"), tmp_path / "run", resume=True)
    assert evaluate(tmp_path / "run")["test/loss"] == pytest.approx(result.metrics["test/loss"])
    assert train(compose(*overrides, "trainer.max_epochs=2"), tmp_path / "run", resume=True).epochs == 2


def test_a_run_without_such_loggers_has_no_file(run, overrides, tmp_path):
    run(*overrides, "logger=csv", "trainer.max_epochs=1", folder=tmp_path / "run")

    assert not (tmp_path / "run" / "loggers.json").exists()
