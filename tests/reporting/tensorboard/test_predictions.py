"""Counts, mistakes and pictures, against cases counted by hand."""

import math

import pytest
import torch

from lightsweep.reporting.tensorboard.board import first_filters
from lightsweep.reporting.tensorboard.pictures import _most_confused, confusion_matrix, filter_grid, mistake_grid
from lightsweep.reporting.tensorboard.predictions import MOST, Mistake, Predictions, table

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
SAID = torch.tensor([0, 1, 1, 1, 0, 1])  # class 2 is never predicted


@pytest.fixture
def predictions():
    outputs = torch.zeros(6, 3)
    outputs[torch.arange(6), SAID] = torch.tensor([9.0, 1.0, 9.0, 9.0, 3.0, 2.0])
    return Predictions.of(outputs, LABELS, torch.arange(10, 16))


def test_counts_precision_and_recall(predictions):
    assert predictions.counts.tolist() == [[1, 1, 0], [0, 2, 0], [1, 1, 0]]
    assert predictions.accuracy == 0.5
    assert predictions.recall == [0.5, 1.0, 0.0]
    assert predictions.precision[:2] == [0.5, 0.5]
    assert math.isnan(predictions.precision[2])


def test_mistakes_come_most_confident_first(predictions):
    assert [(m.index, m.label, m.prediction) for m in predictions.mistakes] == [(14, 2, 0), (15, 2, 1), (11, 0, 1)]
    assert predictions.mistakes[0].probability == pytest.approx(math.exp(3) / (math.exp(3) + 2))


def test_one_logit_is_two_classes():
    found = Predictions.of(torch.tensor([[2.0], [-1.0], [0.5]]), torch.tensor([1, 1, 0]), torch.arange(3))

    assert found.counts.tolist() == [[0, 1], [1, 1]]
    assert [m.index for m in found.mistakes] == [1, 2]
    assert found.mistakes[0].probability == pytest.approx(1 / (1 + math.exp(-1)))


def test_parts_make_the_whole():
    generator = torch.Generator().manual_seed(0)
    outputs, labels = torch.randn(200, 4, generator=generator), torch.randint(4, (200,), generator=generator)
    places = torch.arange(200)

    whole = Predictions.of(outputs, labels, places)
    parts = [Predictions.of(outputs[part], labels[part], places[part]) for part in (slice(0, 70), slice(70, 200))]
    merged = Predictions.merged(parts)

    assert torch.equal(merged.counts, whole.counts)
    assert merged.mistakes == whole.mistakes
    assert len(merged.mistakes) == MOST


def test_the_table_has_a_dash_where_nothing_was_predicted(predictions):
    lines = table(predictions, ["a", "b", "c"], "test").splitlines()

    assert lines[0] == "Accuracy on the test set: 50.00 % of 6 examples"
    assert lines[-3:] == ["| a | 2 | 50.00 % | 50.00 % |", "| b | 2 | 50.00 % | 100.00 % |", "| c | 2 | – | 0.00 % |"]


def test_a_class_of_any_name_is_one_cell_of_the_table(predictions):
    lines = table(predictions, ["a|b", "c\nd", "e"], "test").splitlines()

    assert [line.rpartition(" | 2 | ")[0] for line in lines[-3:]] == ["| a\\|b", "| c d", "| e"]


def test_the_confusion_matrix_is_blue_where_right_and_red_where_wrong(predictions):
    picture = confusion_matrix(predictions, ["a", "b", "c"])

    colours = {colour for _, colour in picture.getcolors(maxcolors=100_000)}
    assert any(blue > 150 and red < 60 for red, _, blue in colours)
    assert any(red > 150 and blue < 60 for red, _, blue in colours)


@pytest.mark.parametrize("classes", [2, 10, 62])
def test_confusion_matrices_of_any_size_are_drawn(classes):
    found = Predictions(torch.ones(classes, classes, dtype=torch.int64), [])

    picture = confusion_matrix(found, [f"class {number}" for number in range(classes)])

    assert max(picture.size) < 1400


def test_of_many_classes_the_most_confused_are_drawn():
    counts = torch.diag(torch.full((1000,), 9))
    counts[3, 998] = counts[5, 4] = 1

    picture = confusion_matrix(Predictions(counts, []), [f"class {number}" for number in range(1000)])

    assert max(picture.size) < 2200
    assert _most_confused(counts)[:5] == [0, 1, 2, 3, 4]
    assert _most_confused(counts)[-2:] == [98, 998]
    red = [colour for _, colour in picture.getcolors(maxcolors=100_000) if colour[0] > 150 and colour[2] < 60]
    assert red, "mistakes of classes far apart are shown"


@pytest.mark.parametrize("name", ["0", "a very long name of a class"])
def test_no_word_of_a_confusion_matrix_is_cut_at_the_edges(predictions, name):
    picture = confusion_matrix(predictions, [name] * 3)

    width, height = picture.size
    for box in ((0, 0, 4, height), (width - 4, 0, width, height), (0, 0, width, 4), (0, height - 4, width, height)):
        assert picture.crop(box).getcolors() == [((box[2] - box[0]) * (box[3] - box[1]), (255, 255, 255))]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 5)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mistakes_of_any_image_are_drawn(shape, dtype):
    images = (torch.rand(3, *shape) * 255).to(dtype)
    mistakes = [Mistake(0.9, place, 0, 1) for place in range(3)]

    picture = mistake_grid(images, mistakes, ["a very long name of a class", "b"])

    assert len(picture.getcolors(maxcolors=1_000_000)) > 20


def test_filters_are_blue_below_zero_and_red_above():
    weights = torch.zeros(2, 1, 2, 2)
    weights[0, 0, 0, 0], weights[1, 0, 0, 0] = -2.0, 2.0

    picture = filter_grid(weights, "0")

    assert picture.getpixel((20, 44)) == (26, 95, 180)
    assert picture.getpixel((20 + 72 + 6, 44)) == (200, 38, 19)
    assert picture.getpixel((20, 44 + 40)) == (255, 255, 255)


def test_filters_that_are_all_zero_are_white():
    assert filter_grid(torch.zeros(1, 1, 3, 3), "0").getpixel((30, 50)) == (255, 255, 255)


def test_the_first_layer_has_filters_where_it_looks_at_images():
    convolution = torch.nn.Sequential(torch.nn.Conv2d(3, 7, 5), torch.nn.Linear(2, 2))
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))

    assert first_filters(convolution, (3, 9, 9))[0].shape == (7, 3, 5, 5)
    assert first_filters(linear, (1, 28, 28))[0].shape == (10, 1, 28, 28)
    assert first_filters(torch.nn.Sequential(torch.nn.Linear(4, 2)), (4,)) is None
    assert first_filters(torch.nn.Sequential(torch.nn.Linear(16, 2)), (1, 28, 28)) is None
