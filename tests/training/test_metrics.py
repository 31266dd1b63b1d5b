"""Metrics that a configuration adds, over validation and test."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics import Metric

from lightsweep.errors import ConfigError
from lightsweep.paths import RunPaths
from lightsweep.sweeping.own_check import check_own
from lightsweep.training import evaluate
from lightsweep.training.metrics import as_metrics_take_it, as_precise, build_metrics

SOFTMAX = "model=softmax_regression"
T = "torchmetrics.classification"


def macro_f1(predicted, targets, num_classes):
    """The mean over classes of 2·hits / (predicted + actual)."""
    scores = []
    for kind in range(num_classes):
        hits = ((predicted == kind) & (targets == kind)).sum()
        scores.append(2 * hits / ((predicted == kind).sum() + (targets == kind).sum()))
    return float(torch.stack(scores).mean())


def area(scores, positive):
    """How often a positive example has the higher score of a pair; a tie is half."""
    above, below = scores[positive][:, None], scores[~positive][None]
    return ((above > below) + 0.5 * (above == below)).mean()


def by_hand(logits, targets):
    """F1, balanced accuracy, AUROC and calibration error as the mean over the classes that have examples."""
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    told, found = chances.argmax(1), {"f1": [], "balanced_acc": [], "auroc": []}
    for kind in np.unique(targets):
        there = targets == kind
        hits = (there & (told == kind)).sum()
        found["f1"].append(2 * hits / (there.sum() + (told == kind).sum()))
        found["balanced_acc"].append(hits / there.sum())
        found["auroc"].append(area(chances[:, kind], there))
    sure, right = chances.max(1), told == targets
    bins = np.ceil(sure * 15)
    found["calibration"] = [
        sum(abs(sure[bins == i].mean() - right[bins == i].mean()) * (bins == i).mean() for i in np.unique(bins))
    ]
    return {name: np.mean(values) for name, values in found.items()}


def computed(metrics, spec, outputs, targets):
    for metric in metrics.values():
        for part in range(0, len(targets), 40):
            metric.update(*as_metrics_take_it(spec, outputs[part : part + 40], targets[part : part + 40]))
    return {name: float(metric.compute()) for name, metric in metrics.items()}


SHIPPED = "metrics=[f1,balanced_acc,auroc,calibration]"


def unequal(num_outputs):
    """Logits that tell two classes apart somewhat, one of which is rare."""
    generator = torch.Generator().manual_seed(4)
    targets = (torch.rand(200, generator=generator) < 0.15).long()
    outputs = torch.randn(200, num_outputs, generator=generator)
    outputs[:, -1] += 1.5 * targets - 1
    return outputs, targets


def test_metrics_of_one_logit_are_those_of_two(compose, initial):
    overrides = ("model=logistic_regression", "data=mnist_binary", SHIPPED)
    model = initial(*overrides)[1]
    outputs, targets = unequal(1)

    found = computed(build_metrics(compose(*overrides), model), model.spec, outputs, targets)

    logits = np.hstack([np.zeros((200, 1)), outputs.numpy().astype(float)])
    assert found == pytest.approx(by_hand(logits, targets.numpy()), rel=1e-5)
    assert len(set(found.values())) == len(found)


def test_a_metric_of_class_one_gets_its_probability(compose, initial):
    overrides = ("model=logistic_regression", "data=mnist_binary")
    added = [f"+metrics.{name}._target_={T}.{kind}" for name, kind in
             [("said", "F1Score"), ("binary", "BinaryF1Score"), ("both", "MulticlassF1Score")]]  # fmt: skip
    model = initial(*overrides)[1]
    outputs, targets = unequal(1)
    cfg = compose(*overrides, *added, "+metrics.said.task=binary", "+metrics.said.threshold=0.3")

    found = computed(build_metrics(cfg, model), model.spec, outputs, targets)

    chances = 1 / (1 + np.exp(-outputs.numpy()[:, 0]))
    for name, threshold in (("said", 0.3), ("binary", 0.5)):
        told, there = chances > threshold, targets.numpy() == 1
        assert found[name] == pytest.approx(2 * (told & there).sum() / (told.sum() + there.sum()), rel=1e-5)
    assert found["both"] != found["binary"]


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_a_class_without_examples_is_left_out_of_a_macro_mean(compose, initial):
    overrides = (SOFTMAX, "metrics=[balanced_acc,auroc]")
    model = initial(*overrides)[1]
    generator = torch.Generator().manual_seed(5)
    outputs, targets = torch.randn(120, 10, generator=generator), torch.arange(120) % 3
    outputs[torch.arange(120), targets] += 1
    metrics = build_metrics(compose(*overrides), model)

    wanted = by_hand(outputs.numpy().astype(float), targets.numpy())
    for _ in range(2):  # a second validation begins anew
        found = computed(metrics, model.spec, outputs, targets)
        assert found == pytest.approx({name: wanted[name] for name in found}, rel=1e-5)
        for metric in metrics.values():
            metric.reset()


@pytest.mark.filterwarnings("ignore:No (positive|negative) samples")
def test_a_class_that_all_examples_are_of_has_no_area_under_its_curve(compose, initial):
    overrides = (SOFTMAX, "metrics=[balanced_acc,auroc]")
    model = initial(*overrides)[1]
    outputs = torch.eye(10)[torch.tensor([0, 0, 0, 1])]
    found = computed(build_metrics(compose(*overrides), model), model.spec, outputs, torch.zeros(4, dtype=torch.int64))

    assert found["balanced_acc"] == 0.75
    assert np.isnan(found["auroc"])


def test_a_metric_is_what_its_formula_gives_over_the_whole_split(run, initial, tmp_path):
    overrides = (SOFTMAX, "metrics=f1", "data.eval_batch_size=30", "trainer.max_epochs=2")
    result = run(*overrides, folder=tmp_path / "run")

    datamodule, model = initial(*overrides)
    model.load_state_dict(torch.load(RunPaths(tmp_path / "run").best, weights_only=True)["state_dict"])
    datamodule.setup("test")
    with torch.no_grad():
        batches = [(model.eval()(inputs).argmax(1), targets) for inputs, targets in datamodule.test_dataloader()]
    predicted, targets = (torch.cat(part) for part in zip(*batches, strict=True))
    assert len(targets) == 200
    assert result.metrics["test/f1"] == pytest.approx(macro_f1(predicted, targets, 10), rel=1e-5)
    assert evaluate(tmp_path / "run")["test/f1"] == result.metrics["test/f1"]


def test_a_metric_picks_the_best_checkpoint_and_is_logged(run, tmp_path):
    result = run(SOFTMAX, "metrics=[auroc,f1]", "monitor=val/auroc", "trainer.max_epochs=3", "logger=tensorboard",
                 folder=tmp_path / "run")  # fmt: skip

    paths = RunPaths(tmp_path / "run")
    with paths.metrics.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/auroc"]]
    assert len(rows) == 3
    assert result.monitored == pytest.approx(max(float(row["val/auroc"]) for row in rows))
    assert all(row["val/f1"] for row in rows)
    saved = json.loads(paths.result.read_text())
    assert saved["monitor"] == "val/auroc"
    assert saved["val/auroc"] == result.monitored
    assert 0.5 < saved["test/auroc"] <= 1
    tags = set()
    for path in paths.folder.rglob("events.out.*"):
        events = EventAccumulator(str(path))
        events.Reload()
        tags |= set(events.Tags()["scalars"])
    assert {"val/f1", "val/auroc", "test/f1", "test/auroc"} <= tags


def test_training_is_the_same_with_metrics_and_without(run, tmp_path):
    run(SOFTMAX, folder=tmp_path / "plain")
    run(SOFTMAX, "metrics=[f1,calibration]", folder=tmp_path / "measured")

    plain, measured = (
        torch.load(RunPaths(tmp_path / name).last, weights_only=True)["state_dict"] for name in ("plain", "measured")
    )
    assert plain.keys() == measured.keys()
    assert all(torch.equal(plain[name], measured[name]) for name in plain)


def test_metrics_of_regression(run):
    metrics = run("model=linear_regression", "data=line", "metrics=[mae,r2]", "trainer.max_epochs=5").metrics
    assert metrics["test/mae"] < (2 * metrics["test/loss"]) ** 0.5  # Jensen: the loss is half the mean square
    assert 0 < metrics["val/r2"] <= 1


@pytest.mark.parametrize(("overrides", "split"), [(("data.val_size=1",), "val"), (("data.test_size=1",), "test")])
def test_a_metric_that_a_split_is_too_small_for_says_so_in_one_line(run, overrides, split):
    with pytest.raises(ConfigError, match=f"^`metrics.r2` cannot be computed on the {split} split: Needs at least two"):
        run("model=linear_regression", "data=line", "metrics=[r2]", *overrides)


def test_metrics_of_large_targets_and_sure_models_lose_nothing_to_rounding(compose, initial):
    generator = torch.Generator().manual_seed(0)
    spread, error = torch.randn(2, 300, 1, generator=generator)
    targets = 10_000 + spread
    overrides = ("model=linear_regression", "data=line", "metrics=[mae,r2]")
    model = initial(*overrides)[1]
    found = build_metrics(compose(*overrides), model)
    for metric in found.values():
        as_precise(metric, torch.device("cpu")).reset()
    outputs = targets + 0.5 * error
    off, around = outputs.double() - targets, targets - targets.double().mean()
    assert computed(found, model.spec, outputs, targets) == {
        "mae": pytest.approx(float(off.abs().mean()), rel=1e-12),
        "r2": pytest.approx(float(1 - (off**2).sum() / (around**2).sum()), rel=1e-6),
    }

    logits = torch.stack([torch.zeros(200), torch.linspace(18, 30, 200)], 1)  # sure of class 1, and so ordered
    classes = (torch.arange(200) >= 100).long()
    overrides = (SOFTMAX, "data=mnist_binary", "metrics=auroc")
    model = initial(*overrides)[1]
    found = build_metrics(compose(*overrides), model)
    assert computed(found, model.spec, logits, classes)["auroc"] == 1.0


def test_a_result_says_for_each_metric_whether_more_is_better(run, tmp_path):
    pearson = "+metrics.pearson._target_=torchmetrics.regression.PearsonCorrCoef"  # which says nothing
    run("model=linear_regression", "data=line", "metrics=[mae,r2]", pearson, folder=tmp_path / "run")
    saved = json.loads(RunPaths(tmp_path / "run").result.read_text())
    assert saved["directions"] == {"mae": "min", "r2": "max", "pearson": None}


@pytest.mark.parametrize(
    ("overrides", "loss"),
    [
        (("model=linear_regression", "data=line"), "half the squared error"),
        ((SOFTMAX, "model.label_smoothing=0.1"), "cross entropy label_smoothing=0.1"),
        (("model=logistic_regression", "data=mnist_binary", "test=false"), "cross entropy"),
        ((SOFTMAX, "data.class_weights=balanced"), "cross entropy class_weights=balanced"),
    ],
)
def test_a_result_says_what_its_loss_is(run, tmp_path, overrides, loss):
    run(*overrides, folder=tmp_path / "run")
    assert json.loads(RunPaths(tmp_path / "run").result.read_text())["loss"] == loss


def test_a_lower_mae_is_better_without_being_said(run, tmp_path):
    overrides = ("model=linear_regression", "data=line", "metrics=mae", "monitor=val/mae", "trainer.max_epochs=3")
    result = run(*overrides, "optimizer.lr=0.01", folder=tmp_path / "run")
    with RunPaths(tmp_path / "run").metrics.open() as file:
        rows = [float(row["val/mae"]) for row in csv.DictReader(file) if row["val/mae"]]
    assert len(set(rows)) > 1
    assert result.monitored == pytest.approx(min(rows))


def test_one_logit_is_the_probability_of_class_one(run):
    metrics = run("model=logistic_regression", "data=mnist_binary", "metrics=[f1,auroc]", "data.val_size=20").metrics
    assert metrics["test/auroc"] > 0.9
    assert metrics["test/f1"] > 0.9


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((SOFTMAX, "metrics=r2"), "`metrics.r2`: `torchmetrics.regression.R2Score` does not fit what the model"),
        (("model=linear_regression", "data=line", "metrics=f1"), "is for classes, and `data` has none"),
        ((SOFTMAX, "metrics=f1", "+metrics.f1.threshold=0.3"), "`metrics.f1.threshold` is for two classes and one of"),
        ((SOFTMAX, "metrics=f1", "metrics.f1.average=none"), "F1Score` as it is set gives several"),
        ((SOFTMAX, f"+metrics.all._target_={T}.ConfusionMatrix"), "`metrics.all` must give a single number"),
        ((SOFTMAX, "+metrics.own._target_=torch.nn.ReLU"), "`metrics.own` must be a torchmetrics Metric but"),
        ((SOFTMAX, "+metrics.own._target_=torchmetrics.text.BLEUScore"), "is not allowed: it must lie under one of"),
        ((SOFTMAX, f"+metrics.acc._target_={T}.Accuracy"), "is the name of a metric that every run has"),
        ((SOFTMAX, "+metrics.own.average=macro"), "`metrics.own._target_` is missing"),
        ((SOFTMAX, "metrics=f1", "metrics.f1.average=mean"), "`average`"),
        ((SOFTMAX, "metrics=f1", "+metrics.f1.beter=1"), "`torchmetrics.classification.F1Score` could not be built"),
        ((SOFTMAX, "monitor=val/f1"), "`monitor` names val/f1, which no model logs by itself: add metrics=f1"),
        ((SOFTMAX, f"+metrics.no-word._target_={T}.AUROC"), "`metrics.no-word` must be a text like"),
    ],
)
def test_a_metric_that_cannot_be_is_said_in_one_line_before_training(run, overrides, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        run(*overrides)
    assert len(str(error.value).splitlines()) == 1


def test_a_sweep_wants_to_know_in_which_direction_a_metric_is_good(compose):
    cfg = compose(SOFTMAX, "metrics=mae", "monitor=val/mae")
    with pytest.raises(ConfigError, match=re.escape("`monitor=val/mae` in a sweep needs mode=max or mode=min")):
        check_own(cfg, ["maximize"])
    cfg.mode = "min"
    with pytest.raises(ConfigError, match="direction` must be minimize for monitor=val/mae but is maximize"):
        check_own(cfg, ["maximize"])
    check_own(cfg, ["minimize"])
    cfg.metrics = {}
    with pytest.raises(ConfigError, match=r"^`monitor` names val/mae, which no model logs by itself: add metrics=mae$"):
        check_own(cfg, ["minimize"])


class Count(Metric):
    """Gives a number, as people's own do, and no tensor."""

    higher_is_better = True

    def __init__(self):
        super().__init__()
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions, targets):
        self.seen += len(targets)

    def compute(self):
        return float(self.seen)


def test_a_metric_may_give_a_plain_number(run):
    result = run(SOFTMAX, f"+metrics.count._target_={__name__}.Count", f"trust=[{__name__}]", "monitor=val/count")

    assert result.metrics["val/count"] == 50.0


class Mistaken(Count):
    """Fails where it has seen more than the examples that it is tried with."""

    def compute(self):
        if self.seen > 49:
            raise ValueError("a mistake of the user's own")
        return super().compute()


def test_a_mistake_of_a_metric_of_ones_own_keeps_its_traceback(run):
    with pytest.raises(ValueError, match=r"^a mistake of the user's own$"):
        run(SOFTMAX, f"+metrics.own._target_={__name__}.Mistaken", f"trust=[{__name__}]")
