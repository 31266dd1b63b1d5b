"""Lightning's Trainer as a run uses it: its processes, its loggers, and what it says."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lightning.fabric.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from lightsweep.config import instantiate
from lightsweep.config.targets import parameters_of
from lightsweep.errors import ConfigError, one_line
from lightsweep.imports import quiet_imports
from lightsweep.paths import RunPaths
from lightsweep.process_state import messages_kept
from lightsweep.training.checkpoints import Checkpoints, PlainCheckpointIO
from lightsweep.training.logger_runs import LoggerRuns
from lightsweep.training.mlflow_file import make_mlflow_file
from lightsweep.training.sharding import Sharded
from lightsweep.training.signals import StopRequest, ended_at_once


def build_trainer(cfg: DictConfig, paths: RunPaths, checkpoints: Checkpoints, runs: LoggerRuns) -> Trainer:
    """Lightning's Trainer; limits on batches are the DataModule's business, precision and clipping the stepper's.

    Raises:
        ConfigError: devices that are not there, or that Lightning refuses for another reason.
    """
    options, loggers = cfg.trainer, build_loggers(cfg, paths, runs)
    with warnings.catch_warnings(), _refusals_told(options):
        warnings.filterwarnings("ignore", message=".* available but not used.*|.*MPS available.*")
        trainer = Trainer(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.num_nodes,
            strategy=Sharded() if options.strategy == "fsdp" else options.strategy,
            inference_mode=options.strategy != "fsdp",  # parts are gathered into tensors that training uses too
            deterministic=options.deterministic,
            max_epochs=options.max_epochs,
            max_steps=-1,  # the stepper's: Lightning would end a resumed run whose last validation is still to come
            check_val_every_n_epoch=options.check_val_every_n_epoch,
            log_every_n_steps=1,
            logger=loggers,
            callbacks=[checkpoints],
            plugins=[PlainCheckpointIO(), *processes_of_slurm(os.environ)],
            default_root_dir=paths.folder,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    if isinstance(trainer.strategy, DDPStrategy):  # a resumed run's first chunk would give all the first one's buffers
        trainer.strategy._ddp_kwargs["broadcast_buffers"] = False
    # Lightning's handler of SIGTERM broadcasts from where the signal fell, also from within a collective operation, and
    # then all processes wait for ever; signals are StopRequest's
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def let_signals_end_the_wait(trainer: Trainer, stop: StopRequest) -> None:
    """Processes of several machines wait for each other before they train, for half an hour if one never comes."""
    meet = trainer.strategy.setup_environment

    def meet_or_end() -> None:
        with ended_at_once():
            stop.raise_if_requested()
            meet()

    trainer.strategy.setup_environment = meet_or_end  # type: ignore[method-assign]


@contextmanager
def _refusals_told(options: DictConfig) -> Iterator[None]:
    try:
        yield
    except (MisconfigurationException, TypeError, ValueError) as error:  # the latter two: devices of a CPU
        asked = f"`trainer.accelerator={options.accelerator}` with `trainer.devices={options.devices}`"
        raise ConfigError(f"{asked}: {one_line(error)}") from error


def processes_of_slurm(environ: Mapping[str, str]) -> list[ClusterEnvironment]:
    """Who starts the processes of a run inside a SLURM job; an empty list leaves it to Lightning.

    Lightning takes SLURM for the one who does, also in a job of one task, where it then refuses several devices; and it
    would requeue the job at a signal, where a run of ours ends with its state saved.

    Raises:
        ConfigError: a job of several tasks whose number a node SLURM was not told.
    """
    if not SLURMEnvironment.detect() or "TORCHELASTIC_RUN_ID" in environ:
        return []
    if environ.get("SLURM_NTASKS", "1") == "1":
        return [LightningEnvironment()]
    try:
        return [SLURMEnvironment(auto_requeue=False)]
    except RuntimeError as error:
        raise ConfigError(
            f"the SLURM job has `--ntasks={environ['SLURM_NTASKS']}`: give --ntasks-per-node in its place for a run of "
            "several processes, or unset SLURM_NTASKS for one of a single process"
        ) from error


def build_loggers(cfg: DictConfig, paths: RunPaths, runs: LoggerRuns) -> list[Logger]:
    """The configured loggers; those that write files write them into the run's folder."""
    found = []
    for name, node in (cfg.logger or {}).items():
        takes = parameters_of(node._target_, cfg.trust)
        places = "save_dir" in takes or any(taken.kind == taken.VAR_KEYWORD for taken in takes.values())
        given = {**({"save_dir": str(paths.folder)} if places else {}), **runs.argument(name, takes)}
        if "run_name" in takes:  # MLflow's own is drawn from the run's seed, and so the same for all
            given["run_name"] = "/".join(paths.folder.parts[-2:])
            make_mlflow_file(node)
        logger = instantiate(node, trust=cfg.trust, **{key: given[key] for key in given if key not in node})
        runs.add(name, logger, takes)
        found.append(logger)
    return found


@contextmanager
def lightning_silenced() -> Iterator[None]:
    """Lightning's own notes about devices and limits say nothing that the summary does not."""
    loggers = ("lightning.pytorch", "lightning.fabric")
    with messages_kept(*loggers, "matplotlib"):
        for name in loggers:
            logging.getLogger(name).setLevel(logging.WARNING)
        quiet_imports()
        warnings.filterwarnings("ignore", message="The `srun` command is available")
        # its successor would give all processes the first one's buffers when they start
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        # ours skips what was trained on
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch ended")
        yield
