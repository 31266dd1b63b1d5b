"""What tests of pruning share: a module whose curve is given, a fit of it, and pruners that are easily foretold."""

from types import SimpleNamespace

import optuna
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from lightsweep.sweeping.pruning import PruningCallback


class Curve(LightningModule):
    """Logs a given curve, one value an epoch, and takes one optimizer step a batch."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values, self.layer, self.ended = values, torch.nn.Linear(1, 1), False

    def training_step(self, batch, _):
        loss = self.layer(batch[0]).mean()
        self.log("train_value", float(self.values[self.current_epoch]))
        return loss

    def validation_step(self, batch, _):
        self.log("val/value", self.values[self.current_epoch])

    def on_fit_end(self):
        self.ended = True

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def loader() -> DataLoader:
    return DataLoader(TensorDataset(torch.zeros(4, 1)), batch_size=1)


def fit(values: list[float], callback: PruningCallback, **settings) -> tuple[Curve, Trainer]:
    module = Curve(values)
    trainer = Trainer(
        max_epochs=len(values), accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[callback], **settings,
    )  # fmt: skip
    trainer.fit(module, loader(), loader())
    return module, trainer


class Never(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return False


class AtOnce(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return True


def after(epoch, step=5, max_epochs=3, max_steps=-1, last_batch=False):
    progress = SimpleNamespace(is_last_batch=last_batch)
    return SimpleNamespace(is_global_zero=True, world_size=1, current_epoch=epoch, global_step=step,
                           max_epochs=max_epochs, max_steps=max_steps, should_stop=False,
                           fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)))  # fmt: skip


class AtStep(optuna.pruners.BasePruner):
    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.last_step == self.step
