"""What a run does with signals while it has them."""

import os
import signal

import pytest

from lightsweep.training.signals import StopRequest, ended_at_once


@pytest.mark.parametrize("handling", [StopRequest().listening, ended_at_once])
def test_a_signal_that_the_program_ignores_stays_ignored(handling):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handling():
            within = signal.getsignal(signal.SIGINT)
    finally:
        after = signal.signal(signal.SIGINT, before)

    assert (within, after) == (signal.SIG_IGN, signal.SIG_IGN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_once_and_its_handler_put_back(number):
    before, stop = signal.getsignal(number), StopRequest()

    with stop.listening():
        os.kill(os.getpid(), number)

    assert (stop.requested, stop.signal_number, signal.getsignal(number)) == (True, number, before)


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminals_further_signals_are_no_second_one(first):
    stop = StopRequest()

    with stop.listening():
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), signal.SIGHUP)

    assert stop.signal_number == first
