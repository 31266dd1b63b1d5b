"""Imported by the warm server for training runs: what each would otherwise import itself, some of it at its end.

With it comes the memory in which the first of them leaves the data that it has read.
"""

from importlib import import_module

from PIL import Image

from lightsweep.data.shared import share_with_forks

for name in (
    "PIL._binary",  # Pillow leaves it for later on Python 3.15
    "fsspec.implementations.chained",
    "torch.utils.serialization",
    "torch.utils.tensorboard",
    "lightsweep.reporting.summary",
    "lightsweep.reporting.tensorboard.board",
    "lightsweep.reporting.tensorboard.pictures",
    "lightsweep.reporting.tensorboard.graph",
    "lightsweep.reporting.tensorboard.hparams",
    "lightsweep.reporting.tensorboard.logger",
    "lightsweep.reporting.tensorboard.predictions",
    "lightsweep.training",
):
    import_module(name)
Image.preinit()
share_with_forks()
