"""Command that starts a sweep with the data and the trainings of another one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from orchestrator.core.option_metadata import DATA_PANEL, SettingOption, setting_options
from orchestrator.core.spec import SweepSpec
from orchestrator.core.tool_command import tool_command

_ALWAYS = {"variant", "dataset"}
_TRAININGS = {"epochs", "confirm", "splits"}


def sweep_command(spec: SweepSpec, **given: Any) -> str:
    """Return the command of a sweep of the same variant on the same data, with as many epochs and confirm runs.

    Args:
        spec: settings; those that are defaults, of another kind, or of place and speed have no option.
        given: settings in addition to them.

    Example:
        >>> sweep_command(SweepSpec(id="1", name="first", epochs=6), enqueue="best.json").partition(" -m ")[2]
        'orchestrator.sweep --variant text_hyper --dataset shapes --epochs 6 --enqueue best.json'
    """
    words: list[str] = []
    for setting in setting_options(SweepSpec):
        value = getattr(spec, setting.name)
        kept = setting.option.panel == DATA_PANEL or setting.name in _TRAININGS
        if setting.name in given:
            value = given[setting.name]
        elif not kept or (value == setting.field.default and setting.name not in _ALWAYS):
            continue
        words += _words(setting, value)
    return f"{tool_command('python')} -m orchestrator.sweep {shlex.join(words)}"


def _words(setting: SettingOption, value: Any) -> Iterator[str]:
    if setting.option.repeatable:
        for one in value:
            yield from (setting.flag, str(one))
    else:
        yield from (setting.flag, ",".join(value) if isinstance(value, tuple) else str(value))
