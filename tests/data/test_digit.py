"""A picture of a digit becomes an image as MNIST's are, whatever its size, place, colours and compression."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from lightsweep.data.digit import digit
from lightsweep.errors import DataError


def test_mnists_own_images_stay_nearly_as_they_are(digits):
    again = np.stack([digit(Image.fromarray(image)).numpy()[0] for image in digits[0]])

    assert np.abs(again.astype(int) - digits[0]).mean() < 0.3, "three in five stay equal to the bit"


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("change", [lambda image: image, ImageOps.invert], ids=["bright", "inverted"])
def test_a_jpeg_is_framed_as_the_picture_itself(digits, quality, change):
    def sides(image):
        return [int(places.max() - places.min()) for places in (digit(image)[0] > 40).nonzero().T]

    apart = []
    for image in digits[0][:60]:
        original = change(Image.fromarray(image))
        original.save(file := io.BytesIO(), "JPEG", quality=quality)
        pairs = zip(sides(original), sides(Image.open(file)), strict=True)
        apart.append(max(abs(one - other) for one, other in pairs))
    assert sum(pixels <= 1 for pixels in apart) >= 57, "nineteen in twenty, within a pixel"


@pytest.mark.parametrize(
    "change",
    [
        lambda image: ImageOps.invert(image),
        lambda image: image.resize((140, 140)),
        lambda image: ImageOps.expand(image.resize((84, 84)), (150, 10, 5, 90)),
        lambda image: ImageOps.invert(ImageOps.expand(image, 40)).convert("RGBA"),
        lambda image: image.point(lambda level: 90 + level // 4),
    ],
    ids=["inverted", "large", "off centre", "paper", "faint"],
)
def test_a_changed_picture_comes_back_to_its_place(digits, change):
    distances = []
    for image in digits[0][:40]:
        original = digit(Image.fromarray(image)).float()
        found = digit(change(Image.fromarray(image))).float()

        distances.append(float((found - original).abs().mean()))
        shape = (found > 0).any(0)
        sides = shape.any(0).nonzero().flatten(), shape.any(1).nonzero().flatten()
        assert max(int(side[-1] - side[0]) + 1 for side in sides) in (19, 20)
    assert sum(distances) / len(distances) < 12, "of 255; scaled strokes differ at their edges"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_shows_nothing(level):
    with pytest.raises(DataError, match=r"^nothing in it stands out from the background$"):
        digit(Image.new("L", (50, 30), level))
