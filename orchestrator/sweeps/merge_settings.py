"""Merge given settings with those of a sweep's start."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.core.shown_commands import resume_command
from orchestrator.core.spec import SweepSpec


def merge_settings(spec: SweepSpec, before: SweepSpec, out: Path) -> SweepSpec:
    """Return the settings of a sweep's start, with the given ones of where and how fast it runs.

    Raises:
        InputError: another setting differs.
    """
    from orchestrator.core.spec import RESUMABLE_SETTINGS

    given = spec.model_fields_set
    changed = {key: (old, new) for key, (new, old) in spec.differences(before).items() if key in given}
    if changed:
        differences = "; ".join(f"{key} was {old}, now {new}" for key, (old, new) in sorted(changed.items()))
        only_budget = set(changed) == {"trials"} and spec.trials > before.trials
        advice = (
            f"Raise its budget with: {resume_command(before.name, out)} --trials {spec.trials}" if only_budget else ""
        )
        raise InputError(
            f"A sweep named {before.name} exists with other settings ({differences}). {advice or 'Use another --name.'}"
        )
    return before.model_copy(update={key: getattr(spec, key) for key in given & RESUMABLE_SETTINGS})
