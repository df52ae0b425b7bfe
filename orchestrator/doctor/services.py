"""What a sweep reaches: MLflow, the ledger, the storage of checkpoints, the cluster."""

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
from orchestrator.core.credentials import without_passwords
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import storage_url
from orchestrator.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from requests import Response

SECONDS = 3.0
"""That each place has to answer."""

_SKEW, _TOO_MUCH_SKEW = 5.0, 60.0


def check_mlflow(uri: str) -> list[Finding]:
    """Whether MLflow answers and lets this user in, how far its clock is off, and whether its version is recent."""
    if not uri.startswith(("http://", "https://")):
        return [_check_store(uri)]
    import requests

    user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    auth = (user, password or "") if user else None
    try:
        answer = _ask(uri, auth)
    except requests.RequestException as error:
        mend = "start it, or name another with --tracking-uri, MLFLOW_TRACKING_URI or the profile"
        return [fail("MLflow", f"nobody answers at {uri} ({type(error).__name__})", mend)]
    found = [_access(uri, answer), *_skew("MLflow's server", answer.headers.get("Date"))]
    if not is_loopback(urlsplit(uri).hostname or ""):
        if auth and uri.startswith("http://"):
            found.append(warn("MLflow", f"{uri} gets its password without encryption", "serve it over https"))
        if answer.ok and _lets_anybody_in(uri):
            mend = "start it by docker/scripts/mlflow.sh, or with --app-name basic-auth"
            found.append(warn("MLflow", f"{uri} lets everybody change its runs and models", mend))
    return [*found, *_server_version(uri)]


def _ask(uri: str, auth: tuple[str, str] | Callable[..., Any] | None) -> Response:
    import requests

    where = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
    return requests.get(where, params={"max_results": "1"}, auth=auth, timeout=SECONDS)


def _lets_anybody_in(uri: str) -> bool:
    import requests

    try:
        return _ask(uri, lambda request: request).ok  # nor by ~/.netrc
    except requests.RequestException:
        return False


def check_ledger(given: str | None) -> list[Finding]:
    """Whether the ledger's database answers."""
    if given is None:
        return [ok("ledger", "a file of each sweep")]
    from orchestrator.core.ledger_url import ledger_url
    from orchestrator.search.rdb_storage import check_database

    try:
        check_database(ledger_url(given))
    except InputError as error:
        mend = "start the database, mend --ledger or HYPERASSESS_LEDGER; passwords come from PGPASSWORD or ~/.pgpass"
        return [fail("ledger", str(error), mend)]
    return [ok("ledger", f"{without_passwords(ledger_url(given))} answers")]


def check_storage(given: str | None) -> list[Finding]:
    """Whether a folder or an object store takes a file, and gives it back; raises InputError where it is neither."""
    if given is None:
        return []
    place = storage_url(given)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.doctor.storage_probe"],
            input=place,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
        )
        said = (done.stderr.strip().splitlines() or ["no reason was given"])[-1] if done.returncode else None
    except subprocess.TimeoutExpired:
        said = f"no answer within {2 * SECONDS:.0f} seconds"
    if said is None:
        return [ok("storage", f"{place} takes files")]
    mend = "mend the address or the rights; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return [fail("storage", f"{place} takes no file: {without_passwords(said)}", mend)]


def check_cluster(address: str | None) -> list[Finding]:
    """Whether the cluster lets this user in, which hosts it has lost, and how far their clocks are off."""
    if address is None:
        return [ok("cluster", "none: sweeps start Ray on this machine")]
    from orchestrator.cluster.auth_token import token_file
    from orchestrator.cluster.clock_skew import clock_offsets
    from orchestrator.cluster.inspect import inspect_cluster, totals

    with ThreadPoolExecutor(1) as pool:  # who has no part of the cluster waits in vain for the clocks
        asked = pool.submit(clock_offsets, address, SECONDS)
        view = inspect_cluster(address, seconds=SECONDS)
        offsets = asked.result()
    if view.error:
        mend = (
            f"start it (python -m orchestrator.cluster up --head), or copy its token to {token_file(address=address)}"
        )
        return [fail("cluster", view.error, mend)]
    found = [ok("cluster", f"{address}: {totals(view)}")]
    lost = [host.address for host in view.hosts if not host.alive]
    if lost:
        mend = "on each: python -m orchestrator.cluster status, and join again"
        found.append(warn("cluster", f"lost since it began: {', '.join(lost)}", mend))
    if offsets is None:
        mend = "ask again when it has room; the hosts' clocks should be kept by NTP"
        found.append(warn("clocks", "the cluster's hosts did not tell their time", mend))
        return found
    for host, offset in sorted(offsets.items()):
        found += _offset(host, offset)
    return found


def check_token(path: Path) -> list[Finding]:
    """Whether only its owner reads the cluster's token, where there is one."""
    if not path.is_file():
        return []
    if path.stat().st_mode & 0o077:
        return [warn("token", f"others on this machine may read {path}", f"chmod 600 {path}")]
    return [ok("token", f"only its owner reads {path}")]


def _check_store(uri: str) -> Finding:
    """An MLflow without a server: a database or a folder."""
    if not uri.startswith("sqlite:"):
        try:
            from orchestrator.search.rdb_storage import check_database

            check_database(uri)
            return ok("MLflow", f"{uri} answers")
        except InputError as error:
            return fail("MLflow", str(error).replace("The ledger", "MLflow's database"), "mend --tracking-uri")
    file = Path(uri.removeprefix("sqlite:///")).absolute()
    place = file if file.exists() else file.parent
    if os.access(place, os.W_OK):
        return ok("MLflow", f"{uri}, without a server")
    return fail("MLflow", f"{place} cannot be written", "name another with --tracking-uri")


def _access(uri: str, answer: Response) -> Finding:
    if answer.status_code in {401, 403}:
        mend = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; a server may also refuse this host's name"
        return fail("MLflow", f"{uri} lets this user not in ({answer.status_code})", mend)
    if not answer.ok:
        return fail("MLflow", f"{uri} answers with {answer.status_code}", "is it an MLflow server? its log says more")
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


def _skew(whose: str, date: str | None) -> list[Finding]:
    try:
        then = parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return []
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return _offset(whose, (then - datetime.now(UTC)).total_seconds())


def _offset(whose: str, seconds: float) -> list[Finding]:
    if abs(seconds) < _SKEW:
        return [ok("clocks", f"{whose}: as here")]
    said = f"{whose}: {abs(seconds):.0f} seconds {'ahead' if seconds > 0 else 'behind'}"
    mend = "let NTP keep both clocks (timedatectl set-ntp true)"
    return [(fail if abs(seconds) >= _TOO_MUCH_SKEW else warn)("clocks", said, mend)]
