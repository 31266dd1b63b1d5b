"""What a run leaves in its folder: metrics, events, result, configuration and checkpoints, in agreement."""

import csv
import json
import math

import pytest
import torch
from lightning.pytorch import Callback
from omegaconf import OmegaConf

from lightsweep.errors import RunFolderError
from lightsweep.paths import RunPaths
from lightsweep.training import train

KEYS = {
    "test/acc",
    "test/loss",
    "val/acc",
    "val/loss",
    "train/loss",
    "epochs",
    "steps",
    "seconds",
    "samples_per_second",
    "seed",
    "status",
}
OVERRIDES = (
    "model=mlp",
    "model.widths=[12]",
    "optimizer=adam",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=4",
    "logger=tensorboard",
    "seed=3",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs") / "run"


@pytest.fixture
def finished(folder, run):
    """The paths of one finished run, made once for all tests here."""
    if not folder.exists():
        run(*OVERRIDES, folder=folder)
    return RunPaths(folder)


@pytest.fixture
def result(finished):
    return json.loads(finished.result.read_text())


@pytest.fixture
def rows(finished):
    with finished.metrics.open() as file:
        return list(csv.DictReader(file))


def test_the_result_has_all_promised_keys(result):
    assert result.keys() >= KEYS
    assert all(result[key] is not None for key in KEYS)
    assert (result["status"], result["epochs"], result["steps"], result["seed"]) == ("completed", 3, 33, 3)
    assert 0 <= result["test/acc"] <= 1
    assert result["seconds"] > 0
    assert sum(result["seconds_by_part"].values()) == pytest.approx(result["seconds"])


def test_metrics_have_a_row_for_each_logging_point(rows):
    assert [int(row["step"]) for row in rows if row["train/loss"]] == [4, 8, 11, 15, 19, 22, 26, 30, 33]
    assert [int(row["step"]) for row in rows if row["val/loss"]] == [11, 22, 33]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values() if value)


def test_the_result_repeats_what_the_metrics_say(result, rows):
    validations = [row for row in rows if row["val/acc"]]
    best = max(validations, key=lambda row: float(row["val/acc"]))  # the first of equals

    assert result["monitor"] == "val/acc"
    assert result["monitored"] == result["val/acc"] == float(best["val/acc"])
    assert result["val/loss"] == float(best["val/loss"])
    assert result["train/loss"] == float(validations[-1]["train/loss_epoch"])


def test_the_events_on_the_disk_hold_the_scalars_of_the_metrics(finished, rows):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished.tensorboard), size_guidance={"scalars": 0})
    events.Reload()

    names = [name for name in rows[0] if name not in ("step", "epoch", "seconds")]
    assert set(events.Tags()["scalars"]) >= {*names, "epoch"}
    for name in names:
        written = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in written]
        assert [value for _, value in found] == pytest.approx([value for _, value in written], rel=1e-6)


def test_evaluation_gives_the_results_test_numbers_exactly(finished, result):
    from lightsweep import evaluate

    found = evaluate(finished.folder)

    assert found == {"test/loss": result["test/loss"], "test/acc": result["test/acc"]}


def test_the_last_checkpoint_is_the_last_epochs_and_can_be_evaluated(finished):
    from lightsweep import evaluate

    assert torch.load(finished.last, weights_only=True)["global_step"] == 33
    assert evaluate(finished.folder, "last").keys() == {"test/loss", "test/acc"}


def test_the_configuration_replays_the_run(finished, result, tmp_path):
    from lightsweep import train

    cfg = OmegaConf.load(finished.config)
    assert "${" not in finished.config.read_text(), "every interpolation is resolved"
    again = train(cfg, tmp_path / "again")

    assert {key: again.metrics[key] for key in again.metrics} == {key: result[key] for key in again.metrics}


