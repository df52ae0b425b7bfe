"""Concurrent run of all checks, most of which wait for a service."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.doctor.finding import Finding, fail
from orchestrator.doctor.machine import check_disks, check_files, check_gpus, check_shared_memory, check_weights
from orchestrator.doctor.packages import check_packages
from orchestrator.doctor.services import check_cluster, check_ledger, check_mlflow, check_storage, check_token

Check = Callable[[], list[Finding]]


def run_checks(
    address: str | None, tracking_uri: str | None, ledger: str | None, storage: str | None, out: Path
) -> list[Finding]:
    """Run all checks and return their findings.

    Args:
        address, tracking_uri, ledger, storage: options of the command; None for the environment or the profile.
        out: folder that sweeps live in.

    Raises:
        InputError: an address contains a visible password, or the profile is invalid.
    """
    from orchestrator.cluster.auth_token import token_file
    from orchestrator.cluster.process_registry import cluster_address
    from orchestrator.core.service_addresses import find_setting
    from orchestrator.tracking.destination import find_tracking_uri

    cluster, uri = cluster_address(address), find_tracking_uri(tracking_uri)
    ledger_setting, storage_setting = find_setting("ledger", ledger), find_setting("storage_path", storage)
    token = token_file(address=cluster)
    checks: dict[str, Check] = {
        "packages": check_packages,
        "weights": check_weights,
        "GPUs": check_gpus,
        "disk": lambda: check_disks(out),
        "shared memory": check_shared_memory,
        "files": check_files,
        "MLflow": lambda: check_mlflow(uri),
        "ledger": lambda: check_ledger(ledger_setting.value if ledger_setting else None),
        "storage": lambda: check_storage(storage_setting.value if storage_setting else None),
        "cluster": lambda: check_cluster(cluster),
        "token": lambda: check_token(token),
    }
    with ThreadPoolExecutor(len(checks)) as pool:
        results = list(pool.map(lambda item: _safely(*item), checks.items()))
    return [finding for findings in results for finding in findings]


def _safely(name: str, check: Check) -> list[Finding]:
    try:
        return check()
    except InputError as error:
        return [fail(name, str(error), "change the setting that the message names")]
    except Exception as error:  # a check that raises must not hide the others
        return [fail(name, f"could not be checked: {type(error).__name__}: {error}", "report it")]
