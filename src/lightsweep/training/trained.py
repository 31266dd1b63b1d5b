"""A finished run's network, ready to be used: built from the run's folder alone, without its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from lightsweep.config import check
from lightsweep.config.saved import read_finished
from lightsweep.data.description import Description
from lightsweep.models import Model
from lightsweep.paths import RunPaths
from lightsweep.training.checkpoints import load_weights_alone, take_up
from lightsweep.training.model import averaged, build_model
from lightsweep.training.precision import weight_dtype


@dataclass(frozen=True)
class Trained:
    """A run's network with the weights of a checkpoint, in evaluation mode, on the CPU, in the weights' precision.

    Attributes:
        model: the LightningModule.
        data: what its inputs and classes are.
        cfg: the run's configuration.
        name: the run's folder and the checkpoint, to tell it from others.
    """

    model: Model
    data: Description
    cfg: DictConfig
    name: str

    @property
    def net(self) -> nn.Module:
        """The network that maps `[B, *input_shape]` to outputs; the averaged one where the run averaged its weights."""
        ema = self.model.ema
        return self.model.net if ema is None else ema.module

    def outputs(self, stored: Tensor) -> Tensor:
        """The network's outputs for examples as they are stored."""
        with torch.inference_mode():
            return self.net(self.data.normalize(self.dtype)(stored))

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights and the inputs; complex weights are of two such numbers."""
        return weight_dtype(self.cfg.trainer.precision)


def load_trained(folder: Path, checkpoint: str = "best", trust: Sequence[str] = ()) -> Trained:
    """Build a run's network and load its weights.

    Args:
        folder: the run's folder.
        checkpoint: `best` or `last`.
        trust: import prefixes whose targets may be built; the folder has no say in it.

    Raises:
        RunFolderError: a folder or a checkpoint that is none, is damaged or does not fit.
        ConfigError: a configuration that names what is not trusted, another checkpoint, or a `trust` that is no list.
    """
    paths = RunPaths(folder)
    found, cfg = paths.checkpoint(checkpoint), read_finished(paths, trust)
    if "compile" in cfg.model:
        cfg.model.compile = False
    check(cfg, finished=True)
    data = Description.read(paths)
    state = load_weights_alone(found)
    model = build_model(cfg, data.spec)
    if cfg.trainer.ema_decay is not None:
        model.ema = averaged(model, cfg.trainer.ema_decay)
    take_up(model, state)
    model.eval().to(memory_format=torch.contiguous_format)
    return Trained(model, data, cfg, f"{folder.name}/{checkpoint}")
