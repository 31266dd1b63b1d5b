"""Splits and folds: disjoint, complete, repeatable, and by class where that is asked for."""

import pytest
import torch

from lightsweep.data.split import balancing_weights, fold_split, random_split
from lightsweep.errors import ConfigError

SKEWED = torch.tensor([0] * 70 + [1] * 23 + [2] * 7)[torch.randperm(100, generator=torch.Generator().manual_seed(1))]


def counts(indices):
    return torch.bincount(SKEWED[indices], minlength=3).tolist()


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 10, 50, 99])
def test_a_split_is_disjoint_complete_and_exact(kept, stratified):
    train, val = random_split(SKEWED, kept, seed=3, stratified=stratified)

    assert len(val) == kept
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(100))
    assert train.tolist() == sorted(train.tolist())
    again = random_split(SKEWED, kept, seed=3, stratified=stratified)
    assert torch.equal(val, again[1])


def test_a_stratified_split_keeps_each_classs_share():
    for kept in (10, 20, 33, 50):
        found = counts(random_split(SKEWED, kept, seed=0, stratified=True)[1])

        assert all(abs(count - kept * share / 100) < 1 for count, share in zip(found, (70, 23, 7), strict=True))


def test_the_draw_depends_on_the_seed_and_is_within_a_class_even():
    first, second = (random_split(SKEWED, 50, seed, stratified=True)[1] for seed in (0, 1))

    assert not torch.equal(first, second)
    drawn = torch.zeros(100)
    for seed in range(400):
        drawn[random_split(SKEWED, 50, seed, stratified=True)[1]] += 1
    for label in range(2):
        share = drawn[label == SKEWED] / 400
        assert share.min() > 0.38
        assert share.max() < 0.62


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("num_folds", [2, 3, 7, 100])
def test_folds_cover_each_example_once(num_folds, stratified):
    folds = [fold_split(SKEWED, fold, num_folds, seed=5, stratified=stratified) for fold in range(num_folds)]

    assert sorted(index for _, val in folds for index in val.tolist()) == list(range(100))
    sizes = [len(val) for _, val in folds]
    assert max(sizes) - min(sizes) <= 1
    assert all(sorted([*train.tolist(), *val.tolist()]) == list(range(100)) for train, val in folds)


def test_stratified_folds_have_each_class_evenly():
    table = [counts(fold_split(SKEWED, fold, 7, seed=5, stratified=True)[1]) for fold in range(7)]

    assert all(max(column) - min(column) <= 1 for column in zip(*table, strict=True))


def test_weights_balance_the_classes_and_average_one():
    weights = torch.tensor(balancing_weights(SKEWED, 4))

    assert weights[3] == 0, "no example of it"
    torch.testing.assert_close(weights[SKEWED].mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[:3] * torch.tensor([70.0, 23, 7]), torch.full((3,), 100 / 3))


def test_a_fold_takes_the_place_of_val_size(run, initial):
    sizes = []
    for fold in range(3):
        datamodule, _ = initial(f"data.fold={fold}", "data.num_folds=3", "data.stratified=true")
        sizes.append((len(datamodule.splits["train"]), len(datamodule.splits["val"])))

    assert sizes == [(400, 200)] * 3
    result = run("model=softmax_regression", "data.fold=2", "data.val_size=0", "trainer.limit_train_batches=1")
    assert result.monitor == "val/acc"
    assert result.metrics["val/acc"] is not None


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.fold=5"], r"^`data\.fold` must be below `data\.num_folds=5`, counted from 0, but got 5$"),
        (["data.fold=0", "data.num_folds=1"], r"^`data\.num_folds` must be in \[2, inf\) but got 1$"),
        (["data.fold=0", "data.num_folds=601"], r"^`data\.num_folds` must be at most the 600 training examples"),
        (["data.fold=-1"], r"^`data\.fold` must be in \[0, inf\) but got -1$"),
        (["data=line", "model=linear_regression", "data.stratified=true"], r"^`data\.stratified` needs classes"),
        (["data=line", "model=linear_regression", "data.class_weights=balanced"], r"^`data\.class_weights` needs cl"),
        (["data.class_weights=even"], r"^`data\.class_weights` must be balanced or null but got 'even'$"),
    ],
)
def test_a_split_that_cannot_be_is_refused(run, overrides, text):
    with pytest.raises(ConfigError, match=text):
        run(*overrides)


def test_class_weights_weigh_the_loss_of_a_whole_run(initial):
    datamodule, model = initial("model=softmax_regression", "data.class_weights=balanced")
    targets = datamodule.splits["train"].targets[:64]
    outputs = torch.randn(64, 10, generator=torch.Generator().manual_seed(0))

    losses = torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
    share = torch.bincount(datamodule.splits["train"].targets, minlength=10) / len(datamodule.splits["train"])
    torch.testing.assert_close(model.task.loss(outputs, targets), (losses * 0.1 / share[targets]).mean())
    assert model.task.class_weights == datamodule.spec.class_weights
