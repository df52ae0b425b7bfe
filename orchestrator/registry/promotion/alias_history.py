"""History of an alias in the registered model's tags: who moved it, when, from which version to which, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.core.current_user import user_and_host

LIMIT = 4800
"""Longest text of a tag in characters; MLflow's databases keep 5000."""

_WHY_LIMIT = 300


@dataclass(frozen=True)
class Move:
    """A move of an alias from one version to another.

    Attributes:
        kind: command that moved it.
        from_version, to: version numbers; `from_version` is None if the alias was on none.
        why: reason.
        who: user and machine.
        when: UTC, to the second.
        forced: whether a required gate had failed.
    """

    kind: Literal["promote", "rollback"]
    from_version: int | None
    to: int
    why: str
    who: str = field(default_factory=user_and_host)
    when: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    forced: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the move for JSON and for the tag of a registered model."""
        return {"of" if key == "from_version" else key: value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Move:
        """Read what `as_dict` returned."""
        return cls(**{"from_version" if key == "of" else key: value for key, value in content.items()})


@dataclass(frozen=True)
class AliasHistory:
    """History of one alias, the oldest move first.

    Attributes:
        moves: the latest moves.
        earlier: number of older moves that had no room.
        since: time of the first of those.
    """

    moves: tuple[Move, ...] = ()
    earlier: int = 0
    since: str | None = None

    def with_move(self, move: Move) -> AliasHistory:
        """Return the history with one more move."""
        short = replace(move, why=move.why if len(move.why) <= _WHY_LIMIT else f"{move.why[: _WHY_LIMIT - 1]}…")
        return replace(self, moves=(*self.moves, short))

    def dumps(self) -> str:
        """Return the value of a tag; the oldest moves are only counted if there is no room for them."""
        kept = self
        while len(text := kept._dumps()) > LIMIT and kept.moves:
            first, *rest = kept.moves
            kept = AliasHistory(tuple(rest), kept.earlier + 1, kept.since or first.when)
        return text

    @classmethod
    def loads(cls, text: str | None) -> AliasHistory:
        """Read the value of a tag; empty if the tag is missing.

        Raises:
            ValueError: it is not a history.
        """
        if not text:
            return cls()
        try:
            content = json.loads(text)
            return cls(tuple(Move.from_dict(move) for move in content["moves"]), content["earlier"], content["since"])
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a history: {error}") from error

    def previous(self, current: int, existing: Sequence[int]) -> int | None:
        """Return the version that the alias was on before the current one; None if it is unknown.

        A promotion pushes a version on a stack and a rollback pops it, so two rollbacks return to the version before
        the last two promotions. A move made by hand shows as a gap, and counts as a promotion.

        Args:
            current: version that the alias is on.
            existing: versions that were not deleted.
        """
        stack: list[int] = []

        def push(version: int | None) -> None:
            if version is not None and (not stack or stack[-1] != version):
                stack.append(version)

        for move in self.moves:
            push(move.from_version)
            if move.kind == "rollback" and move.to in stack:
                while stack[-1] != move.to:
                    stack.pop()
            else:
                push(move.to)
        push(current)
        earlier = (version for version in reversed(stack[:-1]) if version in set(existing) and version != current)
        return next(earlier, None)

    def as_dict(self) -> dict[str, Any]:
        """Return the history for JSON."""
        return {"earlier": self.earlier, "since": self.since, "moves": [move.as_dict() for move in self.moves]}

    def _dumps(self) -> str:
        return json.dumps(self.as_dict(), separators=(",", ":"), ensure_ascii=False)
