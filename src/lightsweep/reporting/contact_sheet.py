"""One picture of many images: each image as the network sees it, with what it was taken for."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torchvision.transforms.v2 import functional as F

from lightsweep.files import write_whole
from lightsweep.reporting.fonts import font
from lightsweep.screen import cut
from lightsweep.training.predicting import Prediction

MOST = 200
"""Images on a sheet: what no viewer opens takes a computer's memory to draw."""
CELL, TEXT, GAP = 128, 66, 12
_PAPER, _INK, _FAINT = (250, 250, 248), (20, 20, 20), (110, 110, 110)


def write_sheet(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write a PNG with a cell for each prediction on an image, eight in a row."""
    columns = min(8, max(1, len(predictions)))
    rows = -(-len(predictions) // columns)
    width, height = CELL + GAP, CELL + TEXT + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), _PAPER)
    draw, small = ImageDraw.Draw(sheet), font(12)
    for index, prediction in enumerate(predictions):
        x, y = GAP + index % columns * width, GAP + index // columns * height
        assert prediction.pixels is not None
        image = F.to_pil_image(prediction.pixels).convert("RGB")
        scale = min(CELL / image.width, CELL / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR)
        sheet.paste(image, (x + (CELL - size[0]) // 2, y + (CELL - size[1]) // 2))
        label, name = cut(prediction.label, 14), cut(prediction.path.name, 22)
        draw.text((x, y + CELL + 4), label, _INK, font(18, label))
        if prediction.probability is not None:
            draw.text((x, y + CELL + 28), f"{100 * prediction.probability:.1f} %", _INK, small)
        draw.text((x, y + CELL + 46), name, _FAINT, font(12, name))
    write_whole(path, lambda file: sheet.save(file, "PNG"))
