"""The life of one worker: take over the launching process's surroundings, run one job, send its outcome, end.

While the job runs, a thread watches the line to the launching process; when that closes, the worker's group is killed.
"""

import contextlib
import faulthandler
import inspect
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import cloudpickle

from lightsweep.launching.outcome import pack_error
from lightsweep.launching.stop_signals import STOP_SIGNALS
from lightsweep.launching.work_order import MainModule, WorkOrder
from lightsweep.output import watch_output

if TYPE_CHECKING:
    from lightsweep.launching.fork_loop import Fork


def work(fork: "Fork") -> None:
    """Do the one job of this process."""
    for source, target in ((fork.stdout, 1), (fork.stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    watch_output()
    _volunteer_for_memory_shortage()
    connection = Connection(fork.connection)
    order: WorkOrder = pickle.loads(connection.recv_bytes())
    threading.Thread(target=_end_with_launcher, args=(connection,), daemon=True, name="launcher-watch").start()
    take_over(order)
    answer = run_packed(order.function, order.args, _last_words)
    _ignore_interruptions()
    connection.send_bytes(answer)


def take_over(order: WorkOrder) -> None:
    """Make this process look like a fresh start of the program that ordered the job."""
    os.environ.clear()
    os.environ.update(order.environ)
    os.chdir(order.folder)
    sys.argv[:] = order.argv
    sys.path[:] = order.path
    sys.modules["__main__"] = main_module(order.main)
    faulthandler.enable()
    _fresh_randomness()
    torch = sys.modules.get("torch")
    if torch is not None:  # OMP variables come too late for a library that is loaded
        torch.set_num_threads(order.num_threads)


def _ignore_interruptions() -> None:
    """A job that has ended goes on to its process's end: a signal that is passed on now would only cut that off."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _last_words(error: BaseException) -> bytes:
    _ignore_interruptions()
    return cloudpickle.dumps(pack_error(error))


def run_packed(function: bytes, args: tuple[Any, ...], told: Callable[[BaseException], bytes]) -> bytes:
    """Run a job's pickled function and pack what became of it; `told` packs what it raises."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        value = cloudpickle.loads(function)(*args)
    except BaseException as error:  # SystemExit and KeyboardInterrupt end this job, and only this one
        return told(error)
    try:
        return cloudpickle.dumps(value)
    except Exception as error:  # whatever a foreign __reduce__ raises
        error.add_note(f"the job ended well, but its value of type {type(value).__name__} cannot be sent back")
        return cloudpickle.dumps(pack_error(error))


def main_module(main: MainModule) -> types.ModuleType:
    """A stand-in for the launching program's `__main__`."""
    module = types.ModuleType("__main__")
    if main.file is not None:
        module.__file__ = main.file
    module.__spec__ = None if main.spec_name is None else ModuleSpec(main.spec_name, None, origin=main.file)
    return module


def fill_main(function: Callable[..., Any]) -> None:
    """Put what has come along with a function of the launching program's own into the module that stands in for it.

    Pickle looks for functions and classes there: so do processes that are spawned, and `torch.save` of a whole network.
    """
    names, main = getattr(inspect.unwrap(function), "__globals__", {}), sys.modules["__main__"]
    if (names.get("__name__"), names.get("__file__")) == ("__main__", getattr(main, "__file__", None)):
        vars(main).update({name: value for name, value in names.items() if not name.startswith("__")})


def _fresh_randomness() -> None:
    """Seed anew what a fork would copy; Python's own `random` sees to itself."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed()
    if torch is not None:
        torch.seed()


def _volunteer_for_memory_shortage() -> None:
    """When memory runs out, let the kernel take a job rather than the launching process or its server."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # absent in some containers
        file.write("500")


def _end_with_launcher(connection: Connection) -> None:
    """Wait for the end of the launching process, which never speaks again; then kill this worker's whole group."""
    connection.poll(None)
    os.killpg(0, signal.SIGKILL)
