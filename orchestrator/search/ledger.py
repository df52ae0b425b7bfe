"""The ledger: an Optuna study with every trial of one search.

It has all that a resume needs: parameters, the objective of every epoch and the outcomes. `open_storage` opens its
storage.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.enumeration import configuration_key
from orchestrator.search.ledger_trial import SPLIT, LedgerTrial, best_epoch, best_of, read_trial
from orchestrator.search.optuna_internals import FIXED_PARAMS, require_study_attributes
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace
from orchestrator.search.unique_configurations import UniqueConfigurations

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

SCHEMA_VERSION = 2
"""Version of a study's attributes: a trial's outcome is stored after the attributes that belong to it."""

_MOST_SPLITS = 1000
"""Upper end of the range of the parameter `split`, the same for every trial."""


class Ledger:
    """Study of one search: asks for configurations, stores every epoch, decides on pruning, stores the outcome.

    No configuration is started twice; see `UniqueConfigurations`.

    The time of `trial`, `report`, `finish`, `asked`, `waiting`, `running`, `terminal` and `counts` does not depend on
    the number of trials. `all`, `trials` and `best` read all of them.

    Args:
        storage: Optuna storage, from `open_storage`.
        study: the study's name in the storage; created if missing.
        space: the search space; None for a study with enqueued jobs only.
        sampler: Optuna sampler; None for Optuna's default.
        pruner: Optuna pruner; None for Optuna's default.
        objective: name of the objective, which Optuna's dashboard shows; None for none.

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
        objective: str | None = None,
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
        self._unique = UniqueConfigurations(self._study, self._storage, space) if space is not None else None
        self._study_id = self._storage.get_study_id_from_name(study)
        self._check_version()
        if objective and self._study.metric_names != [objective]:
            with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
                self._study.set_metric_names([objective])
        self._counts = Counter(trial.outcome for trial in self.trials() if trial.outcome)

    def set_sampler_and_pruner(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """Replace sampler and pruner."""
        self._study.sampler, self._study.pruner = sampler, pruner

    def __len__(self) -> int:
        return self._number_of()

    def enqueue(self, params: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> None:
        """Put a configuration, or a job described by attributes, before the sampled trials."""
        with self._lock:
            self._study.enqueue_trial(dict(params), user_attrs=dict(attributes or {}))

    def number_of(self, params: Mapping[str, Any]) -> int | None:
        """Return the number of the first trial with a configuration, started or enqueued; None if there is none."""
        key = configuration_key(params)
        for trial in self._study.get_trials(deepcopy=False):
            if configuration_key(trial.params or trial.system_attrs.get(FIXED_PARAMS, {})) == key:
                return trial.number
        return None

    def ask(self) -> LedgerTrial:
        """Start the next trial: the first enqueued one, else one from the sampler.

        Raises:
            NoConfigurationLeft: no configuration of the space is left that was not started.
        """
        with self._lock:
            if self._unique:
                return self.trial(self._unique.ask())
            number = self._study.ask().number
            self._show_split(number)
            return self.trial(number)

    def _show_split(self, number: int) -> None:
        """Store the split of a job as a parameter: Optuna's dashboard fails on a study without parameters."""
        from optuna.distributions import IntDistribution

        split = self.trial(number).attributes.get(SPLIT)
        if split is not None:
            self._storage.set_trial_param(self._storage_id(number), SPLIT, split, IntDistribution(1, _MOST_SPLITS))

    def exhausted(self) -> bool:
        """Return whether no configuration of the space is left that was not started."""
        with self._lock:
            return self._unique is not None and self._unique.exhausted()

    def configurations(self) -> int | None:
        """Return the number of configurations of the space; None if there are too many to exhaust."""
        return self._unique.count() if self._unique else None

    def waiting(self) -> int:
        """Return the number of enqueued trials that were not started yet."""
        from optuna.trial import TrialState

        return self._number_of(TrialState.WAITING)

    def running(self) -> int:
        """Return the number of started trials without an outcome."""
        from optuna.trial import TrialState

        return self._number_of(TrialState.RUNNING)

    def asked(self) -> int:
        """Return the number of started trials, ended ones included."""
        return len(self) - self.waiting()

    def all(self) -> list[LedgerTrial]:
        """Return every trial, with the enqueued ones that were not started yet."""
        return [read_trial(trial) for trial in self._study.get_trials(deepcopy=False)]

    def report(self, number: int, epoch: int, objective: float) -> None:
        """Store an epoch's objective; an epoch that is stored already keeps its value."""
        with self._lock:
            self._optuna_trial(number).report(objective, epoch)

    def should_prune(self, number: int) -> bool:
        """Return whether the pruner would stop this trial after its latest epoch."""
        with self._lock:
            return self._optuna_trial(number).should_prune()

    def set_attributes(self, number: int, **attributes: Any) -> None:
        """Store attributes of an unfinished trial."""
        with self._lock:
            trial = self._optuna_trial(number)
            for key, value in attributes.items():
                trial.set_user_attr(key, value)

    def finish(self, number: int, outcome: Outcome, **attributes: Any) -> LedgerTrial:
        """End a trial and return it; a trial that has ended is not changed.

        A complete trial's value is its best epoch's objective. A diverged one has the state PRUNED with its NaN, which
        TPE ranks worst and learns from. The sampler learns nothing from infeasible and failed trials.
        """
        with self._lock:
            trial = self.trial(number)
            if trial.outcome is not None:
                return trial
            _, objective = best_epoch(trial.epochs)
            if outcome is Outcome.COMPLETE and objective is None:
                outcome = Outcome.DIVERGED
            # The outcome is the last attribute, so that `resume_unfinished` finds all others with it.
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
        """Return one trial."""
        return read_trial(self._storage.get_trial(self._storage_id(number)))

    def trials(self) -> list[LedgerTrial]:
        """Return every started trial, in order."""
        from optuna.trial import TrialState

        return [
            read_trial(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state is not TrialState.WAITING
        ]

    def unfinished(self) -> list[LedgerTrial]:
        """Return the started trials without an outcome."""
        return [read_trial(trial) for trial in self._running()]

    def resume_unfinished(self) -> list[LedgerTrial]:
        """Complete the changes that a kill interrupted; return the unfinished trials, to be resumed.

        A trial whose `ask` was interrupted gets its missing parameters. A trial with a stored outcome is ended.
        """
        with self._lock:
            for trial in self._running():
                if outcome := trial.user_attrs.get("outcome"):
                    self._tell(trial.number, Outcome(outcome))
                elif self._space is not None:
                    self._space.suggest(self._optuna_trial(trial.number))
            if self._unique:
                self._unique.forget()
            return self.unfinished()

    def restore(self, params_by_number: Mapping[int, Mapping[str, Any]]) -> list[int]:
        """Restore parameters of trials after the ledger lost its end; to be called before `resume_unfinished`.

        An unfinished trial gets its missing parameters. Trials after the end are enqueued in order. A trial between
        them without known parameters is sampled.

        Args:
            params_by_number: Optuna's flat parameters by trial number, from another record of the sweep.

        Returns:
            Numbers of the restored trials.
        """
        if self._space is None:
            return []  # the caller enqueues the jobs again
        names = self._space.parameter_names()
        known = {
            number: {key: value for key, value in params.items() if key in names}
            for number, params in params_by_number.items()
        }
        restored = []
        with self._lock:
            for trial in self._running():
                lacking = {key: v for key, v in known.get(trial.number, {}).items() if key not in trial.params}
                if lacking:
                    fixed = {**trial.system_attrs.get(FIXED_PARAMS, {}), **lacking}
                    self._storage.set_trial_system_attr(self._storage_id(trial.number), FIXED_PARAMS, fixed)
                    self._space.suggest(self._optuna_trial(trial.number))
                    restored.append(trial.number)
            for number in range(len(self), max(known, default=-1) + 1):
                self.enqueue(known.get(number, {}))
                restored += [number] if number in known else []
        return restored

    def terminal(self) -> int:
        """Return the number of ended trials."""
        return self._counts.total()

    def counts(self) -> dict[str, int]:
        """Return the number of trials of each outcome, zeros included."""
        return {str(outcome): self._counts[outcome] for outcome in Outcome}

    def best(self, k: int) -> list[LedgerTrial]:
        """Return the k best trials with distinct parameters: complete ones by objective, then pruned ones.

        A pruned trial's objective is an early estimate, and the caller trains its configuration to the end. Without
        pruned trials, a search that pruned most trials would have fewer than k.
        """
        return best_of(self.trials(), k)

    def parameter_importances(self) -> dict[str, float]:
        """Return each parameter's share in the objective's variance (PED-ANOVA); empty with too few trials."""
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

    def _optuna_trial(self, number: int) -> Any:
        from optuna.trial import Trial

        return Trial(self._study, self._storage_id(number))

    def _storage_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
