"""Launching: many jobs on one machine, each in a fresh process that is forked warm and owns its share of the devices.

The Hydra launcher plugin `hydra/launcher=local` is a thin shell around this package.
"""

from lightsweep.launching.job import Job, JobEvent
from lightsweep.launching.machine import Machine
from lightsweep.launching.outcome import JobDied, JobFailed, Outcome
from lightsweep.launching.pool import Pool
from lightsweep.launching.slots import Slot, SlotSettings, plan_slots
from lightsweep.launching.warm_server import ServerDied

__all__ = [
    "Job",
    "JobDied",
    "JobEvent",
    "JobFailed",
    "Machine",
    "Outcome",
    "Pool",
    "ServerDied",
    "Slot",
    "SlotSettings",
    "plan_slots",
]
