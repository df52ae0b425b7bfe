"""Checks of the services that a sweep uses: MLflow, the ledger, the storage of checkpoints, the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.cluster.loopback import is_loopback
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import storage_url
from orchestrator.core.sqlite_url import sqlite_file
from orchestrator.core.url_passwords import without_passwords
from orchestrator.doctor.finding import Finding, fail, ok, warn
from orchestrator.tracking.check_uri_form import check_tracking_uri

if TYPE_CHECKING:
    from requests import Response

SECONDS = 3.0
"""Seconds that each service has to answer."""

_WARN_SKEW, _FAIL_SKEW = 5.0, 60.0
"""Seconds of clock skew from which the check warns or fails."""


def check_mlflow(uri: str) -> list[Finding]:
    """Check that MLflow answers and accepts this user, its clock skew, its encryption and its version."""
    try:
        check_tracking_uri(uri)
    except InputError as error:
        return [fail("MLflow", str(error), "correct --tracking-uri, MLFLOW_TRACKING_URI or the profile")]
    if not uri.startswith(("http://", "https://")):
        return [_check_store(uri)]
    import requests

    user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    auth = (user, password or "") if user else None
    try:
        answer = _ask(uri, auth)
    except requests.RequestException as error:
        fix = "start it, or choose another with --tracking-uri, MLFLOW_TRACKING_URI or the profile"
        return [fail("MLflow", f"no server answers at {uri} ({type(error).__name__})", fix)]
    found = [_access(uri, answer), *_date_skew("MLflow's server", answer.headers.get("Date"))]
    if not is_loopback(urlsplit(uri).hostname or ""):
        if auth and uri.startswith("http://"):
            found.append(warn("MLflow", f"{uri} receives its password without encryption", "serve it over https"))
        if answer.ok and _accepts_anonymous(uri):
            fix = "start it by docker/scripts/mlflow.sh, or with --app-name basic-auth"
            found.append(warn("MLflow", f"{uri} accepts changes of runs and models without a password", fix))
    return [*found, *_server_version(uri)]


def _ask(uri: str, auth: tuple[str, str] | Callable[..., Any] | None) -> Response:
    import requests

    where = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
    return requests.get(where, params={"max_results": "1"}, auth=auth, timeout=SECONDS)


def _accepts_anonymous(uri: str) -> bool:
    import requests

    try:
        return _ask(uri, lambda request: request).ok  # not even with a password from ~/.netrc
    except requests.RequestException:
        return False


def check_ledger(given: str | None) -> list[Finding]:
    """Check that the ledger's database answers."""
    if given is None:
        return [ok("ledger", "a file in each sweep's folder")]
    from orchestrator.core.ledger_url import ledger_url
    from orchestrator.search.rdb_storage import check_database

    try:
        check_database(ledger_url(given))
    except InputError as error:
        fix = (
            "start the database, or correct --ledger or HYPERASSESS_LEDGER; passwords come from PGPASSWORD or ~/.pgpass"
        )
        return [fail("ledger", str(error), fix)]
    return [ok("ledger", f"{without_passwords(ledger_url(given))} answers")]


def check_storage(given: str | None) -> list[Finding]:
    """Check that a folder or an object store stores and returns a file; raise InputError if it is neither."""
    if given is None:
        return []
    url = storage_url(given)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.doctor.storage_probe"],
            input=url,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            encoding="utf-8",
        )
        said = (done.stderr.strip().splitlines() or ["no reason"])[-1] if done.returncode else None
    except subprocess.TimeoutExpired:
        said = f"no answer within {2 * SECONDS:.0f} seconds"
    if said is None:
        return [ok("storage", f"{url} stores files")]
    fix = "correct the address or the permissions; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return [fail("storage", f"{url} does not store a file: {without_passwords(said)}", fix)]


