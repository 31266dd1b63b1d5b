"""From stored examples to network inputs, in whole batches on whatever device they lie."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lightsweep.errors import ConfigError, one_line, raised_in

_PIECE = 2**18
"""Values that are normalised at a time, so that they stay in a core's cache from one operation to the next."""

Scale = float | tuple[float, ...]
"""One number for all of an input, or one for each channel of an image `[C, H, W]`."""


def suits(values: float | Sequence[float], shape: Sequence[int]) -> bool:
    """Whether inputs of a shape, that of one example, can be scaled by one number or so many."""
    return not isinstance(values, Sequence) or (len(shape) == 3 and len(values) == shape[0])


@dataclass(frozen=True)
class Normalize:
    """`(x / 255 - mean) / std` for uint8 images, `(x - mean) / std` for floating point.

    Maps `[B, ...]` to `[B, ...]` of type `dtype`; images `[B, C, H, W]` where there is a number for each channel.
    """

    mean: Scale
    std: Scale
    dtype: torch.dtype = torch.float32

    def rounded(self, stored: Tensor) -> Tensor:
        """Numbers without the digits that are dropped anyway: before they are moved, as MPS has no float64."""
        wider = stored.is_floating_point() and stored.dtype.itemsize > self.dtype.itemsize
        return stored.to(self.dtype) if wider else stored

    def __call__(self, inputs: Tensor) -> Tensor:
        """Normalise a batch."""
        if inputs.dtype == torch.uint8:
            return self._from_bytes(inputs)
        inputs = inputs.to(self.dtype)
        if (self.mean, self.std) == (0.0, 1.0):
            return inputs
        return (inputs - _spread(np.array(self.mean), inputs)) / _spread(np.array(self.std), inputs)

    def _from_bytes(self, inputs: Tensor) -> Tensor:
        found = _empty(inputs.shape, self.dtype, inputs.device)
        std = np.array(self.std)
        scale, offset = 1 / (255 * std), self.mean / std
        parts, size = (inputs.reshape(-1), found.view(-1)), _PIECE
        if offset.ndim:  # images stay whole
            parts, size = (inputs, found), max(1, _PIECE // max(1, math.prod(inputs.shape[1:])))
        factor, term = _spread(scale, found), _spread(offset, found)
        for stored, piece in zip(*(part.split(size) for part in parts), strict=True):
            piece.copy_(stored).mul_(factor).sub_(term)
        return found


def _spread(values: np.ndarray, inputs: Tensor) -> float | Tensor:
    """One number as it is, and one a channel as a tensor `[C, 1, 1]` of the inputs' type, where they lie."""
    return _by_channel(tuple(values.tolist()), inputs.dtype, inputs.device) if values.ndim else float(values)


@cache
def _by_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made once: to bring it to a GPU is to wait for it."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)[:, None, None]


def _empty(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """As `torch.empty`; on a CPU by numpy, which asks Linux for huge pages, of which fewer are to be made and found."""
    if device.type != "cpu" or shape.numel() == 0:  # numpy gives nothing no stride to be viewed by
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(shape.numel() * dtype.itemsize, np.uint8)).view(dtype).view(shape)


@dataclass(frozen=True)
class Transforms:
    """torchvision's v2 transforms, on each image by itself, as it is stored (uint8).

    Maps uint8 `[B, C, H, W]` to the same shape and type. Most draw from torch's default CPU generator, as
    `RandomShift` does.
    """

    steps: tuple[Callable[[Tensor], Tensor], ...] = ()

    def __call__(self, images: Tensor) -> Tensor:
        """Transform a batch; a step that changes an image's shape is the user's mistake."""
        if not self.steps or not len(images):
            return images
        changed = []
        for image in images:
            for step in self.steps:
                image = _applied(step, image)
            changed.append(image)
        for image in changed:  # some change their shape now and then
            fits = isinstance(image, Tensor) and image.shape == images.shape[1:] and image.dtype == images.dtype
            if not fits:
                made = f"{tuple(image.shape)} {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
                raise ConfigError(
                    f"`data.transforms` must keep an image's shape and type, {tuple(images.shape[1:])} {images.dtype}, "
                    f"but made it {made}"
                )
        return torch.stack(changed)


def _applied(step: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """What a step makes of an image; torchvision tells only now, without a type for it, what cannot be set so."""
    try:
        return step(image)
    except (TypeError, ValueError) as error:
        if not raised_in(error).startswith("torchvision."):
            raise
        told = f"`data.transforms`: {type(step).__name__} cannot be applied to images of shape {tuple(image.shape)}"
        raise ConfigError(f"{told}: {one_line(error)}") from error


@dataclass(frozen=True)
class RandomShift:
    """Moves each image by a whole number of pixels, drawn evenly from -pixels..pixels for each axis.

    Maps `[B, C, H, W]` to the same shape; what comes in from outside has its channel's smallest value in the batch.
    Draws from torch's default CPU generator, so that a checkpoint which holds its state resumes exactly.
    """

    pixels: int

    def __call__(self, images: Tensor) -> Tensor:
        """Shift a batch."""
        if self.pixels == 0 or not len(images):
            return images
        pixels, device = self.pixels, images.device
        batch, channels, height, width = images.shape
        top, left = torch.randint(0, 2 * pixels + 1, (2, batch)).to(device, non_blocking=True)
        padded = images.new_empty(batch, height + 2 * pixels, width + 2 * pixels, channels)
        padded.copy_(images.amin((0, 2, 3)))  # tensors' values; as numbers they would have to be read off the device
        padded[:, pixels:-pixels, pixels:-pixels] = images.permute(0, 2, 3, 1)
        # all that a window of an image's size can show, as views; an index for each pixel takes three times as long
        windows = padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)
        moved = windows[torch.arange(batch, device=device), top, left]
        return moved.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class RandomAffine:
    """Turns each image about its centre and makes it larger or smaller, both drawn evenly.

    The angle lies within ±`degrees`, the size between 1 - `zoom` and 1 + `zoom` of the image's own. Maps
    `[B, C, H, W]`, floating point, to the same shape by bilinear interpolation; what comes in from outside has its
    channel's smallest value in the batch. Draws as `RandomShift` does.
    """

    degrees: float
    zoom: float

    def __call__(self, images: Tensor) -> Tensor:
        """Turn and scale a batch."""
        if (self.degrees == 0 and self.zoom == 0) or not len(images):
            return images
        batch, _, height, width = images.shape
        angle, size = 2 * torch.rand(2, batch, dtype=images.dtype) - 1
        angle, size = angle * math.radians(self.degrees), 1 + size * self.zoom
        cosine, sine = angle.cos() / size, angle.sin() / size
        # from a place in the result to the one in the image it comes from; both axes run from -1 to 1
        turns = torch.stack([cosine, -sine * height / width, sine * width / height, cosine])
        turns = turns.view(2, 2, batch, 1, 1).to(images.device, non_blocking=True)
        # as F.affine_grid, whose products of 3 x 2 matrices take longer than the sampling
        grid = turns[:, 0] * _centres(width, images) + turns[:, 1] * _centres(height, images)[:, None]
        lowest = images.amin((0, 2, 3), keepdim=True)
        return F.grid_sample(images - lowest, grid.permute(1, 2, 3, 0), align_corners=False).add_(lowest)


def _centres(pixels: int, images: Tensor) -> Tensor:
    """Where the centres of an axis' pixels lie, if its edges are at -1 and 1."""
    return torch.linspace(-1, 1, pixels, dtype=images.dtype, device=images.device) * (pixels - 1) / pixels
