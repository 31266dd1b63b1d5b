"""From a checked configuration to a DataModule, a model and a Trainer."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from omegaconf import DictConfig, OmegaConf
from torch.optim import LBFGS
from torchmetrics import Metric

from lightsweep.config import instantiate
from lightsweep.config.check import NO_BATCH_SIZE
from lightsweep.config.targets import find_target, parameters_of
from lightsweep.data import ArrayDataModule
from lightsweep.errors import ConfigError
from lightsweep.models import Model
from lightsweep.paths import RunPaths
from lightsweep.training import cuda_graph, precision
from lightsweep.training.allocator import keep_freed_memory
from lightsweep.training.callbacks import trainer_callbacks
from lightsweep.training.checkpoints import Checkpoints
from lightsweep.training.clock import Clock
from lightsweep.training.conductor import Conductor
from lightsweep.training.initial_weights import start_with
from lightsweep.training.logger_runs import LoggerRuns
from lightsweep.training.metrics import Metrics, build_metrics, direction, said_direction
from lightsweep.training.model import averaged, build_model, refuse_several_processes, refuse_single_examples
from lightsweep.training.optimizers import build_optimizers, scaled, stop_looking_for_gpus
from lightsweep.training.progress import Bar
from lightsweep.training.recorder import Recorder
from lightsweep.training.schedulers import Schedule, build_schedule
from lightsweep.training.sharding import Sharded, refuse_unsharded
from lightsweep.training.signals import StopRequest
from lightsweep.training.starting import refuse_unstartable
from lightsweep.training.stepper import Stepper
from lightsweep.training.trainer import build_trainer, let_signals_end_the_wait
from lightsweep.training.watching import Informed, Watched, Watcher, WatchingLogger


def build_data(cfg: DictConfig) -> ArrayDataModule:
    """The DataModule, not yet set up."""
    target = find_target(cfg.data._target_, cfg.trust)
    foreign = ConfigError(f"`data` must be an ArrayDataModule but `{cfg.data._target_}` is not")
    if isinstance(target, type) and not issubclass(target, ArrayDataModule):
        raise foreign  # before it is built, where it would refuse the first key that it does not take
    sealed = ConfigError(
        f"`data`: `{cfg.data._target_}` must take `**options` too, and hand them to `super().__init__(**options)`"
    )
    if isinstance(target, type) and not _takes(target, "seed"):
        raise sealed
    try:
        datamodule = instantiate(cfg.data, seed=cfg.seed, trust=cfg.trust)
    except ConfigError as error:
        if "batch_size" not in cfg.data and "'batch_size'" in str(error):
            raise ConfigError(NO_BATCH_SIZE) from error
        raise
    if not isinstance(datamodule, ArrayDataModule):
        raise foreign
    if not hasattr(datamodule, "splits"):
        raise sealed
    _refuse_lost(datamodule, cfg.data)
    trainer = cfg.trainer
    datamodule.limits = {split: trainer[f"limit_{split}_batches"] for split in ("train", "val", "test")}
    datamodule.dtype = precision.weight_dtype(trainer.precision)
    return datamodule


def _refuse_lost(datamodule: ArrayDataModule, settings: DictConfig) -> None:
    """Raise ConfigError if a setting did not reach `ArrayDataModule`, which then goes by its own default."""
    for name, known in inspect.signature(ArrayDataModule).parameters.items():
        given, kept = settings.get(name, known.default), getattr(datamodule, name)
        if name == "transforms":  # of which it builds others
            given, kept, default = len(given), len(kept.steps), 0
        else:
            default = known.default
        if kept == default != given:
            kind = type(datamodule).__name__
            raise ConfigError(
                f"`data.{name}` is {given!r} but {kind} goes by {kept!r}: let it hand its `**options` to "
                "`super().__init__(**options)`"
            )


def _takes(target: type, name: str) -> bool:
    takes = inspect.signature(target).parameters
    return name in takes or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values())


@dataclass
class Parts:
    """What a run is made of."""

    datamodule: ArrayDataModule
    model: Model
    trainer: Trainer
    stepper: Stepper
    checkpoints: Checkpoints
    conductor: Conductor
    recorder: Recorder
    watchers: list[Watcher]
    bar: Bar
    directions: dict[str, str | None]
    precision: str


def build(
    cfg: DictConfig,
    paths: RunPaths,
    clock: Clock,
    stop: StopRequest,
    callbacks: Sequence[Callback] = (),
    going_on: bool = False,
) -> Parts:
    """Everything a run needs, for a checked configuration; `going_on` where its state is a checkpoint's.

    Raises:
        ConfigError, DataError: what the configuration alone did not show.
    """
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    keep_freed_memory()
    stop_looking_for_gpus()
    datamodule = build_data(cfg)
    if cfg.test and not datamodule.tests:
        datamodule.load_test()  # says why, before anything is trained
    datamodule.setup("fit")
    model = build_model(cfg, datamodule.spec)
    if cfg.get("weights") is not None and not going_on:
        start_with(model.net, Path(cfg.weights), cfg.skip_weights)
    metrics = build_metrics(cfg, model)
    monitor, mode = monitored(cfg, model, datamodule, metrics)
    limits = cfg.trainer.checkpoint_every_n_steps, cfg.trainer.checkpoint_every_minutes
    checkpoints = Checkpoints(paths, monitor, mode, clock, *limits)
    runs = LoggerRuns(paths.logger_runs, going_on)
    trainer = build_trainer(cfg, paths, checkpoints, runs)
    _refuse_processes(trainer, cfg, model, datamodule)
    if cfg.trainer.num_nodes > 1:
        let_signals_end_the_wait(trainer, stop)
    if not datamodule.validates:
        trainer.limit_val_batches = 0  # Lightning warns about an empty loader
    device = trainer.strategy.root_device
    resolved = _set_precision(cfg, model, device)
    stepper = build_stepper(cfg, datamodule, model, mode, clock, stop, device)
    sharded = isinstance(trainer.strategy, Sharded)
    stepper.scaler = precision.loss_scaler(resolved, stepper.optimizers, sharded, device)
    if cuda_graph.resolve(cfg.trainer.cuda_graph, model, device, _without_graph(stepper, trainer)):
        stepper.graph_size = datamodule.order.sizes[0]
    model.stepper = stepper
    if sharded:
        refuse_unsharded(stepper.optimizers, datamodule.order.sizes, trainer.world_size)
    directions = {name: said_direction(metric) for name, metric in metrics.items()}
    for callback in callbacks:
        if isinstance(callback, Informed):
            callback.inform(monitor, {"monitor": mode, **{f"val/{name}": said for name, said in directions.items()}})
    watched = Watched(cfg, paths, datamodule, model, clock)
    watchers = [logger.watcher(watched) for logger in trainer.loggers if isinstance(logger, WatchingLogger)]
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    recorder = Recorder(paths.metrics, list(trainer.loggers), clock, trainer.is_global_zero, watchers, settings, runs)
    bar = Bar(stepper, cfg.trainer.print_loss)
    conductor = Conductor(stepper, recorder, clock, bar, cfg.trainer.log_every_n_steps, monitor)
    added = [Metrics(metrics)] if metrics else []
    own: list[Callback] = [conductor, *added, *watchers, bar, *trainer_callbacks(cfg, monitor, mode), *callbacks]
    trainer.callbacks = [*own, *trainer.callbacks]  # type: ignore[attr-defined]
    return Parts(
        datamodule, model, trainer, stepper, checkpoints, conductor, recorder, watchers, bar, directions, resolved
    )


def _refuse_processes(trainer: Trainer, cfg: DictConfig, model: Model, datamodule: ArrayDataModule) -> None:
    """Raise ConfigError where a run's processes cannot be started here, or cannot train this model on these data."""
    refuse_unstartable(trainer)
    refuse_single_examples(model, datamodule, "batch_norm" in cfg.model, trainer.world_size)
    if trainer.world_size == 1:
        return
    if cfg.test:
        datamodule.setup("test")
    datamodule.refuse_idle_processes(trainer.world_size)
    refuse_several_processes(model.net, trainer.world_size)


