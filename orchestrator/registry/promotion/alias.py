"""Conditional move of an alias: it is refused if the alias has moved since the candidate was evaluated."""

from __future__ import annotations

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.alias_history import AliasHistory, Move
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

HISTORY_TAG = "history"


class AliasMoved(Exception):
    """Raised if an alias is not on the version it was on when the move was decided."""


def read_history(client: MlflowClient, name: str, alias: str) -> AliasHistory:
    """Return the moves of an alias; empty if the model does not exist or the alias was never moved.

    Raises:
        InputError: the model's tag does not hold a history.
        MlflowException: MLflow does not answer.
    """
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        # A history that cannot be read now must not pass for empty: the next move would overwrite it.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return AliasHistory()
    tag = f"{HISTORY_TAG}.{alias}"
    try:
        return AliasHistory.loads(tags.get(tag))
    except ValueError as error:
        raise InputError(
            f"The tag {tag} of {name} in MLflow is not a history that this version can read, so it is not "
            "overwritten: fix the tag, or delete it to begin a new history."
        ) from error


def move_alias(client: MlflowClient, name: str, alias: str, move: Move) -> AliasHistory:
    """Move an alias and add the move to its history.

    MLflow has no conditional update. Of two moves within the same few milliseconds the later one therefore wins.

    Args:
        client: MLflow's client.
        name: name of the registered model.
        alias: alias to move.
        move: from, to and why; the alias must still be on `move.from_version`.

    Returns:
        The history with this move.

    Raises:
        AliasMoved: the alias is no longer on `move.from_version`.
        InputError: the history cannot be read.
    """
    history = read_history(client, name, alias)
    version = alias_version(client, name, alias)
    current = int(version.version) if version else None
    if current != move.from_version:
        raise AliasMoved(_moved(name, alias, move.from_version, current, history))
    client.set_registered_model_alias(name, alias, str(move.to))
    history = history.with_move(move)
    client.set_registered_model_tag(name, f"{HISTORY_TAG}.{alias}", history.dumps())
    return history


def _moved(name: str, alias: str, evaluated: int | None, current: int | None, history: AliasHistory) -> str:
    was = f"version {evaluated}" if evaluated else "no version"
    now = f"version {current}" if current else "no version"
    last = history.moves[-1] if history.moves else None
    by = f" (moved by {last.who} at {last.when}: {last.why})" if last and last.to == current else ""
    return (
        f"{name}@{alias} was on {was} when the candidate was evaluated and is on {now} now{by}. "
        "It was not moved: run the command again to compare with the current version."
    )
