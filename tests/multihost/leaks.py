"""Search for passwords in public places: arguments of processes, logs, a sweep's folder, MLflow."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil
from mlflow.entities import Run


def in_arguments(secrets: Mapping[str, str]) -> list[str]:
    """List the secrets in arguments of running processes; the hosts' processes are visible from the sandbox."""
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    assert any("orchestrator.sweep" in line for line in lines), "the sweep's processes are not seen"
    return [f"the {name} in {line}" for name, secret in secrets.items() for line in lines if secret in line]


def in_files(secrets: Mapping[str, str], folders: Iterable[Path]) -> list[str]:
    """List the secrets in files below the folders."""
    found = []
    files = 0
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        files += 1
        found += [f"the {name} in {path}" for name, secret in secrets.items() if secret.encode() in content]
    assert files, "no file was read"
    return found


def in_runs(secrets: Mapping[str, str], runs: Iterable[Run]) -> list[str]:
    """List the secrets in MLflow runs."""
    return [f"the {name} in a run" for name, secret in secrets.items() for run in runs if secret in str(run.data)]
