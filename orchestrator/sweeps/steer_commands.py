"""Commands that steer a running sweep from any terminal: pause, unpause, enqueue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import examples
from orchestrator.core.cli_options import SWEEPS, Debug, Json, Out, Sweep


@examples("python -m orchestrator.sweeps pause SWEEP", "python -m orchestrator.sweeps pause SWEEP --json")
def pause(sweep: Sweep, out: Out = SWEEPS, json: Json = False, debug: Debug = False) -> None:
    """Pause a running sweep: its trials are interrupted at the end of their epoch, and its slots are free."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.core.sweep_requests import RequestKind
    from orchestrator.sweeps.send_request import ANSWER_SECONDS, print_sent, send

    print_sent(send(find_sweep(sweep, out), RequestKind.PAUSE, {}, ANSWER_SECONDS), json)


@examples("python -m orchestrator.sweeps unpause SWEEP", "python -m orchestrator.sweeps unpause SWEEP --json")
def unpause(sweep: Sweep, out: Out = SWEEPS, json: Json = False, debug: Debug = False) -> None:
    """Let a paused sweep continue: its trials resume from their checkpoints."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.core.sweep_requests import RequestKind
    from orchestrator.sweeps.send_request import ANSWER_SECONDS, print_sent, send

    print_sent(send(find_sweep(sweep, out), RequestKind.UNPAUSE, {}, ANSWER_SECONDS), json)


@examples(
    "python -m orchestrator.sweeps enqueue SWEEP first.yaml",
    "python -m orchestrator.sweeps enqueue SWEEP first.csv --json",
)
def enqueue(
    sweep: Sweep,
    file: Annotated[Path, typer.Argument(help="Configurations, as --enqueue of a sweep takes them.")],
    out: Out = SWEEPS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Try configurations of a YAML, JSON or CSV file as the next trials of a sweep, within its budget."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.enqueue_file import enqueue_file

    enqueue_file(find_sweep(sweep, out), file, json)
