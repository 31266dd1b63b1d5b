"""One LightningModule a file: a network, the task that it is trained for, and nothing that happens on the side."""

from lightsweep.models.base import Model
from lightsweep.models.convnet import ConvNet
from lightsweep.models.linear_regression import LinearRegression
from lightsweep.models.logistic_regression import LogisticRegression
from lightsweep.models.mlp import MLP
from lightsweep.models.softmax_regression import SoftmaxRegression
from lightsweep.models.torchvision_net import TorchvisionNet
from lightsweep.models.wrapped import Wrapped

__all__ = [
    "MLP",
    "ConvNet",
    "LinearRegression",
    "LogisticRegression",
    "Model",
    "SoftmaxRegression",
    "TorchvisionNet",
    "Wrapped",
]
