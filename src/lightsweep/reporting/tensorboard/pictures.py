"""Pictures for the Images tab, drawn by Pillow: importing matplotlib alone would cost a second at each run's end.

All take data on the CPU and give a picture of few colours, so that its PNG is small.
"""

import io
import math
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from lightsweep.reporting.fonts import font
from lightsweep.reporting.tensorboard.events import Value, image
from lightsweep.reporting.tensorboard.norms import as_real
from lightsweep.reporting.tensorboard.predictions import Mistake, Predictions
from lightsweep.screen import cut, many

Colour = tuple[int, int, int]

_INK, _PALE, _WHITE = (32, 33, 36), (128, 134, 139), (255, 255, 255)
_BLUE, _RED = (26, 95, 180), (200, 38, 19)
_LEGIBLE = 25
"""Classes from which on the cells of a confusion matrix are too small for numbers."""
_MOST_CLASSES = 100
"""Classes that a confusion matrix shows: its cells are drawn one by one, and of 1,000 classes there are a million."""
MOST_FILTERS = 64


def png(tag: str, picture: Image.Image) -> Value:
    """A picture as a value of an event file."""
    content = io.BytesIO()
    picture.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(content, "PNG")
    return image(tag, content.getvalue(), *picture.size)


def confusion_matrix(predictions: Predictions, names: Sequence[str]) -> Image.Image:
    """Labels down, predictions across; recall at the right, precision below, accuracy in the corner.

    Right predictions are blue by the share of their row, wrong ones red by their share of the most frequent mistake. Of
    more than `_MOST_CLASSES` those are shown that are in most mistakes, as label or as prediction.
    """
    total, shown = int(predictions.counts.sum()), _most_confused(predictions.counts)
    counts, names = predictions.counts[shown][:, shown], [names[place] for place in shown]
    classes, cell = len(counts), 46 if len(counts) <= _LEGIBLE else 18
    numbers = classes <= _LEGIBLE
    small, plain = font(12 if numbers else 11, *names), font(14)
    words = [*(_short(name) for name in names), *(["precision"] if numbers else [])]
    left = 22 + max(round(small.getlength(word)) for word in words)
    top, margin = 62, 64
    picture = Image.new("RGB", (left + classes * cell + margin + 8, top + classes * cell + 56), _WHITE)
    draw = ImageDraw.Draw(picture)
    draw.text((left, 8), f"accuracy {100 * predictions.accuracy:.2f} %, {many(total, 'example')}", _INK, plain)
    every = len(predictions.counts)
    of = f"; the {classes} of {every:,} classes that are in most mistakes" if classes < every else ""
    draw.text((left, 28), f"columns: prediction, rows: label{of}", _PALE, small)
    worst = max(1, int((counts - torch.diag(counts.diagonal())).max()))
    sizes = predictions.counts.sum(1)[shown].tolist()
    recall, precision = predictions.recall, predictions.precision
    for row, line in enumerate(counts.tolist()):
        y = top + row * cell
        draw.text((left - 10, y + cell / 2), _short(names[row]), _INK, small, anchor="rm")
        for column, count in enumerate(line):
            x = left + column * cell
            share = count / max(1, sizes[row]) if row == column else count / worst
            box = (x + 1, y + 1, x + cell - 1, y + cell - 1)
            draw.rectangle(box, _mixed(_WHITE, _BLUE if row == column else _RED, 0.04 + 0.9 * share if count else 0.03))
            if numbers and count:
                colour = _WHITE if share > 0.5 else _INK
                draw.text((x + cell / 2, y + cell / 2), f"{count}", colour, small, anchor="mm")
        if numbers:
            draw.text((left + classes * cell + 10, y + cell / 2), _percent(recall[row]), _BLUE, small, anchor="lm")
    for column, name in enumerate(names):
        middle = left + column * cell + cell / 2
        word = _short(name, 6) if numbers else _short(name, 2)
        draw.text((middle, top - 6), word, _INK, small, anchor="mb")
        if numbers:
            draw.text((middle, top + classes * cell + 16), _percent(precision[column]), _BLUE, small, anchor="mm")
    if numbers:
        draw.text((left + classes * cell + 10, top - 6), "recall", _BLUE, small, anchor="lb")
        draw.text((left - 10, top + classes * cell + 16), "precision", _BLUE, small, anchor="rm")
    return picture