def check_cluster(address: str | None) -> list[Finding]:
    """Check that the cluster accepts this user, its lost nodes, and the clock skew of the others."""
    if address is None:
        return [ok("cluster", "none: sweeps start Ray on this machine")]
    from orchestrator.cluster.auth_token import token_file
    from orchestrator.cluster.clock_skew import clock_offsets
    from orchestrator.cluster.inspect import inspect_cluster, totals

    with ThreadPoolExecutor(1) as pool:  # concurrent, since a cluster that refuses this user never sends its clocks
        future = pool.submit(clock_offsets, address, SECONDS)
        view = inspect_cluster(address, seconds=SECONDS)
        offsets = future.result()
    if view.error:
        fix = f"start it (python -m orchestrator.cluster up --head), or copy its token to {token_file(address=address)}"
        return [fail("cluster", view.error, fix)]
    found = [ok("cluster", f"{address}: {totals(view)}")]
    lost = [host.address for host in view.hosts if not host.alive]
    if lost:
        fix = "join them again; see python -m orchestrator.cluster status on each"
        found.append(warn("cluster", f"lost since its start: {', '.join(lost)}", fix))
    if offsets is None:
        fix = "run this again when it has free CPUs; keep the nodes' clocks with NTP"
        found.append(warn("clocks", "the cluster's nodes did not report their time", fix))
        return found
    for host, offset in sorted(offsets.items()):
        found += _offset(host, offset)
    return found


def check_token(path: Path) -> list[Finding]:
    """Check that only its owner can read the cluster's token, if there is one."""
    if not path.is_file():
        return []
    if path.stat().st_mode & 0o077:
        return [warn("token", f"others on this machine may read {path}", f"chmod 600 {path}")]
    return [ok("token", f"only its owner reads {path}")]


def _check_store(uri: str) -> Finding:
    """Check an MLflow without a server, a database or a folder."""
    if not uri.startswith("sqlite:"):
        try:
            from orchestrator.search.rdb_storage import check_database

            check_database(uri)
            return ok("MLflow", f"{uri} answers")
        except InputError as error:
            return fail("MLflow", str(error).replace("The ledger", "MLflow's database"), "correct --tracking-uri")
    file = sqlite_file(uri) or Path(uri.removeprefix("sqlite:///")).absolute()
    place = file if file.exists() else file.parent
    if os.access(place, os.W_OK):
        return ok("MLflow", f"{uri}, without a server")
    return fail("MLflow", f"{place} cannot be written", "choose another with --tracking-uri")


def _access(uri: str, answer: Response) -> Finding:
    if answer.status_code in {401, 403}:
        fix = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; the server may also refuse this host name"
        return fail("MLflow", f"{uri} refuses this user ({answer.status_code})", fix)
    if not answer.ok:
        return fail(
            "MLflow", f"{uri} answers with {answer.status_code}", "check that it is an MLflow server, and its log"
        )
    return ok("MLflow", f"{uri} answers")


def _server_version(uri: str) -> list[Finding]:
    import requests
    from packaging.version import InvalidVersion, Version

    from orchestrator.doctor.packages import minimum_version

    try:
        answer = requests.get(f"{uri.rstrip('/')}/version", timeout=SECONDS)
        found, least = Version(answer.text.strip()), minimum_version("mlflow")
    except (requests.RequestException, InvalidVersion):
        return []
    if not answer.ok or least is None or found >= least:
        return []
    said = f"the server runs MLflow {found}, older than {least}, so it may have security holes that were fixed since"
    return [warn("MLflow", said, f"upgrade it to {least} or later")]


def _date_skew(name: str, date: str | None) -> list[Finding]:
    try:
        then = parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return []
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return _offset(name, (then - datetime.now(UTC)).total_seconds())


def _offset(name: str, seconds: float) -> list[Finding]:
    if abs(seconds) < _WARN_SKEW:
        return [ok("clocks", f"{name}: as on this machine")]
    said = f"{name}: {abs(seconds):.0f} seconds {'ahead' if seconds > 0 else 'behind'}"
    fix = "keep both clocks with NTP (timedatectl set-ntp true)"
    return [(fail if abs(seconds) >= _FAIL_SKEW else warn)("clocks", said, fix)]
