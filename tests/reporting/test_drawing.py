"""Figures: what room they have for names and numbers, and their SVG inside a page."""

import re
from itertools import pairwise

import matplotlib
import pytest

from lightsweep.reporting import drawing
from lightsweep.reporting.drawing import draw, few_numbers, legend_beside, log_axis, whole_numbers


def drawn(names, last=30):
    """A figure of lines with these names, and the axes as they were drawn."""
    found = []

    def paint(axes):
        with legend_beside(axes):
            for name in names:
                axes.plot([0, last], [0, 1], label=name)
        whole_numbers(axes.xaxis)
        found.append(axes)

    return draw("lines", "lines", "", paint), found[0]


@pytest.mark.parametrize("last", [12, 16_500, 600_000])
@pytest.mark.parametrize("names", [("a", "b"), ("a" * 20, "b" * 20)])
def test_numbers_at_an_axis_do_not_lie_on_each_other(names, last):
    _, axes = drawn(names, last)
    axes.get_figure().draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) > 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize("ends", [(0.75, 0.77), (87.52, 89.6), (1.709, 1.7131), (12_000.5, 16_500)])
def test_numbers_have_room_beside_long_labels(ends):
    found = []

    def paint(axes):
        axes.plot(ends, [0, 0])
        axes.set_yticks([0], ["softmax_regression momentum lr=0.0001388"])
        few_numbers(axes.xaxis)
        found.append(axes)

    draw("means", "means", "", paint, (5.6, 1.5))
    boxes = [label.get_window_extent() for label in found[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(("names", "below"), [(["a", "b"], False), (["a" * 40, "b" * 40, "c" * 40], True)])
def test_a_legend_that_would_leave_the_axes_no_room_stands_below_them(names, below):
    picture, axes = drawn(names)
    figure = axes.get_figure()
    assert (axes.get_legend() is None) == below == bool(figure.legends)
    assert axes.get_position().width > 0.6
    assert (figure.get_figheight() > 3.5) == below
    assert all(name in picture.svg for name in names)


@pytest.mark.parametrize(("low", "high"), [(1e-5, 1), (1e-6, 9e-4), (0.004, 0.3), (0.021, 0.19), (0.00116, 0.00124)])
def test_a_log_axis_has_several_numbers_however_short_its_range(low, high):
    found = []

    def paint(axes):
        axes.plot([low, high], [0, 1])
        log_axis(axes.xaxis)
        found.append(axes)

    draw("x", "x", "", paint)
    low, high = found[0].get_xlim()
    labels = [label for label in found[0].get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = [label.get_window_extent() for label in labels]
    assert len({label.get_text() for label in labels}) == len(labels) > 1
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_letters_that_no_font_has_are_drawn_without_a_warning_and_left_to_the_browser(monkeypatch):
    monkeypatch.setattr(drawing, "_FONTS", ())
    picture, _ = drawn(["学习率", "b"])
    assert "学习率</text>" in picture.svg


def test_a_font_of_the_machine_adds_the_letters_that_ours_lacks(monkeypatch):
    monkeypatch.setattr(drawing.fontManager, "get_font_names", lambda: ["SimHei", "Noto Sans SC", "DejaVu Sans"])
    seen = []
    draw("x", "x", "", lambda axes: seen.append(list(matplotlib.rcParams["font.sans-serif"])))
    assert seen == [["DejaVu Sans", "Noto Sans SC"]]


def test_names_that_look_like_svg_stay_as_they_are():
    name = 'c=#24292f id="x" url(#y) href="#z"'
    picture, _ = drawn([name, "b"])
    assert f">{name}</text>" in picture.svg
    assert not re.search(r"<[^>]*#24292f", picture.svg)
    assert set(re.findall(r' id="(lines-)?', picture.svg.replace(name, ""))) == {"lines-"}
    assert "url(#lines-" in picture.svg
