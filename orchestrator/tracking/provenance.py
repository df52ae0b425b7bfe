"""Provenance of a result: code, packages, machine, data, weights and settings."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.url_passwords import without_passwords

if TYPE_CHECKING:
    from orchestrator.core.spec import SweepSpec

_PACKAGES = ("torch", "torchvision", "timm", "ray", "optuna", "mlflow", "numpy", "scipy", "scikit-learn")


PROVENANCE = "provenance.json"
"""Name of a run's file with its provenance."""


def provenance() -> dict[str, str]:
    """Return commit and whether the tree was clean, versions, host, processors."""
    from orchestrator import __version__

    tags = {
        "version.hyperassess": __version__,
        "host": socket.gethostname(),
        "python": platform.python_version(),
    }
    tags["cpus"] = str(os.cpu_count())
    tags |= {f"version.{name}": release for name in _PACKAGES if (release := _version(name))}
    root = Path(__file__).resolve().parents[2]
    if commit := _git(root, "rev-parse", "HEAD"):
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git(root, "status", "--porcelain"))).lower()
    return tags


def filter_tags() -> dict[str, str]:
    """Return the tags by which people filter runs: user, commit, host, processors."""
    found = provenance()
    tags = {name: found[name] for name in ("host", "cpus")}
    with suppress(KeyError, OSError):  # a container may lack an entry for its user
        tags["mlflow.user"] = getpass.getuser()
    if "git.commit" in found:
        tags["mlflow.source.git.commit"] = found["git.commit"]  # MLflow's own name, which its pages show
    return tags


def public_settings(spec: SweepSpec) -> str:
    """Return the whole spec as JSON, without the passwords in URLs."""
    return without_passwords(spec.model_dump_json())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, encoding="utf-8"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
