"""Handler of signals, with real signals to this process."""

import os
import signal
import threading

import pytest

from orchestrator.sweeps.signals import SignalHandler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_raises_at_once_and_is_remembered_while_no_job_runs(number):
    signals = SignalHandler()
    with signals.installed():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signals.stopping.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_is_noted_and_the_second_raises_while_jobs_run(number):
    signals = SignalHandler()
    with signals.installed(), signals.defer():
        os.kill(os.getpid(), number)
        assert signals.stopping.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_earlier_handlers_are_restored():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with SignalHandler().installed():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("exits_in_time", [True, False])
def test_process_that_runs_on_after_the_second_signal_is_forced_to_exit(exits_in_time):
    signals, exited = SignalHandler(grace=0.1), threading.Event()
    signals.force_exit = lambda message: exited.set()
    with signals.installed():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert not exited.is_set()
        if not exits_in_time:
            assert exited.wait(5)
    assert exited.wait(0.3) != exits_in_time


def test_process_is_not_forced_to_exit_after_one_signal():
    signals, exited = SignalHandler(grace=0.0), threading.Event()
    signals.force_exit = lambda message: exited.set()
    with signals.installed(), signals.defer():
        os.kill(os.getpid(), signal.SIGTERM)
        assert not exited.wait(0.2)


def test_a_closed_terminal_does_not_stop_a_sweep_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = SignalHandler()
        with signals.installed():
            os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.stopping.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
