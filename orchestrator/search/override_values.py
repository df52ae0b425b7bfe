"""Values of overrides of a search space: words such as `loguniform(1e-4, 1e-2)`, and YAML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from orchestrator.core.yaml_reader import read_yaml

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)
_KEYWORD = re.compile(r"(default|step|log)\s*=\s*(.*)", re.DOTALL)

WORDS = "choice, int, float, range, interval, uniform, loguniform and tag(log, …)"


def parse_override(text: str) -> Any:
    """Return a value of the command line as a search-space file has it; a searched one may lack its default.

    Raises:
        ValueError: the text is neither a known distribution nor YAML.

    Example:
        >>> parse_override("loguniform(1e-4, 1e-2)")
        {'type': 'float', 'low': 0.0001, 'high': 0.01, 'log': True}
        >>> parse_override("range(1, 8)"), parse_override("[huber, mse]"), parse_override("2")
        ({'type': 'int', 'low': 1, 'high': 8}, ['huber', 'mse'], 2)
    """
    if match := _CALL.fullmatch(text):
        word, inside = match.groups()
        if word == "tag":
            return _tagged(inside)
        if word not in _DISTRIBUTIONS:
            raise ValueError(f"{word} is not a distribution; there are {WORDS}")
        plain, named = _arguments(inside)
        return {**_DISTRIBUTIONS[word](word, plain), **named}
    return read_yaml(text)


def _tagged(inside: str) -> dict[str, Any]:
    tag, _, rest = inside.partition(",")
    value = parse_override(rest) if tag.strip() == "log" and rest.strip() else None
    if not isinstance(value, dict) or value.get("type") not in {"float", "int"}:
        raise ValueError("tag takes log and a range, as tag(log, interval(1e-4, 1e-2))")
    return {**value, "log": True}


def _arguments(inside: str) -> tuple[list[Any], dict[str, Any]]:
    plain, named = [], {}
    for value in read_yaml(f"[{inside}]"):
        if isinstance(value, str) and (keyword := _KEYWORD.fullmatch(value)):
            named[keyword[1]] = read_yaml(keyword[2])
        else:
            plain.append(value)
    return plain, named


def _choice(word: str, plain: list[Any]) -> dict[str, Any]:
    if not plain:
        raise ValueError("choice needs at least one value")
    return {"type": "categorical", "choices": plain}


def _numbers(word: str, plain: list[Any], most: int = 2) -> list[int | float]:
    numbers = [value for value in plain if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != len(plain) or not 2 <= len(plain) <= most:
        raise ValueError(f"{word} takes two numbers, as {word}({_EXAMPLES[word]})")
    return numbers


def _int(word: str, plain: list[Any]) -> dict[str, Any]:
    low, high = _numbers(word, plain)
    return {"type": "int", "low": low, "high": high}


def _float(word: str, plain: list[Any]) -> dict[str, Any]:
    low, high = _numbers(word, plain)
    return {"type": "float", "low": low, "high": high, **({"log": True} if word == "loguniform" else {})}


def _range(word: str, plain: list[Any]) -> dict[str, Any]:
    """Return the grid of Hydra's `range(low, high, step)`, as its Optuna sweeper reads it: both ends belong to it."""
    low, high, *step = _numbers(word, plain, most=3)
    whole = all(isinstance(number, int) for number in (low, high, *step))
    return {"type": "int" if whole else "float", "low": low, "high": high, **({"step": step[0]} if step else {})}


_EXAMPLES = {
    "int": "1, 8",
    "range": "1, 8",
    "float": "0, 0.5",
    "interval": "0, 0.5",
    "uniform": "0, 0.5",
    "loguniform": "1e-4, 1e-2",
}

_DISTRIBUTIONS: dict[str, Callable[[str, list[Any]], dict[str, Any]]] = {
    "choice": _choice,
    "int": _int,
    "range": _range,
    "float": _float,
    "interval": _float,
    "uniform": _float,
    "loguniform": _float,
}
