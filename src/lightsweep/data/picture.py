"""One image file as a tensor of the wanted size; whatever is wrong with the file is said with its name."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lightsweep.errors import DataError, one_line
from lightsweep.files import why_unread

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Files with another suffix are no images."""

_STEPS = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies a PNG's gray levels of 2 or 4 bits by, but for the one that stands for transparent."""


@dataclass(frozen=True)
class Framing:
    """How an image of any size becomes one of a given size.

    Attributes:
        height, width: of the result, in pixels.
        channels: 1 for gray, 3 for colour; an image of the other kind is converted.
        fit: `crop` scales the image until it covers the frame and cuts off what protrudes, evenly on both sides;
            `pad` scales it until it lies within the frame and fills up with black; `stretch` changes its shape.
    """

    height: int
    width: int
    channels: int
    fit: str = "crop"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, `(C, H, W)`."""
        return self.channels, self.height, self.width

    def __call__(self, image: Image.Image) -> Tensor:
        """The image as uint8 `[C, H, W]`."""
        pixels = F.pil_to_tensor(image.convert("L" if self.channels == 1 else "RGB"))
        height, width = pixels.shape[-2:]
        if (height, width) == (self.height, self.width):
            return pixels
        scales = self.height / height, self.width / width
        size = [self.height, self.width]
        if self.fit != "stretch":
            scale = max(scales) if self.fit == "crop" else min(scales)
            size = [max(1, round(height * scale)), max(1, round(width * scale))]
        resized = F.resize(pixels, size, InterpolationMode.BILINEAR, antialias=True)
        return F.center_crop(resized, [self.height, self.width])


def open_image(path: Path) -> Image.Image:
    """A decoded image file, turned as its EXIF data say; transparent parts are black.

    Raises:
        DataError: no image, a damaged one, one so large that decoding it could fill the memory, or one whose colours,
            levels or transparent parts cannot be told.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # odd metadata does not keep an image from being read
            with Image.open(path) as file:
                kind, stored = file.format, next((tile.args for tile in file.tile), None)
                image = ImageOps.exif_transpose(file)
                image.load()
    except Exception as error:  # decoders raise all kinds on damaged files; each is said with the file's name
        raise DataError(f"{path} {_told(error, path)}") from error
    if image.mode == "LAB":
        raise DataError(f"{path} is in LAB colours, which cannot be converted: save it as RGB")
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image, path, kind)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        if image.mode == "RGB" and stored == "RGB;16B":
            raise DataError(
                f"{path} has 16 bits a colour, of which Pillow reads 8, and so cannot tell its transparent one: "
                "save it with an alpha channel"
            )
        if stored in _STEPS:
            image.info["transparency"] *= _STEPS[stored]
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image).convert("RGB")
    return image


def _told(error: Exception, path: Path) -> str:
    """Why a file cannot be read, and what to do about it."""
    if isinstance(error, OSError) and error.errno is not None:
        return why_unread(error, path)
    if isinstance(error, UnidentifiedImageError):  # which says the path again, and no reason
        reason = "it is of no format that Pillow knows; save it as PNG or JPEG"
        return f"is no image that can be read: {reason if path.stat().st_size else 'it is empty'}"
    return f"is no image that can be read: {one_line(error)}"


def _eight_bits(image: Image.Image, path: Path, kind: str | None) -> Image.Image:
    """A gray image of 16 or 32 bits, where white is the format's: 65535, or 1 for floating point.

    Where 32 bits hold integers, no format says what is white: 255 if none is above it, else 65535. Pillow scales PPM's
    to 65535 itself.
    """
    pixels = np.asarray(image, dtype=np.float64)
    lowest, highest = pixels.min(), pixels.max()
    if image.mode == "F":
        white = 1.0
    else:
        white = 255.0 if image.mode == "I" and kind != "PPM" and highest <= 255 else 65535.0
    if not (lowest >= 0 and highest <= white):
        raise DataError(f"{path} must have pixels in 0..{white:g} but has {lowest:g}..{highest:g}")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels = np.where(pixels == transparent, 0, pixels)
    return Image.fromarray((255 * pixels / white).round().astype(np.uint8))