def _set_precision(cfg: DictConfig, model: Model, device: torch.device) -> str:
    """Let the model compute in the precision that the configuration comes to on a device; gives that."""
    resolved = precision.resolve(cfg.trainer.precision, model, device)
    model.autocast_dtype = precision.autocast_dtype(resolved)
    if resolved == "tf32":
        torch.set_float32_matmul_precision("high")
    return resolved


def _without_graph(stepper: Stepper, trainer: Trainer) -> str | None:
    """Why the gradient of a batch cannot be that of a step; None where it is."""
    if trainer.world_size > 1 or isinstance(trainer.strategy, Sharded):
        return "processes train together"
    if isinstance(stepper.optimizers[0], LBFGS):
        return "LBFGS evaluates a step's loss several times"
    if stepper.scaler is not None:
        return "float16 has its loss scaled"
    return None if stepper.accumulate == 1 else "a step takes the gradients of several batches"


def monitored(
    cfg: DictConfig, model: Model, datamodule: ArrayDataModule, metrics: Mapping[str, Metric]
) -> tuple[str, str]:
    """Name and direction of the metric that picks the best checkpoint."""
    name = cfg.monitor
    if name == "auto":
        name = ("val" if datamodule.validates else "train") + (
            "/acc" if model.task.counts and datamodule.validates else "/loss"
        )
    known = {f"{split}/{metric}" for split in ("train", "val") for metric in ("loss", "acc")[: 1 + model.task.counts]}
    known |= {f"val/{metric}" for metric in metrics}
    if name not in known:
        raise ConfigError(f"`monitor` must be one of {', '.join(sorted(known))} but got {name!r}")
    if name.startswith("val/") and not datamodule.validates:
        raise ConfigError(f"`monitor={name}` needs a validation split, but `data.val_size` is 0")
    if cfg.mode != "auto":
        return name, cfg.mode
    own = metrics.get(name.partition("/")[2])
    return name, direction(name, own) if own is not None else "max" if name.endswith("/acc") else "min"


