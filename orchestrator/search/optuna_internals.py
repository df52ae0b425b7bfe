"""Private names of Optuna that this package uses, and the version they were checked against.

Each has a fallback, or the ledger refuses to open. Other modules of this package use no other private name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study

CHECKED_VERSION = "5.0.0"
"""Version of Optuna that the names were checked against."""

REQUIRED_OF_STUDY = ("_storage",)
"""Attributes of `Study` that the halving pruner stores its rungs with; without them the ledger is not opened."""

COPIED_FROM_STUDY = ("study_name", "_study_id", "_storage", "_directions", "sampler", "pruner", "_thread_local")
"""Attributes of `Study` that a study with fewer trials needs; without them a sampler sees the whole history."""

RDB_METHODS = (
    "_get_prepared_new_trial",
    "_set_trial_intermediate_value_without_commit",
    "_set_trial_attr_without_commit",
)
"""Methods of `RDBStorage` that are replaced by faster ones; without them Optuna's own storage is used."""

OPERATIONS_WITHOUT_SYNC = ("SET_TRIAL_PARAM", "SET_TRIAL_USER_ATTR", "SET_TRIAL_SYSTEM_ATTR")
"""Members of `JournalOperation` that reach the disk with the next one: parameters of enqueued trials, which are known,
and attributes of an outcome. Without the names every operation is synced to disk."""

FIXED_PARAMS = "fixed_params"
"""System attribute with an enqueued trial's parameters; without it a restored trial gets sampled parameters."""

RUNG = "completed_rung_{}"
"""System attribute with a trial's value at a rung, as Optuna's halving pruner writes it."""


def require_study_attributes(study: Study) -> None:
    """Check that a study has the private attributes that have no fallback.

    Raises:
        InputError: one is missing in the installed version of Optuna.
    """
    if missing := [name for name in REQUIRED_OF_STUDY if not hasattr(study, name)]:
        import optuna

        raise InputError(
            f"Optuna {optuna.__version__} has no Study.{missing[0]}, which the ledger needs: "
            f"install optuna=={CHECKED_VERSION}."
        )


def has_copied_attributes(study: Study) -> bool:
    """Return whether a study has everything that `COPIED_FROM_STUDY` names."""
    return all(hasattr(study, name) for name in (*COPIED_FROM_STUDY, "_get_trials"))


def operations_without_sync() -> frozenset[int]:
    """Return the codes of the journal's operations that need no sync, none if Optuna does not name them."""
    try:
        from optuna.storages.journal._storage import JournalOperation

        return frozenset(int(JournalOperation[name]) for name in OPERATIONS_WITHOUT_SYNC)
    except (ImportError, KeyError):
        return frozenset()


def database_storage_class() -> type[RDBStorage]:
    """Return the storage with fewer statements or, if Optuna's private methods differ, Optuna's own."""
    from optuna.storages import RDBStorage

    try:
        import optuna.storages._rdb.models  # noqa: F401
    except ImportError:
        return RDBStorage
    if not all(hasattr(RDBStorage, name) for name in RDB_METHODS):
        return RDBStorage
    from orchestrator.search.bulk_rdb_storage import BulkRDBStorage

    return BulkRDBStorage


def contains(distribution: Any, value: float) -> bool:
    """Return whether a distribution has a value, which is in Optuna's internal representation.

    Optuna has the same as the private method `_contains`.
    """
    if hasattr(distribution, "choices"):
        return bool(0 <= int(value) < len(distribution.choices))
    if not distribution.low <= value <= distribution.high:
        return False
    if distribution.step is None:
        return True
    steps = (value - distribution.low) / distribution.step
    return bool(abs(steps - round(steps)) < 1e-8)
