"""From stored examples to network inputs, in whole batches on whatever device they lie."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Normalize:
    """`(x / 255 - mean) / std` for uint8 images, `(x - mean) / std` for floating point.

    Maps `[B, ...]` to floating point `[B, ...]`: `dtype` for uint8 inputs, their own otherwise.
    """

    mean: float
    std: float
    dtype: torch.dtype = torch.float32

    def __call__(self, inputs: Tensor) -> Tensor:
        """Normalise a batch."""
        if inputs.dtype == torch.uint8:
            return inputs.to(self.dtype).mul_(1 / (255 * self.std)).sub_(self.mean / self.std)
        inputs = inputs.to(self.dtype)
        return inputs if (self.mean, self.std) == (0.0, 1.0) else (inputs - self.mean) / self.std


@dataclass(frozen=True)
class RandomShift:
    """Moves each image by a whole number of pixels, drawn evenly from -pixels..pixels for each axis.

    Maps `[B, C, H, W]` to the same shape; what comes in from outside has the image's smallest value. Draws from
    torch's default CPU generator, so that a checkpoint which holds its state resumes exactly.
    """

    pixels: int

    def __call__(self, images: Tensor) -> Tensor:
        """Shift a batch."""
        if self.pixels == 0:
            return images
        batch, _, height, width = images.shape
        top, left = torch.randint(0, 2 * self.pixels + 1, (2, batch)).to(images.device)
        padded = F.pad(images, (self.pixels,) * 4, value=float(images.min()))
        rows = top[:, None] + torch.arange(height, device=images.device)
        columns = left[:, None] + torch.arange(width, device=images.device)
        examples = torch.arange(batch, device=images.device)
        moved = padded.permute(0, 2, 3, 1)[examples[:, None, None], rows[:, :, None], columns[:, None, :]]
        return moved.permute(0, 3, 1, 2)
