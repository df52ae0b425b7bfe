"""Conformance suite of the ledger's storages. A new storage is one more line in PLACES."""

import math
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from orchestrator.core.errors import InputError
from orchestrator.search.ledger import SCHEMA_VERSION, Ledger
from orchestrator.search.ledger_trial import best_epoch, best_of
from orchestrator.search.open_storage import open_storage
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import PRUNERS, build_pruner
from orchestrator.search.samplers import SAMPLERS, build_sampler
from tests.search.small_ledger import SPACE, train

Open = Callable[[], BaseStorage]


@dataclass(frozen=True)
class Place:
    """Location of a ledger, from which a process opens its storage."""

    url: str | None
    journal: Path

    def open(self) -> BaseStorage:
        return open_storage(self.url, self.journal)


PLACES: dict[str, Callable[[Path, pytest.FixtureRequest], str | None]] = {
    "journal": lambda folder, request: None,
    "sqlite": lambda folder, request: f"sqlite:///{folder}/ledger.db",
    "postgres": lambda folder, request: request.getfixturevalue("postgres").create_database(),
}
"""Name → the URL of an empty storage, None for a journal."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(PLACES[request.param](tmp_path, request), tmp_path / "ledger.journal")


@pytest.fixture
def reopen(place: Place) -> Open:
    """Return a function that opens the storage as a new process would after a kill."""
    return place.open


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return make(reopen)


def make(reopen: Open, study: str = "search", sampler: str = "random", pruner: str = "none") -> Ledger:
    ledger = Ledger(reopen(), study, SPACE)
    ledger.set_sampler_and_pruner(build_sampler(sampler, len(ledger)), build_pruner(pruner, 5))
    return ledger


class TestConformance:
    def test_an_asked_trial_is_running_and_has_every_parameter(self, ledger):
        trial = ledger.ask()
        assert (trial.number, trial.outcome, trial.objective, trial.epochs) == (0, None, None, {})
        SPACE.configuration(trial.params)
        assert ledger.unfinished() == [trial] and ledger.terminal() == 0 and len(ledger) == 1

    def test_the_value_of_a_complete_trial_is_its_best_epochs(self, ledger):
        train(ledger, 0.3, 0.7, 0.5)
        trial = ledger.trial(0)
        assert (trial.outcome, trial.objective, trial.best_epoch) == (Outcome.COMPLETE, 0.7, 2)
        assert trial.epochs == {1: 0.3, 2: 0.7, 3: 0.5}
        assert ledger._study.trials[0].value == 0.7

    @pytest.mark.parametrize(
        "outcome, state",
        [
            (Outcome.COMPLETE, TrialState.COMPLETE),
            (Outcome.PRUNED, TrialState.PRUNED),
            (Outcome.DIVERGED, TrialState.PRUNED),
            (Outcome.INFEASIBLE, TrialState.FAIL),
            (Outcome.FAILED, TrialState.FAIL),
        ],
    )
    def test_every_outcome_is_stored(self, ledger, reopen, outcome, state):
        train(ledger, 0.4, outcome=outcome)
        for seen in (ledger, make(reopen)):
            assert seen.trial(0).outcome is outcome
            assert seen.counts() == {str(word): int(word is outcome) for word in Outcome}
            assert seen._study.trials[0].state is state
            assert seen.terminal() == 1 and seen.unfinished() == []

    def test_a_diverged_trial_is_pruned_in_optuna_and_never_best(self, ledger):
        train(ledger, 0.99, math.nan, outcome=Outcome.DIVERGED)
        assert ledger.best(5) == []
        good = train(ledger, 0.1)
        assert [trial.number for trial in ledger.best(5)] == [good]
        diverged = ledger._study.trials[0]
        assert diverged.state is TrialState.PRUNED and math.isnan(diverged.intermediate_values[2])

    def test_complete_without_a_finite_epoch_is_diverged(self, ledger):
        train(ledger, math.nan, math.nan)
        trial = ledger.trial(0)
        assert (trial.outcome, trial.objective, trial.best_epoch) == (Outcome.DIVERGED, None, None)

    def test_a_nan_epoch_is_never_the_best(self, ledger, reopen):
        train(ledger, math.nan, 0.2, math.nan)
        trial = make(reopen).trial(0)
        assert (trial.outcome, trial.objective, trial.best_epoch) == (Outcome.COMPLETE, 0.2, 2)
        assert math.isnan(trial.epochs[1])

    def test_an_epoch_keeps_its_first_value(self, ledger):
        number = ledger.ask().number
        ledger.report(number, 1, 0.3)
        with pytest.warns(UserWarning, match="already reported"):
            ledger.report(number, 1, 0.9)
        assert ledger.trial(number).epochs == {1: 0.3}

    def test_a_second_finish_changes_nothing(self, ledger):
        number = train(ledger, 0.5)
        again = ledger.finish(number, Outcome.FAILED, error="late")
        assert again.outcome is Outcome.COMPLETE and "error" not in again.attributes
        assert ledger.trial(number) == again

    def test_attributes_are_stored_with_a_trial(self, ledger, reopen):
        number = ledger.ask().number
        ledger.set_attributes(number, final={"srcc": 0.5}, where="here")
        assert make(reopen).trial(number).attributes == {"final": {"srcc": 0.5}, "where": "here"}

    def test_best_ranks_complete_trials_before_pruned_ones(self, ledger):
        train(ledger, 0.5)
        train(ledger, 0.9, outcome=Outcome.PRUNED)
        train(ledger, 0.7)
        train(ledger, 0.99, outcome=Outcome.FAILED)
        train(ledger, 0.99, outcome=Outcome.INFEASIBLE)
        ledger.ask()
        assert [trial.number for trial in ledger.best(9)] == [2, 0, 1]
        assert [trial.number for trial in ledger.best(1)] == [2]

    def test_best_are_distinct_and_the_first_of_equals_wins(self, ledger):
        for value in (0.5, 0.6, 0.6):
            train(ledger, value)
        other = train(ledger, 0.1)
        assert [trial.number for trial in ledger.best(3)] == [1, 2, 0]
        # Ledgers of earlier versions have repeated configurations.
        same = [replace(trial, params=SPACE.default_params()) for trial in ledger.trials()[:other]]
        assert [trial.number for trial in best_of([*same, ledger.trial(other)], 3)] == [1, other]

    def test_enqueued_come_first_in_their_order_with_their_attributes(self, ledger, reopen):
        for lr in (2e-3, 3e-3, 4e-3):
            ledger.enqueue({**SPACE.default_params(), "lr": lr}, {"label": lr})
        assert (ledger.waiting(), ledger.trials(), len(ledger.all())) == (3, [], 3)
        asked = [ledger.ask(), make(reopen).ask(), make(reopen).ask()]
        assert [trial.params["lr"] for trial in asked] == [2e-3, 3e-3, 4e-3]
        assert [trial.attributes["label"] for trial in asked] == [2e-3, 3e-3, 4e-3]
        assert make(reopen).waiting() == 0 and make(reopen).ask().number == 3

    def test_a_study_without_a_space_has_enqueued_jobs(self, reopen):
        ledger = Ledger(reopen(), "confirm", None)
        for split in (1, 2):
            ledger.enqueue({}, {"source": None, "split": split})
        trial = ledger.ask()
        assert (trial.params, trial.attributes) == ({}, {"source": None, "split": 1})
        ledger.report(0, 1, 0.5)
        assert ledger.finish(0, Outcome.COMPLETE).objective == 0.5 and ledger.waiting() == 1

    def test_studies_of_one_storage_are_independent(self, reopen):
        storage = reopen()
        search, control = Ledger(storage, "search", SPACE), Ledger(storage, "control", SPACE.without_hypernet())
        assert search.ask().number == control.ask().number == 0
        assert "rank" in search.trial(0).params and "rank" not in control.trial(0).params
        search.finish(0, Outcome.FAILED)
        assert control.trial(0).outcome is None

    def test_a_reopened_ledger_has_every_trial(self, ledger, reopen):
        train(ledger, 0.3, 0.6)
        open_number = ledger.ask().number
        ledger.report(open_number, 1, 0.4)
        ledger.enqueue(SPACE.default_params())
        seen = make(reopen)
        assert seen.all() == ledger.all() and seen.waiting() == 1
        assert [trial.number for trial in seen.unfinished()] == [open_number]
        seen.report(open_number, 2, 0.8)
        assert seen.finish(open_number, Outcome.COMPLETE).objective == 0.8
        assert make(reopen).trial(open_number).objective == 0.8

    def test_pruning_continues_in_a_reopened_ledger(self, ledger, reopen):
        for value in (0.5, 0.6, 0.7, 0.8):
            train(ledger, value, value)
        seen = make(reopen, pruner="median")
        number = seen.ask().number
        seen.report(number, 1, 0.1)
        seen.report(number, 2, 0.1)
        assert seen.should_prune(number)

    # What a sampler reads and what a pruner reads have nothing to do with each other: not every pair is needed.
    @pytest.mark.parametrize(
        "sampler, pruner",
        [(sampler, "halving") for sampler in SAMPLERS] + [("tpe", pruner) for pruner in PRUNERS if pruner != "halving"],
    )
    def test_every_sampler_and_pruner_runs_on_a_ledger(self, reopen, sampler, pruner):
        ledger = make(reopen, sampler=sampler, pruner=pruner)
        # A search of ten takes all of them past their random beginnings, in two orders of ending.
        for first in range(0, 10, 2):
            pair = [ledger.ask(), ledger.ask()]
            for trial in pair:
                SPACE.configuration(trial.params)
                value = 1 - abs(math.log10(trial.params["lr"]) + 3)
                outcome = Outcome.COMPLETE
                if trial.number == 5:
                    value, outcome = math.nan, Outcome.DIVERGED
                for epoch in range(1, 6):
                    ledger.report(trial.number, epoch, value * (1 - 0.5**epoch))
                    if ledger.should_prune(trial.number):
                        outcome = Outcome.PRUNED
                        break
                    if outcome is Outcome.DIVERGED:
                        break
                ledger.finish(trial.number, outcome if trial.number != 3 else Outcome.FAILED)
            assert ledger.terminal() == first + 2
        counts = ledger.counts()
        assert sum(counts.values()) == 10 and counts["failed"] == 1
        assert pruner != "none" or counts["pruned"] == 0

    def test_many_threads_use_one_ledger(self, ledger):
        def work() -> None:
            for _ in range(4):
                train(ledger, 0.1, 0.2)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [trial.number for trial in ledger.all()] == list(range(16))
        assert ledger.counts()["complete"] == 16

    def test_importances_name_parameters_or_nothing(self, ledger):
        assert ledger.parameter_importances() == {}
        for _ in range(20):
            trial = ledger.ask()
            ledger.report(trial.number, 1, math.log10(trial.params["lr"]))
            ledger.finish(trial.number, Outcome.COMPLETE)
        found = ledger.parameter_importances()
        assert found and max(found, key=found.get) == "lr" and sum(found.values()) == pytest.approx(1)

    def test_every_float_is_read_back_exactly(self, ledger, reopen):
        generator = random.Random(0)
        values = [generator.random() * 10 ** generator.randint(-4, -2) for _ in range(20)]
        values = [value for value in values if 1e-4 <= value <= 1e-2]  # a repeated one would be replaced
        for value in values:
            ledger.enqueue({**SPACE.default_params(), "lr": value})
            number = ledger.ask().number
            ledger.report(number, 1, value / 3)
            ledger.finish(number, Outcome.COMPLETE)
        seen = make(reopen).trials()
        assert [trial.params["lr"] for trial in seen] == values
        assert [trial.objective for trial in seen] == [value / 3 for value in values]

    def test_a_value_that_is_not_finite_is_read_back_exactly(self, ledger, reopen):
        number = ledger.ask().number
        for epoch, value in enumerate((math.nan, math.inf, -math.inf, 0.5, 5e-324), 1):
            ledger.report(number, epoch, value)
        ledger.finish(number, Outcome.PRUNED, final={"loss": math.nan}, error="one line\nanother: \x00 ü")
        trial = make(reopen).trial(number)
        assert math.isnan(trial.epochs.pop(1)) and math.isnan(trial.attributes["final"]["loss"])
        assert trial.epochs == {2: math.inf, 3: -math.inf, 4: 0.5, 5: 5e-324}
        assert trial.attributes["error"] == "one line\nanother: \x00 ü"
        assert (trial.objective, trial.best_epoch, trial.last_epoch) == (0.5, 4, 5)

    def test_a_pruned_trial_has_the_epoch_of_its_stop(self, ledger, reopen):
        train(ledger, 0.3, 0.5, 0.4, outcome=Outcome.PRUNED)
        trial = make(reopen).trial(0)
        assert (trial.outcome, trial.last_epoch, trial.best_epoch) == (Outcome.PRUNED, 3, 2)
        ledger.ask()
        assert ledger.trial(1).last_epoch is None

    @pytest.mark.parametrize("outcome", Outcome)
    def test_a_stored_outcome_ends_the_trial_after_a_kill(self, ledger, reopen, monkeypatch, outcome):
        ledger.report(ledger.ask().number, 1, 0.5)
        with monkeypatch.context() as patch:
            patch.setattr(ledger._study, "tell", lambda *args, **options: sys.exit("killed"))
            with pytest.raises(SystemExit):
                ledger.finish(0, outcome, final={"srcc": 0.5})
        seen = make(reopen)
        assert [trial.number for trial in seen.unfinished()] == [0] and seen.trial(0).outcome is None
        assert seen.resume_unfinished() == []
        trial = seen.trial(0)
        assert (trial.outcome, trial.objective, trial.attributes) == (outcome, 0.5, {"final": {"srcc": 0.5}})
        assert seen.terminal() == 1

    def test_a_trial_killed_before_its_outcome_was_stored_is_unfinished(self, ledger, reopen, monkeypatch):
        """The outcome is stored after the attributes that belong to it, so the trial is ended again."""
        ledger.report(ledger.ask().number, 1, 0.5)
        note, noted = ledger._study._storage.set_trial_user_attr, []

        def killed(trial_id: int, key: str, value: object) -> None:
            if noted:
                sys.exit("killed")
            noted.append(key)
            note(trial_id, key, value)

        with monkeypatch.context() as patch:
            patch.setattr(ledger._study._storage, "set_trial_user_attr", killed)
            with pytest.raises(SystemExit):
                ledger.finish(0, Outcome.FAILED, final={}, error="why")
        seen = make(reopen)
        assert [trial.number for trial in seen.resume_unfinished()] == [0]
        assert seen.finish(0, Outcome.FAILED, final={}, error="why").attributes == {"final": {}, "error": "why"}

    def test_parameters_are_restored_after_the_ledger_lost_its_end(self, ledger, reopen):
        """The ledger lost trials 1 to 4, except for the existence of trial 1."""
        train(ledger, 0.5)
        lost = [{**SPACE.default_params(), "lr": lr} for lr in (1e-3, 2e-3, 3e-3, 4e-3, 5e-3)]
        ledger._study.ask()
        seen = make(reopen)
        restored = seen.restore({0: lost[0], 1: lost[1] | {"of another space": 1}, 2: lost[2], 4: lost[4]})
        assert restored == [1, 2, 4] and seen.restore({1: lost[1], 2: lost[2]}) == []
        again = make(reopen)
        assert [trial.params for trial in again.resume_unfinished()] == [lost[1]]
        assert again.trial(0).params != lost[0] and again.terminal() == 1
        asked = [again.ask() for _ in range(4)]
        assert [trial.number for trial in asked] == [2, 3, 4, 5]
        assert [trial.params for trial in asked[::2]] == [lost[2], lost[4]]
        SPACE.configuration(asked[1].params)

    def test_restoring_keeps_stored_parameters(self, ledger, reopen):
        """An `ask` that was killed half-way has some: those were trained with, or none were."""
        trial = ledger._study.ask()
        trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        params = {**SPACE.default_params(), "lr": 5e-3, "rank": 4}
        seen = make(reopen)
        assert seen.restore({0: params}) == [0]
        assert seen.trial(0).params == {**params, "lr": trial.params["lr"]}

    def test_a_study_without_a_space_has_nothing_to_restore(self, reopen):
        ledger = Ledger(reopen(), "confirm", None)
        assert ledger.restore({0: {"lr": 1e-3}}) == [] and len(ledger) == 0

    def test_a_study_of_a_later_version_is_refused(self, ledger, reopen):
        ledger.ask()
        assert ledger._study.user_attrs == {"schema_version": SCHEMA_VERSION}
        ledger._study.set_user_attr("schema_version", SCHEMA_VERSION + 1)
        with pytest.raises(InputError, match=f"schema version {SCHEMA_VERSION + 1}.*up to {SCHEMA_VERSION}"):
            make(reopen)

    def test_a_ledger_killed_during_a_write_has_all_acknowledged_changes(self, place):
        """Acknowledged changes survive kill -9 at any time, and the search resumes with the same numbers."""
        command = [sys.executable, "-c", WRITER, str(place.url or ""), str(place.journal), SPACE.model_dump_json()]
        acknowledged: list[str] = []
        for kill, wait in enumerate((0.0, 0.33), 1):
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
            assert writer.stdout is not None
            target = len(acknowledged) + 7
            while len(acknowledged) < target:
                acknowledged.append(writer.stdout.readline().strip())
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            acknowledged += writer.stdout.read().split()  # one line may be torn, but none is: they are short
            seen = make(place.open)
            trials = {f"{trial.number}:{epoch}" for trial in seen.trials() for epoch in trial.epochs}
            trials |= {f"{trial.number}:end" for trial in seen.trials() if trial.outcome}
            assert trials >= set(acknowledged)
            unfinished = seen.resume_unfinished()
            assert len(unfinished) <= 1
            for trial in unfinished:
                SPACE.configuration(trial.params)
                train(seen, *([] if trial.epochs else [0.5]), number=trial.number)
            assert [trial.number for trial in seen.all()] == list(range(len(seen)))
            assert seen.counts()["complete"] == len(seen) >= 3 * kill

    def test_three_hundred_trials_in_bounded_time(self, ledger, reopen):
        def seconds(trials: int) -> float:
            """Return the CPU time of this process, since a wall clock also measures other processes."""
            began = time.process_time()
            for _ in range(trials):
                train(ledger, 0.1, 0.2, 0.3)
            return time.process_time() - began

        seconds(5)
        early = seconds(10)
        (done,) = [trial for trial in ledger._study.trials if trial.number == 0]
        ledger._study.add_trials([done] * 275)
        late = seconds(10)
        assert late < 3 * early + 0.3, "a trial's time grows with how many there are"
        began = time.process_time()
        seen = make(reopen)
        assert seen.terminal() == len(seen) == 300 and time.process_time() - began < 5


WRITER = """
import sys
from pathlib import Path
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.open_storage import open_storage
from orchestrator.search.space import SearchSpace

url, journal, space = sys.argv[1:]
ledger = Ledger(open_storage(url or None, Path(journal)), "search", SearchSpace.model_validate_json(space))
ledger.resume_unfinished()
while True:
    number = ledger.ask().number
    for epoch in (1, 2):
        ledger.report(number, epoch, 0.1 * epoch)
        print(f"{number}:{epoch}", flush=True)
    ledger.finish(number, Outcome.COMPLETE, final={})
    print(f"{number}:end", flush=True)
"""


def test_the_best_epoch_is_the_first_of_the_highest_and_finite():
    assert best_epoch({1: 0.2, 2: 0.5, 3: 0.5, 4: math.nan, 5: math.inf}) == (2, 0.5)
    assert best_epoch({}) == best_epoch({1: math.nan}) == (None, None)


def test_optuna_prints_nothing():
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
