"""`python -m orchestrator.stop`: stop a running sweep, or end one of its trials, from any terminal."""

from __future__ import annotations

import json as json_format
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, SWEEPS, Debug, Out, Sweep, flag

_STOP = "Stop"


@command
@examples("python -m orchestrator.stop SWEEP --wait", "python -m orchestrator.stop SWEEP --trial 7")
def stop(
    sweep: Sweep,
    now: Annotated[bool, flag("Do not wait for running epochs, as a second Ctrl-C.", _STOP)] = False,
    wait: Annotated[bool, flag("Return when the sweep no longer runs.", _STOP)] = False,
    trial: Annotated[
        str | None,
        typer.Option(
            help="End this trial alone, as pruned: 7, or control-0003.", rich_help_panel=_STOP, show_default=False
        ),
    ] = None,
    out: Out = SWEEPS,
    json: Annotated[bool, flag("Print one JSON object.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Stop a running sweep as Ctrl-C in its terminal does; it can be resumed.

    The command returns as soon as the request is in the sweep's folder, which this user must be able to write.
    """
    from orchestrator.core.errors import InputError
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.core.sweep_requests import RequestKind
    from orchestrator.sweeps.send_request import ANSWER_SECONDS, print_end, print_sent, send, trial_key, wait_for_end

    workspace = find_sweep(sweep, out)
    if trial is not None:
        if now or wait:
            raise InputError("--trial ends one trial, and the sweep continues: omit --now and --wait.")
        print_sent(send(workspace, RequestKind.STOP_TRIAL, {"trial": trial_key(trial)}, ANSWER_SECONDS), json)
        return
    sent = send(workspace, RequestKind.STOP, {"now": now}, 0.0)
    if not json:
        when = "at once" if now else "when its running epochs have ended"
        print(f"Recorded: {workspace.name}, which runs {sent.driver}, stops {when}.", flush=True)
    end = wait_for_end(sent) if wait else None
    if json:
        print(json_format.dumps({**sent.as_dict(), "ended": end and str(end)}))
    elif end:
        print_end(sent, end)


if __name__ == "__main__":
    stop()
