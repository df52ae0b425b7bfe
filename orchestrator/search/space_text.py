"""Text of a search space as its file has it, one line an entry."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import yaml

from orchestrator.search.parameters import Parameter
from orchestrator.search.space import SECTIONS, SearchSpace

_ENDLESS = 10**6


def space_text(space: SearchSpace, marked: Collection[str] = (), mark: str = "--set") -> str:
    """Return a space as YAML that `--space` reads.

    Args:
        space: search space.
        marked: names of entries, as `training.lr`, that get a comment.
        mark: that comment.

    Example:
        >>> print(space_text(SearchSpace(training={"lr": 0.1, "ema": 0.0}), {"training.lr"}))
        training:
          lr: 0.1  # --set
          ema: 0.0
    """
    return "\n".join(_lines(space, marked, mark))


def _lines(space: SearchSpace, marked: Collection[str], mark: str) -> Iterator[str]:
    for section in SECTIONS:
        if entries := getattr(space, section):
            yield f"{section}:"
            for name, value in entries.items():
                comment = f"  # {mark}" if f"{section}.{name}" in marked else ""
                yield f"  {name}: {_inline(value)}{comment}"


def _inline(value: Any) -> str:
    content = _content(value) if isinstance(value, Parameter) else value
    text = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=_ENDLESS)
    return text.removesuffix("\n").removesuffix("\n...")


def _content(parameter: Parameter) -> dict[str, Any]:
    """Return a parameter's keys without those that have their usual value."""
    content = parameter.model_dump()
    usual: dict[str, Any] = {"when": {}, "step": 1 if content["type"] == "int" else None}
    if content["type"] != "widths":
        usual["log"] = False
    kept = {key: value for key, value in content.items() if key not in usual or value != usual[key]}
    order = ["type", *(key for key in kept if key not in {"type", "when", "default"}), "when", "default"]
    return {key: kept[key] for key in order if key in kept}
