"""Reason for which pydantic refused a value, as a sentence in the words of this program."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

_ENTRIES = {"list": "a list", "tuple": "a list", "dict": "a mapping", "model": "a mapping", "set": "a list"}

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a key here",
    "int_type": "must be a whole number, not {input}",
    "int_parsing": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "int_parsing_size": "has too many digits",
    "float_type": "must be a number, not {input}",
    "float_parsing": "must be a number, not {input}",
    "finite_number": "must be finite, not {input}",
    "bool_type": "must be true or false, not {input}",
    "bool_parsing": "must be true or false, not {input}",
    "string_type": "must be text, not {input}",
    "path_type": "must be a path, not {input}",
    "greater_than": "must be above {gt}, not {input}",
    "greater_than_equal": "must be at least {ge}, not {input}",
    "less_than": "must be below {lt}, not {input}",
    "less_than_equal": "must be at most {le}, not {input}",
    "too_short": "needs at least {min_length}, has {actual_length}",
    "too_long": "takes at most {max_length}, has {actual_length}",
    "literal_error": "must be {expected}, not {input}",
    "byte_size": "must be a size such as 500MB or 2GB, not {input}",
    "byte_size_unit": "must be a size such as 500MB or 2GB, not {input}",
    "union_tag_not_found": "needs a type",
    "union_tag_invalid": "has the type {tag}, which must be {expected_tags}",
}


def reason_of(error: Mapping[str, Any]) -> str:
    """Return an entry of pydantic's `ValidationError.errors()` as a reason, such as `must be at least 1, not 0`."""
    kind = str(error["type"])
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind.endswith("_type") and (wanted := _ENTRIES.get(kind.removesuffix("_type"))):
        return f"must be {wanted}, not {shown(error['input'])}"
    if sentence := _SENTENCES.get(kind):
        context = {key: _short(value) for key, value in error.get("ctx", {}).items()}
        return sentence.format(**{**context, "input": shown(error["input"])})
    return str(error["msg"])


def first_reason(error: ValidationError, skipped: Collection[str] = ()) -> str:
    """Return pydantic's first error as `key: reason` in one line.

    Args:
        error: the error.
        skipped: parts of its location that are not keys of the file, such as the members of a union.
    """
    first = error.errors()[0]
    # A key of a user may have the name of a member of a union; the first two parts are keys always.
    inside = [part for part in first["loc"][2:] if part not in skipped and "[" not in str(part)]
    key = ".".join(map(str, (*first["loc"][:2], *inside)))
    reason = " ".join(reason_of(first).split())
    return f"{key}: {reason}" if key else reason


def _short(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else value


def shown(value: Any) -> str:
    """Return a value as YAML writes it, at most 60 characters."""
    names = {None: "null", True: "true", False: "false"}
    text = names[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
