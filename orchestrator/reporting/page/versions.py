"""Section on versions and settings, and the commands that run the sweep or its best model again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from orchestrator.core.shown_commands import command, out_option, report_command, resume_command, show_command
from orchestrator.core.sweep_command import sweep_command
from orchestrator.core.url_passwords import without_passwords
from orchestrator.reporting.page.markup import table
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.sweep_record import SweepRecord


def versions(record: SweepRecord) -> Section | None:
    """Return the section on versions, settings and commands."""
    commands = "".join(f"<p>{escape(what)}</p><pre>{escape(line)}</pre>" for what, line in _commands(record))
    settings = table(("setting", "value"), _settings(record), "Settings")
    found = _read(record.workspace.provenance) | _read(record.workspace.identity)
    rows = [(name, _text(value)) for name, value in _flat(found) if name != "space"]  # space.yaml has it
    provenance = table(("what", "version or hash"), rows, "Code, packages, machine and data") if rows else ""
    return Section("versions", "Versions, and how to run it again", (), (), f"{commands}{settings}{provenance}")


def _commands(record: SweepRecord) -> list[tuple[str, str]]:
    name, best = record.spec.name, (record.result or {}).get("best")
    out = record.workspace.root.parent
    again = ("Run the same search again:", _again(record))
    if record.result is None:
        return [("Resume the sweep, if no process runs it:", resume_command(name, out)), again]
    commands = [again, ("Show the result, and write this page again:", show_command(name, out))]
    commands.append(("", report_command(name, out)))
    if best:
        run = best.get("run") or best["source"]
        rerun = command("rerun", f"{name}/{run}", out)
        commands.append(("Train the best model again and compare its curve:", rerun))
        folder = out_option(out, "--sweeps")
        score = f'python -m orchestrator.score --model {name}{folder} --prompt "a red fox in snow" IMAGE…'
        commands.append(("Score images with it:", score))
    return commands


def _again(record: SweepRecord) -> str:
    spec = record.spec
    search = {name: getattr(spec, name) for name in ("trials", "sampler", "pruner", "seed")}
    own = {"space": str(record.workspace.space)} if spec.space else {}
    return f"python -m {sweep_command(spec, **search, **own).partition(' -m ')[2]}"


def _settings(record: SweepRecord) -> list[tuple[str, str]]:
    content = json.loads(record.spec.model_dump_json())
    return [(key, _text(value)) for key, value in content.items() if value not in (None, [], "")]


def _read(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flat(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values that are not null, the values of splits and encoders one by one."""
    for name, value in content.items():
        if isinstance(value, dict) and name != "space":
            yield from ((f"{name} {key}", inner) for key, inner in value.items())
        elif value is not None:
            yield name, value


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return without_passwords(text)
