"""Imported by the warm server for training runs: what each would otherwise import itself, some of it at its end."""

from importlib import import_module

from PIL import Image

for name in (
    "fsspec.implementations.chained",
    "torch.utils.serialization",
    "torch.utils.tensorboard",
    "lightsweep.reporting.summary",
    "lightsweep.reporting.tensorboard.board",
    "lightsweep.reporting.tensorboard.drawing",
    "lightsweep.reporting.tensorboard.graph",
    "lightsweep.reporting.tensorboard.hparams",
    "lightsweep.reporting.tensorboard.logger",
    "lightsweep.reporting.tensorboard.predictions",
    "lightsweep.training",
):
    import_module(name)
Image.preinit()
