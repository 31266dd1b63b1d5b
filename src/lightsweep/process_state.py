"""What a process has one of, and lightsweep uses: shared among threads, and put back for the program that it serves."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from lightsweep.errors import ConfigError


class ProcessLock:
    """A lock between the threads of a process, which one thread may take several times.

    A forked process has one of its own: the thread that holds its parent's is not there to release it.
    """

    def __init__(self) -> None:
        self._by_process: dict[int, threading.RLock] = {}

    def of_this_process(self) -> threading.RLock:
        """The lock itself."""
        return self._by_process.setdefault(os.getpid(), threading.RLock())


_random_numbers = ProcessLock()


@contextmanager
def alone() -> Iterator[None]:
    """Train or evaluate while no other thread does: all draw from the process's one stream of random numbers.

    Raises:
        ConfigError: another thread does.
    """
    lock = _random_numbers.of_this_process()
    if not lock.acquire(blocking=False):
        raise ConfigError(
            "another run trains in this process, and two would draw each other's random numbers: use processes, not "
            "threads"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def environment_kept(*names: str) -> Iterator[None]:
    """Put some environment variables back as they were."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def torch_kept(precision: str) -> Iterator[None]:
    """Put back what a run sets for all of torch: threads, deterministic algorithms, cuDNN's benchmark.

    What the caller has set of the type and the device of new tensors, of gradients, and of autocast does not hold for
    the run: it would draw other weights from the same seed, none that can be trained, or compute in another precision.

    Args:
        precision: `trainer.precision`; `tf32` changes that of float32 matrix products, which is put back too.
    """
    import torch

    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    products = torch.get_float32_matmul_precision() if precision == "tf32" else None
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    if device.type != "cpu":
        torch.set_default_device(None)  # which costs each call of torch less than a CPU that was asked for
    try:
        with torch.inference_mode(False), torch.enable_grad(), _no_autocast():
            yield
    finally:
        torch.set_default_dtype(dtype)
        if device.type != "cpu":
            torch.set_default_device(device)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark
        if products is not None:
            torch.set_float32_matmul_precision(products)


@contextmanager
def _no_autocast() -> Iterator[None]:
    """Compute as `trainer.precision` says, within the caller's `torch.autocast` too."""
    import torch

    with ExitStack() as aside:
        for device in filter(torch.is_autocast_enabled, ("cpu", "cuda", "mps", "xpu")):
            aside.enter_context(torch.autocast(device, enabled=False))
        yield


def stop_lightnings_watch() -> None:
    """Let Lightning's watcher of the ranks that this process started forget them.

    It would kill this process, with all that it has still to say and to do, up to five seconds after one ended badly.
    """
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._child_processes = []  # type: ignore[attr-defined]


@contextmanager
def messages_kept(*loggers: str) -> Iterator[None]:
    """Put back which warnings are shown, and the levels of some loggers."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def logging_kept() -> Iterator[None]:
    """Put the root logger's handlers and level back, and which loggers are disabled: Hydra sets them for itself.

    It does so by `logging.config.dictConfig`, which closes all handlers that there are. So they are hidden from it: a
    file that is closed is begun anew, or no longer written.
    """
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    loggers = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    disabled = [logger.disabled for logger in loggers]
    closable: list[object] = logging._handlerList  # type: ignore[attr-defined]
    named = logging._handlers  # type: ignore[attr-defined]
    hidden, names = list(closable), dict(named)
    closable.clear()
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        for logger, was in zip(loggers, disabled, strict=True):
            logger.disabled = was
        closable[:0] = hidden
        named.update(names)
