"""What the pool's tests run in workers; apart from the tests, so that a worker need not import pytest."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

DEADLINE_S = 60.0


def wait_for(path: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path.name} never came")
        time.sleep(0.005)


def hold_slot(folder: Path) -> tuple[str, str]:
    """Fails if another job is in the same slot; gives the slot's number and the visible devices."""
    slot, devices = os.environ["LIGHTSWEEP_SLOT"], os.environ["CUDA_VISIBLE_DEVICES"]
    lock = folder / f"slot-{slot}"
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    time.sleep(0.03)
    lock.unlink()
    return slot, devices


def after_the_next(folder: Path, number: int, last: int) -> int:
    """Ends only when the job with the next number has ended."""
    if number < last:
        wait_for(folder / str(number + 1))
    (folder / str(number)).touch()
    return number


def wait_for_file(folder: Path, name: str) -> str:
    wait_for(folder / name)
    return name


def touch(folder: Path, name: str) -> str:
    (folder / name).touch()
    return name


def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(DEADLINE_S)


def read_null_pointer() -> None:
    ctypes.string_at(0)


def fail(text: str) -> NoReturn:
    raise ValueError(text)


class Stubborn(Exception):
    """Pickles, but cannot be read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail_stubbornly() -> NoReturn:
    raise Stubborn(1, 2)


def leave(code: Any) -> NoReturn:
    sys.exit(code)


def leave_at_once(code: int) -> NoReturn:
    os._exit(code)


def interrupt() -> NoReturn:
    raise KeyboardInterrupt


def give_back_a_lock() -> Any:
    import threading

    return threading.Lock()


def start_a_child() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def surroundings() -> dict[str, Any]:
    main = sys.modules["__main__"]
    return {
        "argv": sys.argv,
        "path": sys.path,
        "folder": os.getcwd(),
        "environ": dict(os.environ),
        "main": getattr(main, "__file__", None),
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    }


def random_numbers() -> tuple[float, float, float, int]:
    import random

    import numpy
    import torch

    return random.random(), float(numpy.random.rand()), float(torch.rand(())), torch.get_num_threads()


def compute_on_gpu() -> tuple[int, float]:
    """How many GPUs there are, and a sum computed on the first."""
    import torch

    return torch.cuda.device_count(), torch.ones(2, 4, device="cuda").sum().item()


def report_and_sleep(folder: Path, name: str) -> None:
    """Says in a file that it runs, and in another by what it was ended."""
    try:
        (folder / f"{name}.runs").touch()
        time.sleep(DEADLINE_S)
    except BaseException as error:
        (folder / f"{name}.ended").write_text(type(error).__name__)
        raise


def ignore_signals_and_sleep(folder: Path, name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    start_a_child()
    (folder / f"{name}.runs").touch()
    time.sleep(DEADLINE_S)


def hold_the_interpreter(folder: Path, name: str) -> None:
    """Sleeps in C without letting any other thread of this process run."""
    (folder / f"{name}.runs").touch()
    ctypes.PyDLL(None).sleep(int(DEADLINE_S))


def read_mnist(root: Path) -> tuple[int, int, float]:
    """Bytes that jobs share before a run's data are read and after, and the mean of its inputs."""
    from lightsweep.data import MNIST, shared

    sizes = [sum(os.fstat(file).st_size for file in shared._files)]
    data = MNIST(str(root), batch_size=10, val_size=10)
    data.setup("fit")
    sizes.append(sum(os.fstat(file).st_size for file in shared._files))
    return sizes[0], sizes[1], float(data.splits["train"].inputs.float().mean())
