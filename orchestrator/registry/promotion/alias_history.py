"""Every move of an alias: who, when, from which version to which, and why; kept in the registered model's tags."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

LIMIT = 4800
"""Characters of a tag: MLflow's databases keep 5000."""

_WHY_LIMIT = 300


def whoever() -> str:
    """Who sits at the keyboard: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Move:
    """An alias went from a version to another.

    Attributes:
        kind: what moved it.
        from_version, to: version numbers; `from_version` is None where it was on none.
        why: in words.
        who: user and machine.
        when: UTC, to the second.
        forced: whether a gate had refused.
    """

    kind: Literal["promote", "rollback"]
    from_version: int | None
    to: int
    why: str
    who: str = field(default_factory=whoever)
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
    """The moves of one alias, the oldest first.

    Attributes:
        moves: the latest ones, whole.
        earlier: how many came before them, of which only this is known.
        since: when the first of those was.
    """

    moves: tuple[Move, ...] = ()
    earlier: int = 0
    since: str | None = None

    def with_move(self, move: Move) -> AliasHistory:
        """The same and one more."""
        short = replace(move, why=move.why if len(move.why) <= _WHY_LIMIT else f"{move.why[: _WHY_LIMIT - 1]}…")
        return replace(self, moves=(*self.moves, short))

    def dumps(self) -> str:
        """As a tag's value; as many of the oldest moves as have no room are only counted."""
        kept = self
        while len(text := kept._dumps()) > LIMIT and kept.moves:
            first, *rest = kept.moves
            kept = AliasHistory(tuple(rest), kept.earlier + 1, kept.since or first.when)
        return text

    @classmethod
    def loads(cls, text: str | None) -> AliasHistory:
        """Of a tag's value; empty where there is none.

        Raises:
            ValueError: it is no history.
        """
        if not text:
            return cls()
        try:
            content = json.loads(text)
            return cls(tuple(Move.from_dict(move) for move in content["moves"]), content["earlier"], content["since"])
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a history: {error}") from error

    def previous(self, current: int, existing: Sequence[int]) -> int | None:
        """The version that the alias was on before the one it is on now; None where that is not known.

        A promotion puts a version on top of a stack and a rollback takes it off again, so that rolling back twice
        goes back twice. A move that somebody made by hand shows as a gap, and counts as a promotion.

        Args:
            current: where the alias is.
            existing: versions that there are still.
        """
        stack: list[int] = []

        def stand_on(version: int | None) -> None:
            if version is not None and (not stack or stack[-1] != version):
                stack.append(version)

        for move in self.moves:
            stand_on(move.from_version)
            if move.kind == "rollback" and move.to in stack:
                while stack[-1] != move.to:
                    stack.pop()
            else:
                stand_on(move.to)
        stand_on(current)
        there = set(existing)
        return next((version for version in reversed(stack[:-1]) if version in there and version != current), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"earlier": self.earlier, "since": self.since, "moves": [move.as_dict() for move in self.moves]}

    def _dumps(self) -> str:
        return json.dumps(self.as_dict(), separators=(",", ":"), ensure_ascii=False)
