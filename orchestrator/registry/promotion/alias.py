"""Moving an alias, so that of two people who do it at once one is told of the other.

MLflow sets an alias whatever it was before. But the name of a registered model is unique in its database, so making one
is something that only one of several can do: whoever makes `<model>-<alias>-moving` may move the alias, and removes it
afterwards. What was judged against a version that the alias is no longer on is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.alias_history import AliasHistory, Move, whoever
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException

PATIENCE = 20.0
"""Seconds after which one who holds the alias without letting go counts as dead; a move takes less than one."""

HISTORY_TAG = "history"
_TOKEN, _WHO = "token", "held by"


class AliasMoved(Exception):
    """The alias is not where it was when the move was decided on."""


def read_history(client: MlflowClient, name: str, alias: str) -> AliasHistory:
    """The moves of an alias; empty where there is no such model, or it was never moved.

    Raises:
        InputError: what the model's tag holds is no history.
        MlflowException: MLflow does not say.
    """
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        # What cannot be read for a moment must not pass for empty: the next move would write over it.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return AliasHistory()
    tag = f"{HISTORY_TAG}.{alias}"
    try:
        return AliasHistory.loads(tags.get(tag))
    except ValueError as error:
        raise InputError(
            f"The tag {tag} of {name} in MLflow is no history that can be read here, and is not written over: mend it, "
            "or delete it to begin anew."
        ) from error


def move_alias(client: MlflowClient, name: str, alias: str, move: Move, patience: float = PATIENCE) -> AliasHistory:
    """Moves an alias from where it was seen to where it shall be, and notes it.

    Args:
        client: MLflow's.
        name: of the registered model.
        alias: which.
        move: from, to and why; `of` is where the alias has to be still.
        patience: seconds to wait for somebody who is moving it.

    Returns:
        The history with this move.

    Raises:
        AliasMoved: somebody else has moved it meanwhile, or at the same time.
        InputError: its history cannot be read.
    """
    with _held(client, name, alias, patience) as still_held:
        history = read_history(client, name, alias)
        there = alias_version(client, name, alias)
        now = int(there.version) if there else None
        if now != move.from_version:
            raise AliasMoved(_moved(name, alias, move.from_version, now, history))
        still_held()
        client.set_registered_model_alias(name, alias, str(move.to))
        history = history.with_move(move)
        client.set_registered_model_tag(name, f"{HISTORY_TAG}.{alias}", history.dumps())
        # Asking and moving are two requests: on a slow server somebody may have taken over between them.
        after = alias_version(client, name, alias)
        if after is None or int(after.version) != move.to or not still_held.mine():
            raise AliasMoved(f"{name}@{alias} was moved by somebody else at the same time: look at --history.")
    return history


def _moved(name: str, alias: str, judged: int | None, now: int | None, history: AliasHistory) -> str:
    was = f"version {judged}" if judged else "nothing"
    is_now = f"version {now}" if now else "nothing"
    last = history.moves[-1] if history.moves else None
    by = f" (moved by {last.who} at {last.when}: {last.why})" if last and last.to == now else ""
    return f"{name}@{alias} was {was} when this was judged and is {is_now} now{by}: nothing was moved, look again."


@contextmanager
def _held(client: MlflowClient, name: str, alias: str, patience: float) -> Iterator[_LockGuard]:
    lock, token = f"{name}-{alias}-moving", uuid4().hex
    seen, since = None, time.monotonic()
    give_up = since + 3 * patience
    while not _take(client, lock, token):
        if time.monotonic() > give_up:
            raise AliasMoved(f"{name}@{alias} is being moved by others all the time: nothing was moved, try again.")
        holder = _holder(client, lock)
        if holder != seen:
            seen, since = holder, time.monotonic()
        elif holder is not None and time.monotonic() - since > patience:
            _release(client, lock, holder)  # whoever it was has died with it
        time.sleep(0.05)
    held = _LockGuard(client, lock, token, patience)
    try:
        yield held
    finally:
        _release(client, lock, token)


class _LockGuard:
    """Asks before the alias is moved whether this process was taken for dead."""

    def __init__(self, client: MlflowClient, lock: str, token: str, patience: float) -> None:
        self._client, self._lock, self._token = client, lock, token
        self._until = time.monotonic() + patience / 2

    def mine(self) -> bool:
        """Whether the lock is still this process's."""
        return _holder(self._client, self._lock) == self._token

    def __call__(self) -> None:
        if time.monotonic() > self._until or not self.mine():
            raise AliasMoved("MLflow was too slow to move the alias safely: nothing was moved, try again.")


def _take(client: MlflowClient, lock: str, token: str) -> bool:
    about = "Made while an alias is moved, and removed when that is done."
    try:
        client.create_registered_model(lock, tags={_TOKEN: token, _WHO: whoever()}, description=about)
    except MlflowException as error:
        # MLflow looks at the one in the way before it says so, and that may have been let go of meanwhile.
        taken = error.error_code in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}
        if taken or "locked" in str(error):  # SQLite has one writer
            return False
        raise
    return True


def _holder(client: MlflowClient, lock: str) -> str | None:
    try:
        return client.get_registered_model(lock).tags.get(_TOKEN)
    except MlflowException:
        return None


def _release(client: MlflowClient, lock: str, token: str) -> None:
    with suppress(MlflowException):
        if _holder(client, lock) == token:
            client.delete_registered_model(lock)
