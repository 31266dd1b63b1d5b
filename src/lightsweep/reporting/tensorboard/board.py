"""The watcher that fills TensorBoard with what plain metrics do not tell; the first process alone writes.

At each logging point: norms. At each epoch: the metrics once more by epochs, where the time went, histograms. At the
end: what the best checkpoint gets wrong, and the run's entry in the HParams tab.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from lightsweep.reporting.tensorboard.events import BY_EPOCH, Value, markdown, scalars, write_events
from lightsweep.reporting.tensorboard.layout import run_layout
from lightsweep.reporting.tensorboard.norms import histograms, norms
from lightsweep.training.result import Result
from lightsweep.training.sharding import Sharded, whole
from lightsweep.training.synchronizing import gathered
from lightsweep.training.watching import Watched, Watcher

if TYPE_CHECKING:
    from lightsweep.reporting.tensorboard.logger import TensorBoard


class Board(Watcher):
    """What one run shows.

    Args:
        logger: writes, and says what is wanted.
        run: the run.
    """

    def __init__(self, logger: "TensorBoard", run: Watched) -> None:
        self.logger, self.run = logger, run
        self.wants_predictions = logger.predictions and run.model.task.counts
        self._outputs: list[Tensor] = []
        self._drawn = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lay out the Custom Scalars tab, once in a run's life."""
        if trainer.is_global_zero and not trainer.global_step:
            self.logger.write([run_layout(self.run.model.task.counts, self.logger.norms)], 0)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log where the time went until here; an epoch that is resumed in its middle had its start logged before."""
        loader: Any = trainer.train_dataloader
        if trainer.is_global_zero and not loader.skip:
            with self.run.clock.part("logging"):
                self.logger.write(self._times(self.run.clock.seconds), trainer.global_step)

    def on_row(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Log norms with the training metrics, and an epoch's metrics by its number, counted from 1."""
        if "lr" in metrics:
            if self.logger.norms and self._takes_part(self.run.model.trainer):
                self.logger.write(scalars(norms(self.run.model.net)), step)
            return
        by_epoch = {BY_EPOCH + name.removesuffix("_epoch"): value for name, value in metrics.items()}
        self.logger.write(scalars(by_epoch), math.ceil(epoch - 1e-9))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log an epoch's histograms at its last batch: Lightning drops the gradients before it validates."""
        if self.logger.histograms and trainer.is_last_batch and self._takes_part(trainer):
            with self.run.clock.part("logging"):
                self.logger.write(histograms(self.run.model.net), trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the network's graph; only now, since it would delay the first step."""
        if not isinstance(trainer.strategy, Sharded):
            self._draw_graph(trainer)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draw the graph of a network that is about to be cut up, for the first process could not do so later."""
        if stage == "fit" and isinstance(trainer.strategy, Sharded):
            self._draw_graph(trainer)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Keep a batch's outputs, where the best checkpoint is validated."""
        if trainer.state.fn == "validate":
            self._keep(outputs)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Keep a batch's outputs."""
        self._keep(outputs)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the predictions, where the best checkpoint is validated."""
        if trainer.state.fn == "validate":
            self._examine(trainer, "val", trainer.val_dataloaders)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the predictions."""
        self._examine(trainer, "test", trainer.test_dataloaders)

    def conclude(self, result: Result) -> None:
        """Log where all the time went, and register the run's settings and results."""
        from lightsweep.reporting.tensorboard.hparams import write_session

        if result.status == "completed" and not self._drawn:  # it had trained all before it was resumed
            self._draw_graph(self.run.model.trainer)
        paths = self.run.paths
        write_events(paths.closing_events, [(result.steps, self._times(result.seconds_by_part))])
        values = {**asdict(result), **result.metrics}
        write_session(paths, self.run.cfg, values, self.logger.target_acc)

    def _times(self, seconds: Mapping[str, float]) -> list[Value]:
        return scalars({f"time/{part}": value for part, value in seconds.items()})

    def _keep(self, outputs: Any) -> None:
        if self.wants_predictions:
            self._outputs.append(outputs)

    def _examine(self, trainer: Trainer, split: str, loader: Any) -> None:
        """All processes bring their predictions; the first one draws."""
        outputs, self._outputs = self._outputs, []
        if self.wants_predictions:
            with self.run.clock.part("logging"):
                self.logger.write(self._pictures(trainer, split, loader, outputs), trainer.global_step)

    def _pictures(self, trainer: Trainer, split: str, loader: Any, outputs: list[Tensor]) -> list[Value]:
        from lightsweep.reporting.tensorboard import pictures
        from lightsweep.reporting.tensorboard.predictions import Predictions, table

        arrays, names = self.run.datamodule.splits[split], self.run.datamodule.spec.class_names
        indices = torch.cat([torch.arange(part.start, part.stop) for part in loader.parts])
        own = Predictions.of(torch.cat(outputs).cpu(), arrays.targets[indices], indices)
        parts = gathered(own, trainer.world_size)
        shape = self.run.datamodule.spec.input_shape
        model = self.run.model
        found = first_filters(model.net if model.ema is None else model.ema, shape)
        if not trainer.is_global_zero:
            return []
        merged = Predictions.merged(parts)
        values = [markdown(f"{split}/classes", table(merged, names, split))]
        values.append(pictures.png(f"{split}/confusion_matrix", pictures.confusion_matrix(merged, names)))
        if merged.mistakes and len(shape) == 3 and shape[0] in (1, 3):
            chosen = arrays.take(torch.tensor([mistake.index for mistake in merged.mistakes]))
            images = chosen.read().inputs
            if self.run.datamodule.transposed:  # a person sees them upright
                images = images.transpose(2, 3)
            values.append(pictures.png(f"{split}/mistakes", pictures.mistake_grid(images, merged.mistakes, names)))
        if found is not None:
            values.append(pictures.png("network/first_layer", pictures.filter_grid(*found)))
        return values

    def _takes_part(self, trainer: Trainer) -> bool:
        """Whether this process looks at the weights: the first one, and all where each holds a part of them."""
        return trainer.is_global_zero or isinstance(trainer.strategy, Sharded)

    def _draw_graph(self, trainer: Trainer) -> None:
        from lightsweep.reporting.tensorboard.graph import network_graph

        self._drawn = True
        if not trainer.is_global_zero or not self.logger.graph:
            return
        net, device = self.run.model.net, self.run.model.device
        example = torch.zeros(2, *self.run.datamodule.spec.input_shape, dtype=self.run.datamodule.dtype, device=device)
        with self.run.clock.part("logging"):
            try:
                self.logger.write_graph(network_graph(net, example))
            except Exception as error:  # a network may do anything, and not all of it can be traced
                reason = f"The network's graph could not be traced: {type(error).__name__}: {error}"
                self.logger.write([markdown("network/graph", reason)], trainer.global_step)


def first_filters(net: nn.Module, input_shape: tuple[int, ...]) -> tuple[Tensor, str] | None:
    """Weights `[F, C, H, W]` on the CPU and the name of the first layer, if it looks at images; see `whole`.

    That is a 2-d convolution, or a linear layer over all pixels, whose weights then have the image's shape.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            return whole(module.weight.detach()).cpu(), name
        if isinstance(module, nn.Linear):
            if len(input_shape) == 3 and module.in_features == math.prod(input_shape):
                return whole(module.weight.detach()).cpu().reshape(-1, *input_shape), name
            return None
    return None
