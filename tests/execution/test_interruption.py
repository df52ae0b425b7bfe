"""Real signals to this process."""

import os
import signal

import pytest

from orchestrator.execution.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_getting_ready_a_signal_raises_at_once_and_is_remembered(number):
    interruption = Interruption()
    with interruption.taken_over():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert interruption.stopping.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_jobs_run_the_first_is_noted_and_the_second_raises(number):
    interruption = Interruption()
    with interruption.taken_over(), interruption.patient():
        os.kill(os.getpid(), number)
        assert interruption.stopping.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_afterwards_the_signals_are_what_they_were():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interruption().taken_over():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
