"""Any picture of one sign, made like MNIST's: bright on black, in a box of 20 × 20 pixels, centred by its mass.

Yann LeCun's page on MNIST says how that was done: "The original black and white (bilevel) images from NIST were size
normalized to fit in a 20x20 pixel box while preserving their aspect ratio. The resulting images contain grey levels as
a result of the anti-aliasing technique used by the normalization algorithm. the images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to position this point at the center of
the 28x28 field." Source: http://yann.lecun.com/exdb/mnist/
"""

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from lightsweep.errors import DataError

SIDE, BOX = 28, 20
LEAST_CONTRAST = 1 / 510
"""Grey levels nearer to the background than this, half a step of an 8-bit image, belong to it."""

LEAST_STROKE = 0.15
"""What is fainter than this share of the strongest ink does not reach into the box: JPEG's ringing around a stroke
would else be framed with the sign and make it small. With 0.1 one MNIST image in twelve still was, at quality 75, with
0.15 one in a hundred."""


def digit(image: Image.Image) -> Tensor:
    """The picture as uint8 `[1, 28, 28]`.

    The background is the median of the picture's outermost pixels; where it is brighter than the mean of the rest, as
    in ink on paper, the picture is inverted. Grey levels that vary no more than the outermost pixels do are background
    too. What is left is cut out as far as its strokes reach, scaled so that its longer side is 20 pixels, and moved by
    whole pixels so that its centre of mass lies in the middle, as far as it stays within the picture.

    Raises:
        DataError: nothing stands out from the background.
    """
    pixels = F.pil_to_tensor(image.convert("L"))[0].float() / 255
    edge = torch.cat([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = edge.median()
    ink = (pixels - background) if pixels.mean() >= background else (background - pixels)
    noise = max(LEAST_CONTRAST, 2 * float((edge - background).abs().quantile(0.9)))
    ink = torch.where(ink > noise, ink, 0.0)
    if not ink.any():
        raise DataError("nothing in it stands out from the background")
    strokes = ink > LEAST_STROKE * ink.max()
    rows, columns = strokes.any(1).nonzero().flatten(), strokes.any(0).nonzero().flatten()
    sign = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / ink.max()
    scale = BOX / max(sign.shape)
    size = [max(1, round(side * scale)) for side in sign.shape]
    if size != list(sign.shape):
        sign = F.resize(sign[None], size, antialias=True)[0].clamp(0, 1)
    top, left = (_start(sign.sum(1 - axis)) for axis in (0, 1))
    field = torch.zeros(SIDE, SIDE)
    field[top : top + size[0], left : left + size[1]] = sign
    return (255 * field).round().to(torch.uint8)[None]


def _start(mass: Tensor) -> int:
    """Where a sign begins along an axis so that its centre of mass is in the middle."""
    places = torch.arange(len(mass))  # counted so, MNIST's own centres lie within half a pixel of 14
    centre = float((mass * places).sum() / mass.sum())
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(mass))
