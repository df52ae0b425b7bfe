"""A storage whose answers get lost, before or after it did what was asked."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from optuna.storages import InMemoryStorage

from orchestrator.core.errors import LedgerUnavailable
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.retrying_storage import RetryingStorage
from tests.search.test_ledger import SPACE

WRITES = {
    "create_new_trial",
    "set_trial_param",
    "set_trial_state_values",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
}


class Flaky(InMemoryStorage):
    """Fails at every write once or twice; `late`: after having done it, as a line that breaks before the answer."""

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


def patient(storage: Flaky, stopping: threading.Event | None = None, patience: float = 30) -> tuple[Ledger, list[str]]:
    said: list[str] = []
    wrapped = RetryingStorage(
        storage, lambda error: isinstance(error, ConnectionError), "there", said.append, stopping, patience
    )
    return Ledger(wrapped, "search", SPACE), said


@pytest.mark.parametrize("late", [False, True])
def test_what_failed_is_done_once(late):
    storage = Flaky(late)
    ledger, said = patient(storage)
    storage.begin()
    ledger.enqueue({**SPACE.default_params(), "lr": 2e-3})
    for number in range(3):
        assert ledger.ask().number == number
        ledger.report(number, 1, 0.5)
        ledger.finish(number, Outcome.COMPLETE, final={"srcc": 0.5})
    assert len(ledger) == 3 and ledger.counts()["complete"] == 3 and ledger.waiting() == 0
    assert ledger.trial(0).params["lr"] == 2e-3
    assert said and all("broke" in sentence for sentence in said)


def test_an_error_that_does_not_pass_is_raised_at_once():
    ledger, said = patient(Flaky(late=False))
    with pytest.raises(KeyError):
        ledger.report(7, 1, 0.5)
    assert said == []


def test_waiting_in_vain_stops_the_sweep_and_is_not_done_twice():
    storage, stopping = Flaky(late=False), threading.Event()
    ledger, said = patient(storage, stopping, patience=0.3)
    number = ledger.ask().number
    storage.away = True
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"The ledger there is not available \(gone\)\."):
            ledger.report(number, 1, 0.5)
        assert stopping.is_set() and len(said) == 1
    storage.away = False
    with pytest.raises(LedgerUnavailable):
        ledger.ask()
    assert [trial.epochs for trial in ledger.all()] == [{}], "what could not be written is not known either"


def test_nothing_is_waited_for_once_the_sweep_stops():
    storage, stopping = Flaky(late=False), threading.Event()
    ledger, _ = patient(storage, stopping, patience=600)
    number = ledger.ask().number
    storage.away = True
    stopping.set()
    with pytest.raises(LedgerUnavailable):
        ledger.report(number, 1, 0.5)
