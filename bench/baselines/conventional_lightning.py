"""An MLP on MNIST the conventional Lightning way: automatic optimization, a DataLoader with transforms, torchmetrics.

Metrics are updated at each step and logged with `self.log`; a rich progress bar and TensorBoard are on.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, random_split
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from torchvision import datasets, transforms

from bench.moments import EpochSeconds


class MNISTData(LightningDataModule):
    """55,000 images for training, 5,000 for validation; converted and normalised one by one.

    Args:
        batch_size: images in a batch.
    """

    def __init__(self, batch_size: int = 128) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
        self.train_set: Dataset | None = None
        self.val_set: Dataset | None = None

    def setup(self, stage: str) -> None:
        """Read the training images and split them."""
        if self.train_set is None:
            images = datasets.MNIST("data", train=True, download=True, transform=self.transform)
            generator = torch.Generator().manual_seed(42)
            self.train_set, self.val_set = random_split(images, [55_000, 5_000], generator=generator)

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches."""
        assert self.train_set is not None
        return DataLoader(self.train_set, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches in order."""
        assert self.val_set is not None
        return DataLoader(self.val_set, self.batch_size)


class MNISTModule(LightningModule):
    """784-64-128-64-10 with batch norm, trained by Adam."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in ((784, 64), (64, 128), (128, 64)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(64, 10))
        self.criterion = nn.CrossEntropyLoss()
        self.train_acc, self.val_acc = MulticlassAccuracy(10, average="micro"), MulticlassAccuracy(10, average="micro")
        self.train_loss, self.val_loss, self.val_acc_best = MeanMetric(), MeanMetric(), MaxMetric()

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[B, 10]`."""
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss, with metrics updated and logged."""
        loss, predictions, labels = self._model_step(batch)
        self.train_loss(loss)
        self.train_acc(predictions, labels)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Metrics of a validation batch."""
        loss, predictions, labels = self._model_step(batch)
        self.val_loss(loss)
        self.val_acc(predictions, labels)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val/acc", self.val_acc, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """The best accuracy so far."""
        self.val_acc_best(self.val_acc.compute())
        self.log("val/acc_best", self.val_acc_best.compute(), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.001)

    def _model_step(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        images, labels = batch
        outputs = self(images)
        return self.criterion(outputs, labels), outputs.argmax(dim=1), labels


def main() -> None:
    """Train, and print each epoch's seconds (training, validation, checkpoint, logging) as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    seed_everything(0)
    with tempfile.TemporaryDirectory() as folder:
        seconds = Path(folder) / "seconds.json"
        trainer = Trainer(
            max_epochs=options.epochs,
            accelerator="auto",
            devices=1,
            logger=TensorBoardLogger(folder),
            callbacks=[
                ModelCheckpoint(folder, monitor="val/acc", mode="max", save_last=True),
                RichProgressBar(),
                EpochSeconds(str(seconds)),
            ],
        )
        trainer.fit(MNISTModule(), datamodule=MNISTData())
        found = json.loads(seconds.read_text(encoding="utf-8"))
    print("\n" + json.dumps({"epoch_seconds": found}))


if __name__ == "__main__":
    main()
