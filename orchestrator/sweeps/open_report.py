"""Address of a sweep's report page or of its MLflow page, opened in a browser if there is one."""

from __future__ import annotations

import json
import webbrowser

from orchestrator.core.errors import InputError
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.page.write_page import page_path
from orchestrator.sweeps.resume_hint import report_command


def report_address(workspace: Workspace) -> str:
    """Return the address of a sweep's report page.

    Raises:
        InputError: the page is missing; the message has the command that writes it.
    """
    path = page_path(workspace)
    if not path.is_file():
        command = report_command(load_spec(workspace.spec), workspace.root.parent)
        raise InputError(f"The sweep {workspace.name} has no report page yet. Write it with: {command}")
    return path.as_uri()


def mlflow_address(workspace: Workspace) -> str:
    """Return the address of a finished sweep's runs on its MLflow server.

    Raises:
        InputError: the sweep is not finished, or its runs lie in a database that no server shows.
    """
    try:
        mlflow = json.loads(workspace.result.read_text(encoding="utf-8"))["mlflow"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"The sweep {workspace.name} has no runs in MLflow that its result names.") from error
    uri, experiment = str(mlflow["tracking_uri"]), mlflow.get("experiment_id")
    if not uri.startswith("http"):
        raise InputError(f"The runs lie in {uri}. Start MLflow with: mlflow ui --backend-store-uri {uri}")
    # Without the workflow type MLflow opens a page about traces of language models.
    runs = f"/{experiment}/runs?workflowType=machine_learning" if experiment is not None else ""
    return f"{uri.rstrip('/')}/#/experiments{runs}"


def open_address(address: str) -> bool:
    """Open an address in the browser; return whether there is one."""
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
