"""Figures as SVG inside a page."""

import re

from lightsweep.reporting.drawing import draw


def test_names_that_look_like_svg_stay_as_they_are():
    name = 'c=#24292f id="x" url(#y) href="#z"'
    picture = draw("lines", "lines", "", lambda axes: axes.plot([0, 1], label=name) and axes.legend())
    assert f">{name}</text>" in picture.svg
    assert not re.search(r"<[^>]*#24292f", picture.svg)
    assert set(re.findall(r' id="(lines-)?', picture.svg.replace(name, ""))) == {"lines-"}
    assert "url(#lines-" in picture.svg
