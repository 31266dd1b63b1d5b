"""Signs of life of a process that other hosts cannot look for: a time in the study, renewed while it works.

The times are the hosts' own clocks, which must agree to well within `remote_timeout_s`.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optuna.exceptions import UpdateFinishedTrialError

from lightsweep.sweeping.owner import Owner
from lightsweep.sweeping.plan import Plan
from lightsweep.sweeping.storage import local_file

log = logging.getLogger(__name__)

BEATS = 4
"""Signs of life within `remote_timeout_s`, so that a storage may be away for most of it."""


@contextmanager
def beating(plan: Plan, beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` now and then while the body runs, where processes of other hosts may work on the study.

    A beat that fails is told and tried again at its next time; one that finds its trial finished is the last.
    """
    shared = local_file(plan.storage) is None or Owner.here().host != plan.host
    if plan.remote_timeout_s is None or not shared:
        yield
        return
    stopped, every_s = threading.Event(), plan.remote_timeout_s / BEATS

    def work() -> None:
        while not stopped.wait(every_s):
            try:
                beat()
            except UpdateFinishedTrialError:
                return
            except Exception as error:  # whatever the storage's driver raises while its server is away
                log.warning(f"no sign of life could be written: {type(error).__name__}; trying again")

    thread = threading.Thread(target=work, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
