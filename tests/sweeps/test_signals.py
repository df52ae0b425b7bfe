"""Real signals to this process."""

import os
import signal
import threading

import pytest

from orchestrator.sweeps.signals import SignalHandler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_getting_ready_a_signal_raises_at_once_and_is_remembered(number):
    signals = SignalHandler()
    with signals.installed():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signals.stopping.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_jobs_run_the_first_is_noted_and_the_second_raises(number):
    signals = SignalHandler()
    with signals.installed(), signals.defer():
        os.kill(os.getpid(), number)
        assert signals.stopping.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_afterwards_the_signals_are_what_they_were():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with SignalHandler().installed():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("ends_in_time", [True, False])
def test_what_does_not_end_soon_after_the_second_is_ended(ends_in_time):
    signals, said = SignalHandler(grace=0.1), threading.Event()
    signals.last_word = lambda sentence: said.set()
    with signals.installed():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert not said.is_set()
        if not ends_in_time:
            assert said.wait(5)
    assert said.wait(0.3) != ends_in_time


def test_after_one_signal_an_end_may_take_its_time():
    signals, said = SignalHandler(grace=0.0), threading.Event()
    signals.last_word = lambda sentence: said.set()
    with signals.installed(), signals.defer():
        os.kill(os.getpid(), signal.SIGTERM)
        assert not said.wait(0.2)