def test_the_environment_says_what_it_ran_on(finished):
    found = json.loads(finished.environment.read_text())

    assert found.keys() >= {"git", "python", "packages", "cpu", "device", "platform", "threads"}
    assert found["packages"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_hold_plain_data_only(finished, name):
    found = torch.load(getattr(finished, name), weights_only=True)

    assert found.keys() >= {"state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"}

    def plain(value):
        if isinstance(value, dict):
            return all(plain(part) for pair in value.items() for part in pair)
        if isinstance(value, (list, tuple)):
            return all(plain(part) for part in value)
        return value is None or isinstance(value, (bool, int, float, str, torch.Tensor))

    assert plain(dict(found))


def test_no_unfinished_file_is_left(finished):
    assert not list(finished.folder.rglob("*.part"))


@pytest.mark.parametrize("optimizer", ["lbfgs", "muon", "adamw", "gd"])
@pytest.mark.parametrize("scheduler", ["onecycle", "warmup_cosine", "plateau"])
def test_checkpoints_of_all_optimizers_and_schedulers_load_as_plain_data(run, tmp_path, optimizer, scheduler):
    overrides = ("model=mlp", "model.widths=[6,6]", "trainer.limit_train_batches=2", "test=false")
    run(*overrides, f"optimizer={optimizer}", f"scheduler={scheduler}", "trainer.ema_decay=0.5", folder=tmp_path)

    assert torch.load(RunPaths(tmp_path).last, weights_only=True)["lr_schedulers"]


class Evil:
    """What a hostile checkpoint would hold."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    from lightsweep.training.checkpoints import load

    torch.save({"state_dict": {}, "x": Evil(tmp_path / "ran")}, tmp_path / "evil.ckpt")

    with pytest.raises(
        RunFolderError, match=r"evil\.ckpt is damaged or holds more than plain data, and was not loaded"
    ):
        load(tmp_path / "evil.ckpt")

    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    from lightsweep.training.checkpoints import load

    torch.save({"weights": 1}, tmp_path / "other.ckpt")

    with pytest.raises(RunFolderError, match=r"other\.ckpt is no checkpoint of a run: it holds no state_dict"):
        load(tmp_path / "other.ckpt")


def test_weights_are_loaded_without_the_rest_and_a_flipped_bit_in_them_is_named(tmp_path, monkeypatch):
    from torch.utils.serialization import config

    from lightsweep.training.checkpoints import PlainCheckpointIO, load_weights_alone

    load, mapped, path = torch.load, [], tmp_path / "last.ckpt"
    monkeypatch.setattr(torch, "load", lambda path, **how: mapped.append(how["mmap"]) or load(path, **how))
    checkpoint = {"state_dict": {"w": torch.full((1000,), 7.0)}, "optimizer_states": [torch.zeros(5)]}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    assert load_weights_alone(path)["w"].sum() == 7000
    with config.patch("save.compute_crc32", False):
        torch.save(checkpoint, path)
    assert load_weights_alone(path)["w"].sum() == 7000
    PlainCheckpointIO().save_checkpoint(checkpoint, path)
    assert load_weights_alone(path)["w"].sum() == 7000

    assert mapped == [False, True, True]  # torch's older format cannot be mapped
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((9,), 7.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"last\.ckpt is damaged"):
        load_weights_alone(path)


def test_the_best_checkpoint_is_the_best_epochs_and_the_first_of_equals(run, tmp_path):
    run(
        "model=softmax_regression",
        "optimizer.lr=2.0",
        "trainer.max_epochs=6",
        "monitor=val/acc",
        "seed=2",
        folder=tmp_path,
    )

    with RunPaths(tmp_path).metrics.open() as file:
        accuracies = [float(row["val/acc"]) for row in csv.DictReader(file) if row["val/acc"]]
    best = accuracies.index(max(accuracies))
    assert torch.load(RunPaths(tmp_path).best, weights_only=True)["global_step"] == 11 * (best + 1)
    assert best < 5, "the case must have an epoch after its best"


def test_early_stopping_ends_a_run_that_no_longer_improves(run):
    result = run(
        "model=softmax_regression",
        "trainer.max_epochs=50",
        "early_stopping.patience=2",
        "early_stopping.min_delta=1.0",
    )

    assert (result.status, result.epochs) == ("completed", 3)


def test_early_stopping_sees_an_improvement_that_float32_cannot_tell(run):
    small_steps = ("optimizer=gd", "optimizer.lr=1e-8", "early_stopping.patience=1", "trainer.max_epochs=4")

    result = run("data=line", "model=linear_regression", "trainer.precision=64-true", *small_steps)

    assert result.epochs == 4


def test_max_time_ends_a_run(run):
    result = run("model=softmax_regression", "trainer.max_epochs=-1", "trainer.max_time=00:00:00:01", "test=false")

    assert result.status == "completed"
    assert result.epochs > 0


class Stop(Callback):
    """Ends the run at the hook of its name, the first time."""

    def __init__(self, hook):
        setattr(self, hook, self.stop)

    def stop(self, trainer, *args):
        trainer.should_stop = True


@pytest.mark.parametrize(
    ("overrides", "callbacks"),
    [
        (("trainer.max_epochs=-1", "trainer.max_steps=3"), ()),
        (("trainer.max_epochs=-1", "trainer.max_steps=11"), ()),
        (("trainer.max_epochs=9", "trainer.inner_steps=2"), (Stop("on_train_batch_end"),)),
    ],
    ids=["within an epoch", "at its end", "stopped"],
)
def test_a_run_that_ends_before_its_first_validation_ends_with_one(compose, tmp_path, overrides, callbacks):
    cfg = compose("model=softmax_regression", "trainer.check_val_every_n_epoch=5", *overrides)

    result = train(cfg, tmp_path, callbacks=callbacks)

    assert result.steps == (2 if callbacks else cfg.trainer.max_steps)
    assert result.monitored == result.metrics["val/acc"] > 0
    assert torch.load(RunPaths(tmp_path).best, weights_only=True)["global_step"] == result.steps
    with RunPaths(tmp_path).metrics.open() as file:
        assert [row["val/acc"] for row in csv.DictReader(file) if row["val/acc"]] == [str(result.monitored)]


def test_a_validation_that_came_by_itself_is_the_only_one(run, tmp_path):
    length = ("trainer.max_epochs=-1", "trainer.max_steps=25", "trainer.check_val_every_n_epoch=2")

    run("model=softmax_regression", *length, folder=tmp_path)

    with RunPaths(tmp_path).metrics.open() as file:
        assert [row["step"] for row in csv.DictReader(file) if row["val/acc"]] == ["22"]


def test_without_validation_the_training_loss_picks_the_checkpoint(run, tmp_path):
    result = run("model=softmax_regression", "data.val_size=0", "trainer.max_epochs=2", folder=tmp_path)

    assert result.monitor == "train/loss"
    assert result.monitored == result.metrics["train/loss"]
    assert result.metrics["test/acc"] > 0
    assert json.loads(RunPaths(tmp_path).result.read_text())["val/acc"] is None


@pytest.mark.parametrize(("epochs", "validated"), [(2, True), (3, False)])
def test_a_result_has_no_validation_of_other_weights_than_the_best_checkpoints(run, tmp_path, epochs, validated):
    rare = ("monitor=train/loss", "trainer.check_val_every_n_epoch=2", f"trainer.max_epochs={epochs}")
    result = run("model=softmax_regression", "metrics=f1", *rare, folder=tmp_path)

    best = torch.load(RunPaths(tmp_path).best, weights_only=True)
    assert best["global_step"] == result.steps, "the loss falls"
    found = [result.metrics[name] is not None for name in ("val/loss", "val/acc", "val/f1")]
    assert found == [validated] * 3


def test_several_loggers_write_side_by_side(run, tmp_path):
    result = run("model=softmax_regression", "logger=[tensorboard,csv]", "optimizer.lr=0.03", folder=tmp_path)

    assert list(RunPaths(tmp_path).tensorboard.glob("events*"))
    assert not OmegaConf.load(RunPaths(tmp_path).tensorboard / "hparams.yaml"), "its HParams tab is ours"
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert {name: float(last[name]) for name in ("test/acc", "test/loss")} == {
        name: result.metrics[name] for name in ("test/acc", "test/loss")
    }
    assert OmegaConf.load(tmp_path / "csv" / "version_0" / "hparams.yaml") == OmegaConf.load(RunPaths(tmp_path).config)
