"""Reason for which a setting of a sweep was refused, with the name of its option."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.validation_reason import reason_of, shown

_FORMS = {
    "name": "must begin with a letter or digit and have only letters, digits, '.', '_' and '-', at most 100",
    "keep": "must be best:K, last, all or none",
    "retries": "must be KIND=NUMBER with the kinds transient, hang, death and node_lost",
    "gpus_per_trial": "must be a number of at most 100000, a part of one GPU, or auto",
}
"""Form of a setting that is not a plain number or text."""


def setting_reason(error: ValidationError, known: Iterable[str], source: str) -> str:
    """Return pydantic's first error as `--option: reason.`

    Args:
        error: the error.
        known: names of all settings.
        source: the configuration file in brackets, after a space; empty without one.
    """
    first = error.errors()[0]
    name = str(first["loc"][0] if first["loc"] else "")
    if first["type"] == "extra_forbidden":
        reason = unknown_name_message("setting", name, known)
    elif first["type"] == "value_error":
        reason = f"{reason_of(first)}, got {shown(first['input'])}"
    else:
        reason = f"{_FORMS[name]}, not {shown(first['input'])}" if name in _FORMS else reason_of(first)
    return f"--{name.replace('_', '-')}{source}: {reason.rstrip('.')}."
