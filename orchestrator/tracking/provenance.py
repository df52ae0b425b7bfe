"""Where a result comes from: code, packages, machine."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("torch", "torchvision", "timm", "ray", "optuna", "mlflow", "numpy", "scipy", "scikit-learn")


def provenance() -> dict[str, str]:
    """Tags of a run: commit and whether the tree was clean, versions, host, processors."""
    from orchestrator import __version__

    tags = {
        "version.hyperassess": __version__,
        "host": socket.gethostname(),
        "python": platform.python_version(),
    }
    tags["cpus"] = str(os.cpu_count())
    tags |= {f"version.{name}": found for name in _PACKAGES if (found := _version(name))}
    root = Path(__file__).resolve().parents[2]
    if commit := _git(root, "rev-parse", "HEAD"):
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git(root, "status", "--porcelain"))).lower()
    return tags


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
