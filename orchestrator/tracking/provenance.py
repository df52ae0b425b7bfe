"""Provenance of a result: code, packages, machine, data, weights and settings."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.url_passwords import without_passwords
from orchestrator.execution.machine_tags import device_name

if TYPE_CHECKING:
    from orchestrator.core.spec import SweepSpec
    from orchestrator.execution.job import Job

_PACKAGES = ("torch", "torchvision", "timm", "ray", "optuna", "mlflow", "numpy", "scipy", "scikit-learn")


def provenance() -> dict[str, str]:
    """Return tags of a run: commit and whether the tree was clean, versions, host, processors."""
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


TAG_LIMIT = 8000
"""Characters that MLflow keeps of a tag."""


def run_tags(
    spec: SweepSpec, data_hash: str, splits: Mapping[int, str], encoders: Mapping[str, str], device: str
) -> Callable[[Job], dict[str, Any]]:
    """Return a function from a job to its tags, which with the sweep's space and splits allow a rerun of its training.

    Args:
        spec: the sweep's settings.
        data_hash: hash of its data set.
        splits: index → hash of the split.
        encoders: kind → identity of the encoder, with its weights' hash.
        device: "cpu" or "cuda".
    """
    common = {
        **provenance(),
        "device": device_name(device),
        "data_hash": data_hash,
        "spec": public_settings(spec),
        **{f"encoder.{kind}": identity for kind, identity in encoders.items()},
    }

    def tags(job: Job) -> dict[str, Any]:
        content = json.dumps(job.as_dict())
        # A longer job would be cut; a run without this tag is rerun from the sweep's ledger.
        job_tag = {"job": content} if len(content) <= TAG_LIMIT else {}
        return {**common, "split_hash": splits[job.split], **job_tag}

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
