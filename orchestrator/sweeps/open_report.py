"""Address of a sweep's report page or of its MLflow page, opened in a browser if there is one."""

from __future__ import annotations

import json
import sys
import webbrowser
from urllib.parse import urlsplit

from orchestrator.cluster.loopback import refused
from orchestrator.core.errors import InputError
from orchestrator.core.shown_commands import report_command
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.tables import serve_command
from orchestrator.tracking.shared_view import LOCAL_SERVER, runs_address


def report_address(workspace: Workspace) -> str:
    """Return the address of a sweep's report page.

    Raises:
        InputError: the page is missing; the message has the command that writes it.
    """
    path = workspace.report_page
    if not path.is_file():
        command = report_command(workspace.name, workspace.root.parent)
        raise InputError(f"The sweep {workspace.name} has no report page yet. Write it with: {command}")
    return path.as_uri()


def mlflow_address(workspace: Workspace) -> str:
    """Return the address of a finished sweep's runs in MLflow; of those in a database, where `mlflow ui` shows them.

    Raises:
        InputError: the sweep is not finished, or its runs have not reached MLflow.
    """
    try:
        mlflow = json.loads(workspace.result.read_text(encoding="utf-8"))["mlflow"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"The sweep {workspace.name} has no runs in MLflow that its result names.") from error
    uri, experiment = str(mlflow["tracking_uri"]), mlflow.get("experiment_id")
    served = uri.startswith("http")
    address = mlflow.get("page")
    if not address and experiment is not None:  # the result of an earlier version
        address = runs_address(uri if served else LOCAL_SERVER, experiment, load_spec(workspace.spec).id)
    if not address:
        raise InputError(f"The runs of {workspace.name} have not reached MLflow: python -m orchestrator.sync")
    if not served and refused(urlsplit(LOCAL_SERVER).netloc):
        print(f"No server shows it yet. Start it with: {serve_command(uri)}", file=sys.stderr)
    return str(address)


def open_address(address: str) -> bool:
    """Open an address in the browser; return whether there is one."""
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
