"""The LightningDataModule family: how a split becomes loaders. What the examples are is left to its subclasses."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import getattr_static

import torch
from lightning.pytorch import LightningDataModule

from lightsweep.data.description import Description
from lightsweep.data.files import ImageFiles
from lightsweep.data.loader import Batches, DeviceBatches, EvalLoader, Preparation, TrainLoader, WorkerBatches
from lightsweep.data.memory import room
from lightsweep.data.order import BatchOrder, limited
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.data.spec_check import fitting
from lightsweep.data.split import Split, balancing_weights, fold_split, random_split
from lightsweep.data.transform import Normalize, RandomAffine, RandomShift, Scale, Transforms, suits
from lightsweep.errors import ConfigError
from lightsweep.screen import many

OWN = "own"
"""`data.val_size` where the data bring their validation examples."""


class NoTestSet(ConfigError):
    """The data keep no examples for a test; a new run can mend that, a finished one cannot."""

    def __init__(self, text: str = "`data.test_size` is 0, so there is no test set: set it, or test=false") -> None:
        super().__init__(text)


class ArrayDataModule(LightningDataModule):
    """Data sets that fit in memory as two tensors, or whose images are read from files as they are needed.

    A subclass gives `spec`, `load_train` and `load_test`, and `load_val` where validation examples are set apart
    already; the test set is read by `setup("test")` alone. What they give is held against `spec`, see `fitting`; any
    type of integers will do for classes.

    Args:
        batch_size: examples in one batch, over all processes; `accumulate_grad_batches` of them make a step.
        eval_batch_size: examples in one validation or test batch.
        val_size: examples kept from training for validation; 0 for none, `own` for those of `load_val` in their place.
        split_seed: seed of that split.
        seed: seed of the batch order.
        loader: `device` keeps each split on the training device, `workers` reads it by a DataLoader; `auto` keeps it
            where it fits into half of the free memory.
        num_workers: the DataLoader's processes; 0 reads in this one.
        mean, std: inputs (images in [0, 1]) become `(x - mean) / std`; a list holds one a channel of images.
        shift: training images are moved by up to this many pixels.
        rotate: training images are turned by up to this many degrees.
        zoom: training images become larger or smaller by up to this share.
        transforms: torchvision's v2 transforms, applied to each training image as stored, before it is normalised.
        stratified: validation examples are drawn class by class, each class by its share.
        fold: validate on this one of `num_folds` parts, counted from 0, in place of `val_size` examples.
        num_folds: parts of the training examples, of equal size to within one example.
        class_weights: `balanced` weighs each class in the loss by the inverse of its share of the training split.

    Raises:
        ConfigError: sizes that the data cannot give.
        DataError: examples that are not what `spec` says.
    """

    spec: DataSpec

    def __init__(
        self,
        batch_size: int,
        val_size: int | str = 0,
        eval_batch_size: int = 1000,
        split_seed: int = 0,
        seed: int = 0,
        loader: str = "device",
        num_workers: int = 0,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        shift: int = 0,
        rotate: float = 0.0,
        zoom: float = 0.0,
        transforms: Sequence[Callable[[torch.Tensor], torch.Tensor]] = (),
        stratified: bool = False,
        fold: int | None = None,
        num_folds: int = 5,
        class_weights: str | None = None,
    ) -> None:
        super().__init__()
        for step in transforms:
            if not callable(step):
                raise ConfigError(f"`data.transforms` must be transforms, each by its `_target_`, but got {step!r:.60}")
        self.transforms = Transforms(tuple(transforms))
        self.stratified, self.fold, self.num_folds = stratified, fold, num_folds
        self.class_weights = class_weights
        self.batch_size, self.eval_batch_size, self.val_size = batch_size, eval_batch_size, val_size
        self.split_seed, self.seed = split_seed, seed
        self.loader, self.num_workers = loader, num_workers
        self.mean: Scale = tuple(mean) if isinstance(mean, Sequence) else mean
        self.std: Scale = tuple(std) if isinstance(std, Sequence) else std
        self.shift, self.rotate, self.zoom = shift, rotate, zoom
        self.chunk = 1
        self.limits: dict[str, int | float] = {"train": 1.0, "val": 1.0, "test": 1.0}
        self.dtype = torch.float32
        self.splits: dict[str, Arrays | ImageFiles] = {}
        self._on_device: dict[str, Batches] = {}

    picture: str | None = None
    """How an image file becomes an input, see `Description`; None where the inputs are no images."""
    transposed = False

    def describe(self) -> Description:
        """What the model must know of the data to be used without them."""
        spec = self.spec
        return Description(
            spec.input_shape, spec.num_classes, spec.class_names, self.mean, self.std, self.picture, self.transposed
        )

    @property
    def validates(self) -> bool:
        """Whether there is a validation split."""
        return self.val_size != 0 or self.fold is not None

    @property
    def tests(self) -> bool:
        """Whether there is a test set; asked before training, so nothing is read for it."""
        return type(self).load_test is not ArrayDataModule.load_test

    def load_train(self) -> Arrays | ImageFiles:
        """All examples that may be trained or validated on.

        Raises:
            ConfigError: a subclass that does not say.
        """
        raise ConfigError(f"`{type(self).__name__}` has no load_train, so there is nothing to train on: write it")

    def load_val(self) -> Arrays | ImageFiles:
        """The validation examples that the data bring, for `val_size=own`.

        Raises:
            ConfigError: they bring none.
        """
        raise ConfigError(f"`data.val_size=own` needs validation examples, but `{type(self).__name__}` has no load_val")

    def load_test(self) -> Arrays | ImageFiles:
        """The test set.

        Raises:
            NoTestSet: there is none.
        """
        raise NoTestSet(f"`{type(self).__name__}` has no load_test, so there is no test set: write it, or test=false")

    def setup(self, stage: str) -> None:
        """Read the splits that a stage (`fit`, `validate` or `test`) needs, once."""
        if stage == "test":
            if "test" not in self.splits:
                self.splits["test"] = self._held(self._checked(self.load_test(), "load_test"))
        elif "train" not in self.splits:
            arrays = self._held(self._checked(self.load_train(), "load_train"))
            if self.val_size == OWN and self.fold is None:
                own = self._held(self._checked(self.load_val(), "load_val"))
                self.splits["train"], self.splits["val"] = arrays, own
            else:
                train, val = self._split(arrays.targets)
                self.splits["train"], self.splits["val"] = arrays.take(train), arrays.take(val)
            if self.batch_size > len(self.splits["train"]):
                raise ConfigError(
                    f"`data.batch_size` must be at most the training split's {len(self.splits['train'])} examples "
                    f"but got {self.batch_size}"
                )
            if self.class_weights is not None:
                self.spec = replace(self.spec, class_weights=self._weights())

    def refuse_idle_processes(self, world_size: int) -> None:
        """Raise ConfigError where a split that was read gives one of several processes nothing to evaluate.

        Metrics that gather their examples do not bear that.
        """
        for split in ("val", "test"):
            there, limit = len(self.splits.get(split, ())), self.limits[split]
            used = min(there, limited(-(-there // self.eval_batch_size), limit) * self.eval_batch_size)
            if there and used < world_size:
                within = f" within trainer.limit_{split}_batches={limit}" if used < there else ""
                raise ConfigError(
                    f"the {split} split has {many(used, 'example')}{within} for {world_size} processes; "
                    f"set trainer.devices lower, or {'that limit higher' if within else 'make the split larger'}"
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
        return EvalLoader(self._batches(split), self.eval_batch_size, rank, world_size, self.limits[split])

    def _batches(self, split: str) -> Batches:
        if split not in self._on_device:
            normalize, shift = Normalize(self.mean, self.std, self.dtype), RandomShift(self.shift)
            preparation = Preparation(normalize, RandomAffine(self.rotate, self.zoom), shift, self.transforms)
            device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
            arrays = self.splits[split]
            fits = isinstance(arrays, Arrays) and (self.loader == "device" or arrays.nbytes <= room(device))
            if fits and self.loader != "workers":
                self._on_device[split] = DeviceBatches(arrays.read(), preparation, device)
            else:
                self._on_device[split] = WorkerBatches(arrays, preparation, device, self.num_workers)
        return self._on_device[split]

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _held(self, arrays: Arrays | ImageFiles) -> Arrays | ImageFiles:
        """The examples in memory, unless they are files that are to be read as they are needed."""
        if self.loader == "workers" or (self.loader == "auto" and arrays.nbytes > room(torch.device("cpu"))):
            return arrays
        return arrays.read()

    def _split(self, targets: torch.Tensor) -> Split:
        if self.stratified and targets.is_floating_point():
            raise ConfigError("`data.stratified` needs classes, but the targets are numbers")
        if self.fold is not None:
            if self.num_folds > len(targets):
                raise ConfigError(
                    f"`data.num_folds` must be at most the {len(targets)} training examples but got {self.num_folds}"
                )
            return fold_split(targets, self.fold, self.num_folds, self.split_seed, self.stratified)
        assert isinstance(self.val_size, int)  # or they are not drawn
        if self.val_size >= len(targets):
            raise ConfigError(
                f"`data.val_size` must be below the {len(targets)} training examples but got {self.val_size}"
            )
        return random_split(targets, self.val_size, self.split_seed, self.stratified)

    def _weights(self) -> tuple[float, ...]:
        if self.spec.num_classes is None:
            raise ConfigError("`data.class_weights` needs classes, but the targets are numbers")
        return balancing_weights(self.splits["train"].targets, self.spec.num_classes)

    def _checked(self, given: Arrays | ImageFiles, method: str) -> Arrays | ImageFiles:
        spec = self.spec if getattr_static(self, "spec", None) is not None else None  # a property's own error is kept
        arrays = fitting(given, spec, self.dtype, f"{type(self).__name__}.{method}")
        asked = [name for name in ("shift", "rotate", "zoom") if getattr(self, name)]
        if asked and len(self.spec.input_shape) != 3:
            raise ConfigError(f"`data.{asked[0]}` moves images, but one example has shape {self.spec.input_shape}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not suits(values, self.spec.input_shape):
                raise ConfigError(
                    f"`data.{name}` must be a number, or a list of one for each channel of an image, but got "
                    f"{values} where one example has shape {tuple(self.spec.input_shape)}"
                )
        if self.shift and self.shift >= (side := min(self.spec.input_shape[1:])):
            raise ConfigError(f"`data.shift` must be below the images' {many(side, 'pixel')} but got {self.shift}")
        if self.transforms.steps and not (isinstance(arrays, ImageFiles) or arrays.inputs.dtype == torch.uint8):
            raise ConfigError("`data.transforms` are for images, but the inputs are numbers")
        return arrays
