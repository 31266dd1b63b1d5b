"""The LightningDataModule family: how a split becomes loaders. What the examples are is left to its subclasses."""

import torch
from lightning.pytorch import LightningDataModule

from lightsweep.data.loader import Batches, DeviceBatches, EvalLoader, Preparation, TrainLoader, WorkerBatches
from lightsweep.data.order import BatchOrder
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.data.transform import Normalize, RandomAffine, RandomShift
from lightsweep.errors import ConfigError


class ArrayDataModule(LightningDataModule):
    """Data sets that fit in memory as two tensors.

    A subclass gives `spec`, `load_train` and `load_test`; the test set is read by `setup("test")` alone.

    Args:
        batch_size: examples in one optimizer step, over all processes.
        eval_batch_size: examples in one validation or test batch.
        val_size: examples kept from training for validation; 0 for none.
        split_seed: seed of that split.
        seed: seed of the batch order.
        loader: `device` keeps each split on the training device, `workers` reads it by a DataLoader.
        num_workers: the DataLoader's processes; 0 reads in this one.
        mean, std: inputs (images in [0, 1]) become `(x - mean) / std`.
        shift: training images are moved by up to this many pixels.
        rotate: training images are turned by up to this many degrees.
        zoom: training images become larger or smaller by up to this share.

    Raises:
        ConfigError: sizes that the data cannot give.
    """

    spec: DataSpec

    def __init__(
        self,
        batch_size: int,
        val_size: int = 0,
        eval_batch_size: int = 1000,
        split_seed: int = 0,
        seed: int = 0,
        loader: str = "device",
        num_workers: int = 0,
        mean: float = 0.0,
        std: float = 1.0,
        shift: int = 0,
        rotate: float = 0.0,
        zoom: float = 0.0,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size, self.val_size = batch_size, eval_batch_size, val_size
        self.split_seed, self.seed = split_seed, seed
        self.loader, self.num_workers = loader, num_workers
        self.mean, self.std = mean, std
        self.shift, self.rotate, self.zoom = shift, rotate, zoom
        self.chunk = 1
        self.limits: dict[str, int | float | None] = {"train": None, "val": None, "test": None}
        self.dtype = torch.float32
        self.splits: dict[str, Arrays] = {}
        self._on_device: dict[str, Batches] = {}

    def load_train(self) -> Arrays:
        """All examples that may be trained or validated on."""
        raise NotImplementedError

    def load_test(self) -> Arrays:
        """The test set."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Read the splits that a stage (`fit`, `validate` or `test`) needs, once."""
        if stage == "test":
            if "test" not in self.splits:
                self.splits["test"] = self._checked(self.load_test())
        elif "train" not in self.splits:
            arrays = self._checked(self.load_train())
            self.splits["train"], self.splits["val"] = self._split(arrays)
            if self.batch_size > len(self.splits["train"]):
                raise ConfigError(
                    f"`data.batch_size` must be at most the training split's {len(self.splits['train'])} examples "
                    f"but got {self.batch_size}"
                )

    @property
    def num_train_batches(self) -> int:
        """Batches in an epoch, after `trainer.limit_train_batches`."""
        return len(self.order)

    @property
    def order(self) -> BatchOrder:
        """The batches of every epoch, as this process sees them."""
        rank, world_size = self._place()
        return BatchOrder(len(self.splits["train"]), self.batch_size, self.seed, rank, world_size, self.limits["train"])

    def train_dataloader(self) -> TrainLoader:
        """Chunks of shuffled batches."""
        return TrainLoader(self._batches("train"), self.order, self.chunk)

    def val_dataloader(self) -> EvalLoader | list:
        """Batches of the validation split; an empty list if there is none."""
        return self._eval_loader("val") if len(self.splits["val"]) else []

    def test_dataloader(self) -> EvalLoader:
        """Batches of the test set."""
        return self._eval_loader("test")

    def teardown(self, stage: str) -> None:
        """Free the device's copies."""
        self._on_device.clear()

    def _eval_loader(self, split: str) -> EvalLoader:
        rank, world_size = self._place()
        if len(self.splits[split]) < world_size:
            raise ConfigError(
                f"the {split} split has {len(self.splits[split])} examples for {world_size} processes; "
                "set trainer.devices lower, or make the split larger"
            )
        return EvalLoader(self._batches(split), self.eval_batch_size, rank, world_size, self.limits[split])

    def _batches(self, split: str) -> Batches:
        if split not in self._on_device:
            normalize = Normalize(self.mean, self.std, self.dtype)
            preparation = Preparation(normalize, RandomAffine(self.rotate, self.zoom), RandomShift(self.shift))
            device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
            if self.loader == "device":
                self._on_device[split] = DeviceBatches(self.splits[split], preparation, device)
            else:
                self._on_device[split] = WorkerBatches(self.splits[split], preparation, device, self.num_workers)
        return self._on_device[split]

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _split(self, arrays: Arrays) -> tuple[Arrays, Arrays]:
        if self.val_size >= len(arrays):
            raise ConfigError(
                f"`data.val_size` must be below the {len(arrays)} training examples but got {self.val_size}"
            )
        shuffled = torch.randperm(len(arrays), generator=torch.Generator().manual_seed(self.split_seed))
        boundary = len(arrays) - self.val_size
        # sorted indices keep the file's order within a split, and reading it fast
        return arrays.take(shuffled[:boundary].sort().values), arrays.take(shuffled[boundary:].sort().values)

    def _checked(self, arrays: Arrays) -> Arrays:
        asked = [name for name in ("shift", "rotate", "zoom") if getattr(self, name)]
        if asked and len(self.spec.input_shape) != 3:
            raise ConfigError(f"`data.{asked[0]}` moves images, but one example has shape {self.spec.input_shape}")
        if arrays.targets.is_floating_point():
            return Arrays(arrays.inputs, arrays.targets.to(self.dtype))
        return arrays
