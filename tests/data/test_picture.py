"""One image file: which there are, what white is in it, and how it is brought to the network's size."""

import struct
import zlib
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from lightsweep.data.picture import Framing, open_image
from lightsweep.errors import DataError


def test_what_cannot_be_opened_is_named_with_what_to_do(tmp_path, monkeypatch):
    def told(path):
        with pytest.raises(DataError) as caught:
            open_image(path)
        return str(caught.value)

    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()

    assert told(Path("gone.png")) == "gone.png is not there: give the path of a file"
    assert told(tmp_path) == f"{tmp_path} is a folder: name the files in it, such as {tmp_path}/*"
    assert told(tmp_path / "text.png").endswith("it is of no format that Pillow knows; save it as PNG or JPEG")
    assert told(tmp_path / "empty.png").endswith("empty.png is no image that can be read: it is empty")
    monkeypatch.setattr(Image, "open", Mock(side_effect=PermissionError(13, "Permission denied")))
    assert told(Path("mine.png")) == "mine.png cannot be read: Permission denied"


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"GIF89a\xff\xff\xff\xff\0\0\0", b"P5 99999 99999 255\n"],
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"^{path} is no image that can be read: [^\n]+$"):
        open_image(path)


def test_framing_crops_pads_and_stretches():
    image = Image.new("L", (40, 20), 200)
    image.paste(0, (0, 0, 10, 20))

    cropped, padded, stretched = (Framing(20, 20, 1, fit)(image) for fit in ("crop", "pad", "stretch"))

    assert cropped.shape == padded.shape == stretched.shape == (1, 20, 20)
    assert (cropped == 200).all(), "the dark edge is cut off"
    assert not padded[0, :5].any(), "above is black"
    assert not padded[0, -5:].any(), "and below"
    assert stretched[0, 10, 2] < 50 < 150 < stretched[0, 10, 8]


def test_exif_and_sixteen_bits_and_transparency_are_heeded(tmp_path):
    turned = Image.new("L", (4, 2))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    Image.new("I;16", (2, 2), 65535).save(tmp_path / "deep.png")
    Image.new("RGBA", (2, 2), (255, 255, 255, 0)).save(tmp_path / "clear.png")

    assert open_image(tmp_path / "turned.jpg").size == (2, 4)
    assert Framing(2, 2, 1)(open_image(tmp_path / "deep.png")).eq(255).all()
    assert Framing(2, 2, 1)(open_image(tmp_path / "clear.png")).eq(0).all()


def levels(path, channels=1):
    return Framing(2, 3, channels)(open_image(path))[0].unique().tolist()


def test_white_is_what_the_format_says_not_the_brightest_pixel(tmp_path):
    for top in (200, 300, 65535):
        Image.fromarray(np.array([[0, 0, 0], [0, 0, top]], np.uint16)).save(tmp_path / "deep.png")
        assert levels(tmp_path / "deep.png") == sorted({0, round(255 * top / 65535)})
    for top, white in ((200, 255), (300, 65535)):
        Image.fromarray(np.array([[0, 0, 0], [0, 0, top]], np.int32)).save(tmp_path / "whole.tif")
        assert levels(tmp_path / "whole.tif") == sorted({0, round(255 * top / white)})
    (tmp_path / "deep.pgm").write_bytes(b"P5 3 2 65535\n" + b"\0\0" * 5 + b"\0\xff")
    assert levels(tmp_path / "deep.pgm") == [0, 1]
    Image.fromarray(np.array([[0, 0, 0], [0, 0.2, 1]], np.float32)).save(tmp_path / "share.tif")
    assert levels(tmp_path / "share.tif", channels=3) == [0, 51, 255]


def test_sixteen_bits_with_a_transparent_level_are_not_clipped(tmp_path):
    image = Image.fromarray(np.array([[0, 300, 32768], [32768, 65535, 65535]], np.uint16))
    image.save(tmp_path / "deep.png", transparency=65535)

    assert levels(tmp_path / "deep.png") == [0, 1, 128]


def png(path, bits, colour, row, transparent):
    """A PNG file of one row, given as bytes, and its transparent colour; Pillow writes none of fewer bits than 8."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 4, 1, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))


@pytest.mark.parametrize(
    ("bits", "row", "shown"),
    [
        (1, bytes([0b0110_0000]), [0, 0, 0, 0]),
        (2, bytes([0b00_01_10_11]), [0, 0, 170, 255]),
        (4, bytes([0x01, 0x8F]), [0, 0, 136, 255]),
        (8, bytes([0, 1, 2, 255]), [0, 0, 2, 255]),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_gray_is_that_level_of_the_files_own_bits(tmp_path, bits, row, shown, channels):
    png(tmp_path / "gray.png", bits, 0, row, struct.pack(">H", 1))

    assert Framing(1, 4, channels)(open_image(tmp_path / "gray.png")).tolist() == [[shown]] * channels


def test_a_transparent_colour_of_sixteen_bits_is_refused(tmp_path):
    path = tmp_path / "deep.png"
    png(path, 16, 2, bytes(range(24)), bytes(range(6)))

    with pytest.raises(DataError, match=rf"^{path} has 16 bits a colour, .* save it with an alpha channel$"):
        open_image(path)


@pytest.mark.parametrize(
    ("pixels", "range_"),
    [
        (np.array([[0.5, 65535]], np.float32), r"0\.\.1 but has 0\.5\.\.65535"),
        (np.array([[0.5, np.nan]], np.float32), r"0\.\.1 but has nan\.\.nan"),
        (np.array([[0, 2**30]], np.int32), r"0\.\.65535 but has 0\.\."),
        (np.array([[-5, 7]], np.int32), r"0\.\.255 but has -5\.\.7"),
    ],
)
def test_levels_of_which_none_says_what_is_white_are_refused(tmp_path, pixels, range_):
    path = tmp_path / "odd.tif"
    Image.fromarray(pixels).save(path)

    with pytest.raises(DataError, match=rf"^{path} must have pixels in {range_}"):
        open_image(path)


def test_lab_colours_are_refused_by_name(tmp_path):
    path = tmp_path / "lab.tif"
    Image.new("LAB", (3, 2)).save(path)

    with pytest.raises(DataError, match=rf"^{path} is in LAB colours, which cannot be converted: save it as RGB$"):
        open_image(path)
