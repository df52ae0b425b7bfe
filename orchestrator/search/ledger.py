"""The ledger: an Optuna study that remembers every trial of one search.

Nothing else has to survive for a search to go on: parameters, the objective of every epoch and the outcome are
all here, in whichever storage `storages` opens.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.ledger_trial import LedgerTrial, best_epoch, best_of, read_trial
from orchestrator.search.optuna_internals import FIXED_PARAMS, require_study_attributes
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

SCHEMA_VERSION = 2
"""Version of a study's attributes: a trial's outcome is stored after the attributes that belong to it."""


class Ledger:
    """One study: asks for configurations, notes every epoch, decides on pruning, tells the outcome.

    What is asked for at every result takes the same time however many trials there are: `trial`, `report`, `finish`,
    `asked`, `waiting`, `running`, `terminal` and `counts`. `all`, `trials` and `best` go through all of them.

    Args:
        storage: Optuna storage; `open_storage` gives it.
        study: the study's name inside the storage; created when new.
        space: what is searched; None for a study of enqueued work only.

    Raises:
        InputError: the study was written by a later version of this program.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study: str,
        space: SearchSpace | None,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name = study
        self._space = space
        self._lock = threading.RLock()
        self._storage = CachedStorage(storage)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=study,
            sampler=sampler,
            pruner=pruner,
            direction="maximize",
            load_if_exists=True,
        )
        require_study_attributes(self._study)
        self._study_id = self._storage.get_study_id_from_name(study)
        self._check_version()
        self._counts = Counter(trial.outcome for trial in self.trials() if trial.outcome)

    def set_sampler_and_pruner(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """Sampler and pruner from now on."""
        self._study.sampler, self._study.pruner = sampler, pruner

    def __len__(self) -> int:
        return self._number_of()

    def enqueue(self, params: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> None:
        """Puts a known configuration, or a piece of work described by attributes, before what is sampled."""
        with self._lock:
            self._study.enqueue_trial(dict(params), user_attrs=dict(attributes or {}))

    def ask(self) -> LedgerTrial:
        """Opens the next trial: the first enqueued one, else one from the sampler."""
        with self._lock:
            with self._storage.draft():
                trial = self._study.ask()
                if self._space is not None:
                    self._space.suggest(trial)
            return self.trial(trial.number)

    def waiting(self) -> int:
        """How many enqueued trials have not been asked for yet."""
        from optuna.trial import TrialState

        return self._number_of(TrialState.WAITING)

    def running(self) -> int:
        """How many trials were asked for and have no outcome."""
        from optuna.trial import TrialState

        return self._number_of(TrialState.RUNNING)

    def asked(self) -> int:
        """How many trials were ever asked for."""
        return len(self) - self.waiting()

    def all(self) -> list[LedgerTrial]:
        """Every trial, those included that are enqueued and not asked for yet."""
        return [read_trial(trial) for trial in self._study.get_trials(deepcopy=False)]

    def report(self, number: int, epoch: int, objective: float) -> None:
        """Notes an epoch's objective. An epoch noted before keeps its first value."""
        with self._lock:
            self._live(number).report(objective, epoch)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner would stop this trial after its latest epoch."""
        with self._lock:
            return self._live(number).should_prune()

    def set_attributes(self, number: int, **attributes: Any) -> None:
        """Writes attributes beside an unfinished trial."""
        with self._lock:
            trial = self._live(number)
            for key, value in attributes.items():
                trial.set_user_attr(key, value)

    def finish(self, number: int, outcome: Outcome, **attributes: Any) -> LedgerTrial:
        """Closes a trial for good. One that is closed already stays as it is.

        A complete trial is told its best epoch's objective. A diverged one is told PRUNED on its NaN, which
        TPE ranks worst and learns from; infeasible and failed ones teach the sampler nothing.
        """
        with self._lock:
            trial = self.trial(number)
            if trial.outcome is not None:
                return trial
            _, objective = best_epoch(trial.epochs)
            if outcome is Outcome.COMPLETE and objective is None:
                outcome = Outcome.DIVERGED
            # The outcome last: where it is noted, all that belongs to it is, too, and `reopen` can tell it.
            self.set_attributes(number, **attributes, outcome=str(outcome))
            self._tell(number, outcome)
            return self.trial(number)

    def _tell(self, number: int, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        if outcome is Outcome.COMPLETE:
            self._study.tell(number, best_epoch(self.trial(number).epochs)[1])
        elif outcome in {Outcome.PRUNED, Outcome.DIVERGED}:
            self._study.tell(number, state=TrialState.PRUNED)
        else:
            self._study.tell(number, state=TrialState.FAIL)
        self._counts[outcome] += 1

    def trial(self, number: int) -> LedgerTrial:
        """What is known of one trial."""
        return read_trial(self._storage.get_trial(self._storage_id(number)))

    def trials(self) -> list[LedgerTrial]:
        """Every trial that was ever asked for, in order."""
        from optuna.trial import TrialState

        return [
            read_trial(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state is not TrialState.WAITING
        ]

    def unfinished(self) -> list[LedgerTrial]:
        """Trials that were asked for and have no outcome."""
        return [read_trial(trial) for trial in self._running()]

    def resume_unfinished(self) -> list[LedgerTrial]:
        """Unfinished trials, to go on with, after doing what a kill left half done.

        One whose `ask` was killed half-way gets the parameters it lacks; one whose outcome was noted is told it.
        """
        with self._lock:
            for trial in self._running():
                if noted := trial.user_attrs.get("outcome"):
                    self._tell(trial.number, Outcome(noted))
                elif self._space is not None:
                    self._space.suggest(self._live(trial.number))
            return self.unfinished()

    def restore(self, params_by_number: Mapping[int, Mapping[str, Any]]) -> list[int]:
        """Gives numbers their parameters back after the ledger lost its end, in place of what would be sampled anew.

        An unfinished trial gets those it lacks. Numbers beyond the end are enqueued in order, and will be asked for
        first; one in between that nobody knows is sampled when its turn comes. To be called before `reopen`.

        Args:
            params_by_number: Optuna's flat parameters by trial number, from another record of the sweep.

        Returns:
            The numbers that were given something back.
        """
        if self._space is None:
            return []  # work described by attributes, which whoever enqueued it enqueues again
        own = self._space.parameter_names()
        known = {
            number: {key: value for key, value in params.items() if key in own}
            for number, params in params_by_number.items()
        }
        restored = []
        with self._lock:
            for trial in self._running():
                lacking = {key: v for key, v in known.get(trial.number, {}).items() if key not in trial.params}
                if lacking:
                    fixed = {**trial.system_attrs.get(FIXED_PARAMS, {}), **lacking}
                    self._storage.set_trial_system_attr(self._storage_id(trial.number), FIXED_PARAMS, fixed)
                    self._space.suggest(self._live(trial.number))
                    restored.append(trial.number)
            for number in range(len(self), max(known, default=-1) + 1):
                self.enqueue(known.get(number, {}))
                restored += [number] if number in known else []
        return restored

    def terminal(self) -> int:
        """How many trials have ended."""
        return self._counts.total()

    def counts(self) -> dict[str, int]:
        """Trials by outcome, all five words always present."""
        return {str(outcome): self._counts[outcome] for outcome in Outcome}

    def best(self, k: int) -> list[LedgerTrial]:
        """The k best trials, distinct in their parameters: complete ones by objective, then pruned ones by theirs.

        A pruned trial's best epoch is a fair, if early, judgement of its configuration, which whoever asks will
        train to the end; without them a search that pruned hard would have fewer than k to offer.
        """
        return best_of(self.trials(), k)

    def parameter_importances(self) -> dict[str, float]:
        """Each parameter's share in the objective's variance (PED-ANOVA); empty where too few trials tell."""
        import optuna

        try:
            return dict(optuna.importance.get_param_importances(self._study))
        except (ValueError, RuntimeError):
            return {}

    def _check_version(self) -> None:
        version = self._study.user_attrs.get("schema_version")
        if version is None:
            self._study.set_user_attr("schema_version", SCHEMA_VERSION)
        elif version > SCHEMA_VERSION:
            raise InputError(
                f"The ledger's study {self.name} has schema version {version}, and this program reads versions up to "
                f"{SCHEMA_VERSION}: resume with the version of the program that wrote it."
            )

    def _running(self) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _number_of(self, state: TrialState | None = None) -> int:
        return self._storage.get_n_trials(self._study_id, state)

    def _live(self, number: int) -> Any:
        from optuna.trial import Trial

        return Trial(self._study, self._storage_id(number))

    def _storage_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