def build_stepper(
    cfg: DictConfig,
    datamodule: ArrayDataModule,
    model: Model,
    mode: str,
    clock: Clock,
    stop: StopRequest,
    device: torch.device,
) -> Stepper:
    """Optimizers, schedules and the loop over them; also tells the DataModule how long a chunk is.

    The model may still lie on another device than the one that it is trained on.
    """
    options = cfg.trainer
    optimizer = _factory("optimizer", cfg.optimizer, "params", cfg.trust)
    accumulate = None if getattr(optimizer.func, "full_batch", False) else options.accumulate_grad_batches
    step_size = sum(datamodule.order.sizes[:accumulate])  # of an epoch's first step, the largest
    factor = 1.0 if options.lr_batch_size is None else step_size / options.lr_batch_size
    fuse_on = None if options.strategy == "fsdp" else device
    optimizers = build_optimizers(scaled(optimizer, factor), model, options.decay_bias_and_norm, fuse_on)
    batches = datamodule.num_train_batches
    steps_per_epoch = -(-batches // (accumulate or batches))
    inner = options.inner_steps or options.log_every_n_steps
    if options.checkpoint_every_n_steps is not None:
        inner = math.gcd(inner, options.checkpoint_every_n_steps)
    datamodule.chunk = batches if accumulate is None else inner * accumulate
    if options.ema_decay is not None:
        model.ema = averaged(model, options.ema_decay)
    schedules: list[Schedule] = []
    if cfg.scheduler._target_ is not None:
        interval = cfg.scheduler.interval
        length = run_length(options.max_epochs, options.max_steps, steps_per_epoch, interval)
        node = OmegaConf.create({key: value for key, value in cfg.scheduler.items() if key != "interval"})
        factory = scaled(_factory("scheduler", node, "optimizer", cfg.trust), factor)
        schedules = [build_schedule(factory, interval, optimizer, length, mode) for optimizer in optimizers]
    return Stepper(model, optimizers, schedules, accumulate, options.grad_clip, options.max_steps, clock, stop)


def _factory(group: str, node: DictConfig, takes: str, trust: Sequence[str]) -> partial:
    """What an optimizer's or a scheduler's YAML describes, to be called with what it takes when that is there.

    Args:
        group: of the two, for messages.
        node: its configuration.
        takes: the first argument of what is called.
        trust: import prefixes that the user allows.

    Raises:
        ConfigError: the YAML would have it called at once.
    """
    target = str(node._target_)
    at_once = ConfigError(f"`{group}` must have `_partial_: true` beside `_target_: {target}`: add it to the YAML")
    is_class = isinstance(find_target(target, trust), type)
    if not node.get("_partial_") and (is_class or takes in parameters_of(target, trust)):
        raise at_once
    found = instantiate(node, trust=trust)
    if not isinstance(found, partial):  # a function may give one itself
        raise at_once
    return found


def run_length(max_epochs: int, max_steps: int, steps_per_epoch: int, interval: str) -> int | None:
    """Steps or epochs of a run, whichever limit ends it first; None if it has neither."""
    steps = [max_epochs * steps_per_epoch] if max_epochs > 0 else []
    steps += [max_steps] if max_steps > 0 else []
    if not steps:
        return None
    return min(steps) if interval == "step" else math.ceil(min(steps) / steps_per_epoch)
