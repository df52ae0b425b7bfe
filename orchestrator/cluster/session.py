"""A Ray session: joins a running cluster, or starts one on this machine and shuts it down again."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.cluster.auth_token import own_environment, token_file, use_own_token, use_token
from orchestrator.cluster.loopback import ADDRESS, for_ray, keep_loopback_address, refused, split
from orchestrator.cluster.process_registry import cluster_address
from orchestrator.cluster.ray_folder import ray_folder
from orchestrator.core.errors import InputError

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # otherwise Tune would restart a job in addition to the controller
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # its snapshots are never read: the ledger remembers
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "3600",
}

_FOLDER = "ray"
"""Folder of local sessions in the temporary folder, as Ray itself names it."""

_STARTS = 3
"""Ray gives its start half a minute, which a busy machine may exceed."""

_HEAD_AWAY_SECONDS = 15

_OBJECT_STORE = 256 * 2**20
"""Bytes of the object store in a local session: workers map the feature store's files, so little goes through Ray.
The memory that Ray would reserve by default (30 %) stays free for trials."""

WORKER_MODULES = ("orchestrator.execution.trainable", "orchestrator.execution.training_job")
"""Modules that the workers of a local session import as soon as they start, while this process reads the data."""

_started: dict[str, bool] = {}

logger = logging.getLogger(__name__)


@contextmanager
def ray_session(address: str | None, cpus_per_job: float, gpus_per_job: float) -> Iterator[int]:
    """Yield how many jobs fit at the same time.

    Args:
        address: of a running cluster ("auto" for the one of this host). None takes RAY_ADDRESS or the profile's; if
            neither is set, a local cluster starts.
        cpus_per_job: CPUs of one job.
        gpus_per_job: GPUs of one job; may be a fraction.

    Raises:
        InputError: no cluster answers at `address`, or it could not run a single job.
    """
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    if caller_session():  # it belongs to the program that runs the sweep, and stays
        import ray

        yield require_slots(ray.nodes(), cpus_per_job, gpus_per_job)
        return
    address = cluster_address(address)
    with own_environment():
        _connect(address) if address else _start()
        import ray

        _started["here"] = not address
        try:
            yield require_slots(ray.nodes(), cpus_per_job, gpus_per_job)
        finally:
            _started.clear()
            ray.shutdown()


def started_here() -> bool:
    """Return whether this process has started the cluster that it is connected to."""
    return _started.get("here", False)


def caller_session() -> str | None:
    """Return the address of the cluster that this process has joined already; None if Ray is not initialised."""
    ray = sys.modules.get("ray")
    return ray.get_runtime_context().gcs_address if ray and ray.is_initialized() else None


def check_local_session(address: str | None) -> None:
    """Check that a local cluster could keep its files, unless `address` or the environment names a running one.

    Raises:
        InputError: no folder is fit for Ray's files.
    """
    if not cluster_address(address):
        ray_folder(_FOLDER)


def _connect(address: str) -> None:
    if (port := split(address)[1]) and (error := refused(address)):
        raise InputError(f"No Ray cluster answers at {address}: {error}.")  # Ray itself would try for minutes
    use_token(address)
    import ray
    from ray.exceptions import AuthenticationError, RpcError

    known = for_ray(address) if port else address
    try:
        if port:
            _check_token(known)
        ray.init(address=known, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except AuthenticationError as error:
        token = token_file(address=address)
        told = (
            f"does not take the token in {token}" if token.is_file() else f"asks for a token, and there is no {token}"
        )
        raise InputError(
            f"The Ray cluster at {address} {told}: copy that of its head's host there, or set RAY_AUTH_TOKEN_PATH."
        ) from error
    except (ConnectionError, RpcError) as error:
        raise InputError(f"No Ray cluster lets this host in at {address}: {error}.") from error


def _check_token(address: str) -> None:
    """Raise what is wrong with a token within seconds; `ray.init` tries for half a minute."""
    try:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
    except ImportError:  # another version of Ray
        return
    GcsClient(address=address)


def _start() -> None:
    """Start a cluster of this process's own, whatever others run on this host.

    Only this host reaches it. Its processes end with this one. A killed head is noticed within seconds.

    Raises:
        InputError: no folder is there for Ray's files.
    """
    import ray

    use_own_token()
    folder = ray_folder(_FOLDER) / _FOLDER
    for attempt in range(_STARTS):
        try:
            with keep_loopback_address(), _hangup_blocked():
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    configure_logging=False,
                    object_store_memory=_OBJECT_STORE,
                    _node_ip_address=ADDRESS,
                    _temp_dir=str(folder),
                    _system_config={
                        "gcs_rpc_server_reconnect_timeout_s": _HEAD_AWAY_SECONDS,
                        "preload_python_modules": list(WORKER_MODULES),
                    },
                )
            return
        except Exception as error:  # Ray has no type of its own for it
            ray.shutdown()
            if attempt == _STARTS - 1 or "timed out" not in str(error):
                raise
            logger.warning("Ray did not start in time; starting it again: %s", error)


@contextmanager
def _hangup_blocked() -> Iterator[None]:
    """Block SIGHUP for processes started inside the block; this process handles it afterwards.

    A closed terminal sends it to Ray's processes as well, which then could not end the running epochs.
    """
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def require_slots(nodes: Sequence[dict[str, Any]], cpus: float, gpus: float) -> int:
    """Return `slots_on(nodes, cpus, gpus)`.

    Raises:
        InputError: not a single job fits.
    """
    if slots := slots_on(nodes, cpus, gpus):
        return slots
    there = [node["Resources"] for node in nodes if node["Alive"]]
    most = {name: max((node.get(name, 0) for node in there), default=0) for name in ("CPU", "GPU")}
    raise InputError(
        f"A trial asks for {cpus:g} CPUs and {gpus:g} GPUs; the cluster's largest node has {most['CPU']:g} CPUs "
        f"and {most['GPU']:g} GPUs."
    )


def slots_on(nodes: Sequence[dict[str, Any]], cpus: float, gpus: float) -> int:
    """Return how many jobs fit at the same time: no job spans two nodes, and no part of a GPU spans two GPUs.

    Args:
        nodes: result of `ray.nodes()`.
        cpus, gpus: of one job.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    return sum(_slots(node.get("CPU", 0), node.get("GPU", 0), cpus, gpus) for node in there)


def _slots(cpus_there: float, gpus_there: float, cpus: float, gpus: float) -> int:
    slots = math.floor(cpus_there / cpus + 1e-9)
    if gpus >= 1:
        return min(slots, math.floor(gpus_there / gpus + 1e-9))
    if gpus:
        return min(slots, math.floor(gpus_there) * math.floor(1 / gpus + 1e-9))
    return slots