def _most_confused(counts: Tensor) -> list[int]:
    """The places of the classes to show, in order."""
    mistakes = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    return sorted(mistakes.argsort(descending=True, stable=True)[:_MOST_CLASSES].tolist())


def mistake_grid(images: Tensor, mistakes: Sequence[Mistake], names: Sequence[str]) -> Image.Image:
    """The images that the network was surest about and wrong, each with label, prediction and its probability.

    Args:
        images: `[N, C, H, W]` as stored: uint8, or floating point, which is stretched to its own range.
        mistakes: N of them, at least one.
        names: of the classes.
    """
    columns, side, caption = min(5, len(mistakes)), 104, 38
    rows = math.ceil(len(mistakes) / columns)
    picture = Image.new("RGB", (max(300, columns * (side + 14) + 14), rows * (side + caption + 12) + 44), _WHITE)
    draw, large, small = ImageDraw.Draw(picture), font(13), font(12, *names)
    draw.text((14, 10), "most confident mistakes: label, prediction and its probability", _INK, large)
    for place, (pixels, mistake) in enumerate(zip(images, mistakes, strict=True)):
        x, y = 14 + place % columns * (side + 14), 38 + place // columns * (side + caption + 12)
        picture.paste(_picture(pixels).resize((side, side), Image.Resampling.NEAREST), (x, y))
        words = f"{_short(names[mistake.label], 7)}, taken for {_short(names[mistake.prediction], 7)}"
        draw.text((x + side / 2, y + side + 4), words, _INK, small, anchor="ma")
        draw.text((x + side / 2, y + side + 20), f"{100 * mistake.probability:.1f} %", _RED, small, anchor="ma")
    return picture


def filter_grid(weights: Tensor, layer: str) -> Image.Image:
    """The first layer's filters: blue is negative, white zero, red positive; three input channels are shown as colour.

    Args:
        weights: `[F, C, H, W]`, see `as_real`; of more than three input channels the mean is shown.
        layer: the layer's name.
    """
    weights = as_real(weights)
    shown = weights[:MOST_FILTERS]
    height, width = shown.shape[2:]
    scale = max(1, 72 // max(height, width))
    columns = min(len(shown), 10 if len(shown) <= 10 else 8)
    rows, gap = math.ceil(len(shown) / columns), 6
    picture = Image.new("RGB", (max(320, columns * (width * scale + gap) + 22), rows * (height * scale + gap) + 46))
    picture.paste(_WHITE, (0, 0, *picture.size))
    of = f"first {len(shown)} of {len(weights)}" if len(weights) > len(shown) else f"{len(weights)}"
    largest = float(shown.abs().max()) or 1.0
    words = f"layer {layer}: {of} filters of {height} by {width}, largest weight {largest:.3g}"
    ImageDraw.Draw(picture).text((14, 10), words, _INK, font(13))
    for place, one in enumerate(shown / largest):
        tile = _picture(one) if len(one) == 3 else _signed(one.mean(0))
        corner = (14 + place % columns * (width * scale + gap), 38 + place // columns * (height * scale + gap))
        picture.paste(tile.resize((width * scale, height * scale), Image.Resampling.NEAREST), corner)
    return picture


def _picture(pixels: Tensor) -> Image.Image:
    """An image `[C, H, W]` of one or three channels."""
    if pixels.dtype != torch.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels.float() - low) * (255 / ((high - low) or 1.0))).to(torch.uint8)
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array).convert("RGB")


def _signed(values: Tensor) -> Image.Image:
    """Values `[H, W]` in [-1, 1], from blue over white to red."""
    size = values.abs().unsqueeze(-1)
    ends = torch.where(values.unsqueeze(-1) < 0, torch.tensor(_BLUE), torch.tensor(_RED))
    return Image.fromarray((255 + (ends - 255) * size).round().to(torch.uint8).contiguous().numpy())


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * min(1.0, share)) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.1f} %"


def _short(name: str, most: int = 14) -> str:
    """A class's name in little room; of torchvision's `0 - zero` the number."""
    return cut(name.partition(" - ")[0], most)
