"""The retrying storage, around one that fails before or after it does the work."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from optuna.storages import InMemoryStorage

from orchestrator.core.errors import LedgerUnavailable
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.retrying_storage import RetryingStorage
from tests.search.small_ledger import SPACE

WRITES = {
    "create_new_trial",
    "set_trial_param",
    "set_trial_state_values",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
}


class Flaky(InMemoryStorage):
    """Storage whose writes fail once or twice; with `late`, after the work, as if the connection broke then."""

    def __init__(self, late: bool, away: bool = False) -> None:
        super().__init__()
        self.late = late
        self.away = away
        self.failed: Iterator[bool] | None = None

    def begin(self) -> None:
        def pattern() -> Iterator[bool]:
            while True:
                yield from (True, False, True, True, False)

        self.failed = pattern()


def _flaky(name: str) -> Any:
    real = getattr(InMemoryStorage, name)

    def call(self: Flaky, *args: Any, **options: Any) -> Any:
        if self.away:
            raise ConnectionError("gone")
        if self.failed is None or not next(self.failed):
            return real(self, *args, **options)
        if self.late:
            real(self, *args, **options)
        raise ConnectionError("broke")

    return call


for write in WRITES:
    setattr(Flaky, write, _flaky(write))


def retrying_ledger(
    storage: Flaky, stopping: threading.Event | None = None, retry_seconds: float = 30
) -> tuple[Ledger, list[str]]:
    reported: list[str] = []
    wrapped = RetryingStorage(
        storage, lambda error: isinstance(error, ConnectionError), "there", reported.append, stopping, retry_seconds
    )
    return Ledger(wrapped, "search", SPACE), reported


@pytest.mark.parametrize("late", [False, True])
def test_a_failed_call_is_retried_and_done_once(late):
    storage = Flaky(late)
    ledger, reported = retrying_ledger(storage)
    storage.begin()
    ledger.enqueue({**SPACE.default_params(), "lr": 2e-3})
    for number in range(3):
        assert ledger.ask().number == number
        ledger.report(number, 1, 0.5)
        ledger.finish(number, Outcome.COMPLETE, final={"srcc": 0.5})
    assert len(ledger) == 3 and ledger.counts()["complete"] == 3 and ledger.waiting() == 0
    assert ledger.trial(0).params["lr"] == 2e-3
    assert reported and all("broke" in sentence for sentence in reported)


def test_a_permanent_error_is_raised_without_a_retry():
    ledger, reported = retrying_ledger(Flaky(late=False))
    with pytest.raises(KeyError):
        ledger.report(7, 1, 0.5)
    assert reported == []


def test_failed_retries_stop_the_sweep_and_later_calls_fail_at_once():
    storage, stopping = Flaky(late=False), threading.Event()
    ledger, reported = retrying_ledger(storage, stopping, retry_seconds=0.3)
    number = ledger.ask().number
    storage.away = True
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"The ledger there is not available \(gone\)\."):
            ledger.report(number, 1, 0.5)
        assert stopping.is_set() and len(reported) == 1
    storage.away = False
    with pytest.raises(LedgerUnavailable):
        ledger.ask()
    assert [trial.epochs for trial in ledger.all()] == [{}], "what could not be written is not known either"


def test_a_stopping_sweep_does_not_wait_for_its_storage():
    storage, stopping = Flaky(late=False), threading.Event()
    ledger, _ = retrying_ledger(storage, stopping, retry_seconds=600)
    number = ledger.ask().number
    storage.away = True
    stopping.set()
    with pytest.raises(LedgerUnavailable):
        ledger.report(number, 1, 0.5)
