"""What others refuse only while a run goes on, in one line: torch, Lightning, the loggers, and the memory.

They have no types of their own for most of it, so where an error was raised and what it says tell.
"""

import torch
from omegaconf import DictConfig

from lightsweep.errors import ConfigError, lines_of, one_line, raised_below, raised_in
from lightsweep.training.result import Result


def raise_if_memory_ended(error: BaseException, result: Result) -> None:
    """Tell of a memory that was too small, a GPU's or the machine's; torch has no type for the latter."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        failure = ConfigError(
            "the run needs more memory than there is: choose a smaller data.batch_size or model, or data.loader=workers"
        )
        result.reason = str(failure)
        raise failure from error


def raise_if_lightning_refused(error: BaseException) -> None:
    """Tell of a callback or a logger whose settings Lightning finds wrong; somebody else's error stays what it is."""
    if raised_in(error).startswith("lightning."):
        raise ConfigError(f"Lightning refuses the run's settings: {one_line(error)}") from error


def raise_if_logger_cannot_begin(error: BaseException) -> None:
    """Tell of a logger that has no login or no server."""
    package = raised_in(error).partition(".")[0]
    if package in ("wandb", "mlflow"):
        raise ConfigError(f"`logger`: {package} cannot begin: {one_line(error)}") from error


def raise_if_refused(error: BaseException, cfg: DictConfig, first_step: bool) -> None:
    """Tell of settings that torch, or an optimizer of another package, refuses only when it uses them."""
    if raised_in(error) == "lightning.pytorch.callbacks.early_stopping":  # a metric that is not there
        raise_if_lightning_refused(error)
    if str(error).startswith("Expected more than 1 value per channel"):
        filters = " or model.filters" * ("filters" in cfg.model)
        switch = ", or model.batch_norm=false" * ("batch_norm" in cfg.model)
        raise ConfigError(
            "batch normalisation met a batch with one value of a channel, which has no variance: choose another "
            f"data.batch_size{filters}{switch}"
        ) from error
    if type(error).__module__.startswith(("torch._dynamo.", "torch._inductor.")):
        told = f"`model.compile`: torch cannot compile the network here: {lines_of(error)[0]}"
        raise ConfigError(told) from error
    if "got mixed torch.Tensor and DTensor" in str(error):
        raise ConfigError(
            "`trainer.strategy=fsdp`: the network reads a part's parameters outside this part's own `forward`, where "
            "they are in pieces: call the part, or use trainer.strategy=ddp"
        ) from error
    refused = _refused_in(error, first_step, cfg.optimizer._target_.partition(".")[0])
    if refused is not None:
        raise ConfigError(f"`{refused}` cannot go on with its settings: {one_line(error)}") from error


def _refused_in(error: BaseException, first_step: bool, package: str) -> str | None:
    """The group whose settings were found wrong only in use: an optimizer at its first step, a schedule at any.

    torch has no type of its own for that, so where it was raised tells. One of another package may want what no step
    here has, a closure or gradients with a graph of their own, which torch itself tells then.
    """
    module = raised_in(error)
    if module == "torch.optim.lr_scheduler":
        return "scheduler"
    others = package not in ("torch", "lightsweep") and raised_below(error, package, "step")
    return "optimizer" if first_step and (others or module.startswith("torch.optim.")) else None
