"""DataModules, and loaders that give whole-split-on-device batches or batches from worker processes."""

from lightsweep.data.csv import CSV
from lightsweep.data.datamodule import ArrayDataModule
from lightsweep.data.images import Images
from lightsweep.data.line import Line
from lightsweep.data.mnist import MNIST, MNISTBinary
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.data.torchvision_sets import Torchvision

__all__ = ["CSV", "MNIST", "ArrayDataModule", "Arrays", "DataSpec", "Images", "Line", "MNISTBinary", "Torchvision"]
