"""The letters of pictures."""

import pytest

from lightsweep.reporting.fonts import font


@pytest.mark.parametrize("text", ["Äpfel", "Щегол", "λ", "plain…"])
def test_a_name_is_drawn_in_its_own_letters(text):
    found, unknown = font(18, "plain", text), "\U0010ffff"

    shapes = [bytes(found.getmask(letter)) for letter in text]
    assert bytes(found.getmask(unknown)) not in shapes, "what stands for a letter that there is not"


def test_english_names_keep_the_font_that_they_had():
    assert font(12, "plain…").getname() != font(12, "ä").getname()
