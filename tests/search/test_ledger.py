"""What every storage of the ledger must do. A new storage joins by a line in STORAGES."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from orchestrator.search.ledger import Ledger, best_epoch, open_journal
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import PRUNERS, build_pruner
from orchestrator.search.samplers import SAMPLERS, build_sampler
from orchestrator.search.space import SearchSpace

SPACE = SearchSpace.model_validate(
    {
        "model": {"widths": {"type": "widths", "min_depth": 1, "max_depth": 3, "low": 8, "high": 64, "default": [16]}},
        "hypernet": {"rank": {"type": "int", "low": 1, "high": 4, "default": 2}},
        "training": {
            "lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3},
            "loss": {"type": "categorical", "choices": ["huber", "mse"], "default": "huber"},
            "margin": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "when": {"loss": ["huber"]}},
        },
    }
)

Open = Callable[[], BaseStorage]
STORAGES: dict[str, Callable[[Path], Open]] = {
    "journal": lambda folder: lambda: open_journal(folder / "ledger.journal"),
}
"""Name → a function of an empty folder, that gives a function that opens the same storage again and again."""


@pytest.fixture(params=STORAGES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the storage as a new process would, which is all that a kill leaves."""
    return STORAGES[request.param](tmp_path)


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return make(reopen)


def make(reopen: Open, study: str = "search", sampler: str = "random", pruner: str = "none") -> Ledger:
    ledger = Ledger(reopen(), study, SPACE)
    ledger.use(build_sampler(sampler, len(ledger)), build_pruner(pruner, 5))
    return ledger


def train(ledger: Ledger, *objectives: float, outcome: Outcome = Outcome.COMPLETE, number: int | None = None) -> int:
    number = ledger.ask().number if number is None else number
    for epoch, value in enumerate(objectives, 1):
        ledger.report(number, epoch, value)
    ledger.finish(number, outcome)
    return number


class TestConformance:
    def test_an_asked_trial_is_open_and_has_every_parameter(self, ledger):
        trial = ledger.ask()
        assert (trial.number, trial.outcome, trial.objective, trial.epochs) == (0, None, None, {})
        SPACE.configuration(trial.params)
        assert ledger.unfinished() == [trial] and ledger.terminal() == 0 and len(ledger) == 1

    def test_a_complete_trial_is_told_its_best_epoch(self, ledger):
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
    def test_every_outcome(self, ledger, reopen, outcome, state):
        train(ledger, 0.4, outcome=outcome)
        for seen in (ledger, make(reopen)):
            assert seen.trial(0).outcome is outcome
            assert seen.counts() == {str(word): int(word is outcome) for word in Outcome}
            assert seen._study.trials[0].state is state
            assert seen.terminal() == 1 and seen.unfinished() == []

    def test_a_diverged_trial_is_pruned_to_optuna_and_never_best(self, ledger):
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

    def test_nan_epochs_beside_finite_ones(self, ledger, reopen):
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

    def test_attributes_travel(self, ledger, reopen):
        number = ledger.ask().number
        ledger.note(number, final={"srcc": 0.5}, where="here")
        assert make(reopen).trial(number).attributes == {"final": {"srcc": 0.5}, "where": "here"}

    def test_best_is_complete_first_then_pruned_then_nothing(self, ledger):
        train(ledger, 0.5)
        train(ledger, 0.9, outcome=Outcome.PRUNED)
        train(ledger, 0.7)
        train(ledger, 0.99, outcome=Outcome.FAILED)
        train(ledger, 0.99, outcome=Outcome.INFEASIBLE)
        ledger.ask()
        assert [trial.number for trial in ledger.best(9)] == [2, 0, 1]
        assert [trial.number for trial in ledger.best(1)] == [2]

    def test_best_are_distinct_and_the_first_of_equals_wins(self, ledger):
        same = SPACE.default_params()
        for _ in range(3):
            ledger.enqueue(same)
        for value in (0.5, 0.6, 0.6):
            train(ledger, value)
        other = train(ledger, 0.1)
        assert [trial.number for trial in ledger.best(3)] == [1, other]

    def test_enqueued_come_first_in_their_order_with_their_attributes(self, ledger, reopen):
        for lr in (2e-3, 3e-3, 4e-3):
            ledger.enqueue({**SPACE.default_params(), "lr": lr}, {"label": lr})
        assert (ledger.waiting(), ledger.trials(), len(ledger.all())) == (3, [], 3)
        asked = [ledger.ask(), make(reopen).ask(), make(reopen).ask()]
        assert [trial.params["lr"] for trial in asked] == [2e-3, 3e-3, 4e-3]
        assert [trial.attributes["label"] for trial in asked] == [2e-3, 3e-3, 4e-3]
        assert make(reopen).waiting() == 0 and make(reopen).ask().number == 3

    def test_a_study_without_a_space_holds_enqueued_work(self, reopen):
        ledger = Ledger(reopen(), "confirm", None)
        for split in (1, 2):
            ledger.enqueue({}, {"source": None, "split": split})
        trial = ledger.ask()
        assert (trial.params, trial.attributes) == ({}, {"source": None, "split": 1})
        ledger.report(0, 1, 0.5)
        assert ledger.finish(0, Outcome.COMPLETE).objective == 0.5 and ledger.waiting() == 1

    def test_studies_of_one_storage_are_apart(self, reopen):
        storage = reopen()
        search, control = Ledger(storage, "search", SPACE), Ledger(storage, "control", SPACE.without_hypernet())
        assert search.ask().number == control.ask().number == 0
        assert "rank" in search.trial(0).params and "rank" not in control.trial(0).params
        search.finish(0, Outcome.FAILED)
        assert control.trial(0).outcome is None

    def test_whoever_opens_it_next_sees_all(self, ledger, reopen):
        train(ledger, 0.3, 0.6)
        open_number = ledger.ask().number
        ledger.report(open_number, 1, 0.4)
        ledger.enqueue(SPACE.default_params())
        seen = make(reopen)
        assert seen.all() == ledger.all() and seen.waiting() == 1
        assert [trial.number for trial in seen.unfinished()] == [open_number]
        seen.report(open_number, 2, 0.8)
        assert seen.finish(open_number, Outcome.COMPLETE).objective == 0.8
        assert ledger.trial(open_number).objective == 0.8

    def test_pruning_goes_on_after_it_is_opened_again(self, ledger, reopen):
        for value in (0.5, 0.6, 0.7, 0.8):
            train(ledger, value, value)
        seen = make(reopen, pruner="median")
        number = seen.ask().number
        seen.report(number, 1, 0.1)
        seen.report(number, 2, 0.1)
        assert seen.should_prune(number)

    @pytest.mark.parametrize("pruner", PRUNERS)
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_every_sampler_and_pruner(self, reopen, sampler, pruner):
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

    def test_many_threads(self, ledger):
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


