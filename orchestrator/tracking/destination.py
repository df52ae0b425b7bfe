"""The MLflow server and experiment that a sweep's events go to; stored with its spool."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.core.service_addresses import find_setting
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sqlite_url import sqlite_file, sqlite_url
from orchestrator.core.url_passwords import move_to_environment, refuse_password, without_passwords
from orchestrator.tracking.check_uri_form import check_tracking_uri
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import Sink

_FILE = "target.json"


@dataclass(frozen=True)
class TrackingDestination:
    """Destination of a spool's events.

    Attributes:
        tracking_uri: tracking URI of MLflow.
        experiment: name of the experiment.
        sweep_id: tag of every run.
        source: source of the runs, as MLflow shows it.
        asked: tracking URIs that the sweep's settings have named so far.
    """

    tracking_uri: str
    experiment: str
    sweep_id: str
    source: str
    asked: tuple[str, ...] = ()

    def open(self) -> Sink:
        """Connect to MLflow. The first time takes seconds, because a new database gets its tables."""
        from orchestrator.tracking.mlflow_sink import MlflowSink
        from orchestrator.tracking.sqlite_init import locked_sqlite

        with locked_sqlite(self.tracking_uri):
            return MlflowSink(self.tracking_uri, self.experiment, self.sweep_id, self.source)


def default_tracking_uri() -> str:
    """Return the URI of the database `mlflow.db` in the working folder."""
    return sqlite_url(Path.cwd() / "mlflow.db")


def resolve_tracking_uri(uri: str | None) -> str:
    """Return the given tracking URI, else MLFLOW_TRACKING_URI, else the profile's, else `mlflow.db` in this folder.

    Raises:
        InputError: MLflow can never use the URI, it has a password that would be shown, or the profile is wrong.
    """
    found = find_tracking_uri(uri)
    check_tracking_uri(found)
    return found


def resolve_existing_tracking_uri(uri: str | None) -> str:
    """Return what `resolve_tracking_uri` does, for a command that only reads what is there.

    Raises:
        InputError: as there, or the URI is of a database that does not exist or does not answer.
    """
    found = resolve_tracking_uri(uri)
    file = sqlite_file(found)
    if file is not None and not file.is_file():  # MLflow would create it
        raise InputError(f"There is no MLflow database {file}: run a sweep, or choose another with --tracking-uri.")
    if found.startswith("postgresql"):
        from orchestrator.search.rdb_storage import check_database

        try:
            check_database(found)  # MLflow itself would try for minutes
        except InputError as error:
            raise InputError(str(error).replace("The ledger", "MLflow's database")) from error
    return found


def find_tracking_uri(uri: str | None) -> str:
    """Return what `resolve_tracking_uri` does, whatever its form.

    Raises:
        InputError: the URI has a password that would be shown, or the profile is wrong.
    """
    setting = find_setting("tracking_uri", uri)
    if setting is None:
        return default_tracking_uri()
    if setting.source is None:
        return refuse_password("--tracking-uri", setting.value)
    return move_to_environment(setting.source, setting.value)


def experiment_name(spec: SweepSpec) -> str:
    """Return the experiment's name: one for each variant and data set, whose runs can be compared."""
    dataset = spec.dataset.removeprefix("csv:")
    return f"{spec.variant} on {Path(dataset).stem if spec.dataset.startswith('csv:') else dataset}"


def stored_destination(spool: Spool) -> TrackingDestination | None:
    """Return the destination that is stored with a spool, None if there is none."""
    try:
        content = json.loads((spool.folder / _FILE).read_text(encoding="utf-8"))
        return TrackingDestination(**{**content, "asked": tuple(content["asked"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def choose_destination(spec: SweepSpec, spool: Spool) -> TrackingDestination:
    """Choose the destination of a sweep's events and store it with the spool; see `plan_destination`."""
    target = plan_destination(spec, spool)
    store_destination(spool, target)
    return target


def plan_destination(spec: SweepSpec, spool: Spool) -> TrackingDestination:
    """Return the destination of a sweep's events.

    It is the tracking URI of the settings, if they name it for the first time. Otherwise it is the one before, so that
    a resume from another folder or shell changes nothing. Otherwise it is MLFLOW_TRACKING_URI, the profile's or the
    default.
    """
    before = stored_destination(spool)
    asked = before.asked if before else ()
    if spec.tracking_uri and without_passwords(spec.tracking_uri) not in asked:
        asked, uri = (*asked, spec.tracking_uri), spec.tracking_uri
    else:
        uri = before.tracking_uri if before else find_tracking_uri(spec.tracking_uri)
    uri, asked = move_to_environment("--tracking-uri", uri), tuple(without_passwords(address) for address in asked)
    return TrackingDestination(uri, experiment_name(spec), spec.id, f"orchestrator.sweep {spec.name}", asked)


def store_destination(spool: Spool, target: TrackingDestination) -> None:
    """Store the destination with the spool; if the tracking URI changed, mark all events as unsent."""
    before = stored_destination(spool)
    if before == target:
        return
    if before is not None and before.tracking_uri != target.tracking_uri:
        spool.resend_all(spool.folder.parent / "trials")
    spool.folder.mkdir(parents=True, exist_ok=True)
    write_file(spool.folder / _FILE, json.dumps(asdict(target), indent=1) + "\n")
