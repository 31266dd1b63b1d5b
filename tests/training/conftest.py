"""What the tests of training share."""

import signal

import pytest

from lightsweep.training.stepper import Stepper


@pytest.fixture
def stop_after(monkeypatch):
    """Asks the run to stop, as SIGTERM does, once some optimizer steps are made."""

    def stopping(steps):
        original = Stepper._step

        def step(self, *arguments):
            original(self, *arguments)
            if self.steps + 1 == steps:
                self.stop.request(signal.SIGTERM)

        monkeypatch.setattr(Stepper, "_step", step)

    return stopping