def test_the_best_epoch_is_the_first_of_the_highest_and_finite():
    assert best_epoch({1: 0.2, 2: 0.5, 3: 0.5, 4: math.nan, 5: math.inf}) == (2, 0.5)
    assert best_epoch({}) == best_epoch({1: math.nan}) == (None, None)


class TestJournal:
    """What only a journal file can suffer."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "sweeps" / "ledger.journal"

    def test_it_makes_its_folder(self, path):
        Ledger(open_journal(path), "search", SPACE).ask()
        assert path.is_file()

    def test_a_torn_last_line_is_cut(self, path):
        ledger = Ledger(open_journal(path), "search", SPACE)
        train(ledger, 0.5)
        whole = path.read_bytes()
        with path.open("ab") as file:
            file.write(b'{"op_code": 6, "worker')
        seen = Ledger(open_journal(path), "search", SPACE)
        assert path.read_bytes()[: len(whole)] == whole and b'"worker\n' not in path.read_bytes()
        assert seen.all() == ledger.all()
        assert train(seen, 0.7) == 1
        assert [t.objective for t in Ledger(open_journal(path), "search", SPACE).trials()] == [0.5, 0.7]

    def test_the_lock_of_a_dead_writer_does_not_block(self, path):
        Ledger(open_journal(path), "search", SPACE).ask()
        Path(f"{path}.lock").touch()
        done = []

        def go_on() -> None:
            done.append(Ledger(open_journal(path), "search", SPACE).ask().number)

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        thread.join(10)
        assert done == [1]

    def test_killed_after_any_line_it_goes_on(self, path, tmp_path):
        """Parameters are written one by one, so a kill may leave a trial with some of them."""
        ledger = Ledger(open_journal(path), "search", SPACE)
        ledger.enqueue({**SPACE.default_params(), "lr": 2e-3})
        train(ledger, 0.5)
        train(ledger, 0.2, outcome=Outcome.PRUNED)
        lines = path.read_bytes().splitlines(keepends=True)
        assert len(lines) > 15
        for count in range(len(lines) + 1):
            torn = tmp_path / f"{count}.journal"
            torn.write_bytes(b"".join(lines[:count]) + b'{"op_co')
            seen = Ledger(open_journal(torn), "search", SPACE)
            seen.use(build_sampler("tpe", 0), build_pruner("halving", 5))
            for trial in seen.reopen():
                SPACE.configuration(trial.params)
                train(seen, *([0.5] if 1 not in trial.epochs else []), number=trial.number)
            while seen.terminal() < 2:
                train(seen, 0.5)
            assert [trial.number for trial in seen.all()][:2] == [0, 1] and not seen.unfinished()
            if count >= 2:  # the line that enqueues
                assert seen.trial(0).params["lr"] == 2e-3


def test_optuna_is_quiet():
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
