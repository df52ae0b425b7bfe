"""Which MLflow, and where in it; a sweep's spool remembers it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.credentials import move_to_environment, refuse_password, without_passwords
from orchestrator.core.spec import SweepSpec
from orchestrator.core.user_profile import find_setting
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import Sink

_FILE = "target.json"


@dataclass(frozen=True)
class TrackingDestination:
    """Where a spool's events go.

    Attributes:
        tracking_uri: MLflow's.
        experiment: name of the experiment.
        sweep_id: told to every run.
        source: what MLflow shows as a run's source.
        asked: tracking URIs that the sweep's settings have named so far.
    """

    tracking_uri: str
    experiment: str
    sweep_id: str
    source: str
    asked: tuple[str, ...] = ()

    def open(self) -> Sink:
        """Connects to MLflow; takes seconds the first time, when a fresh database gets its tables."""
        from orchestrator.tracking.mlflow_sink import MlflowSink
        from orchestrator.tracking.sqlite_init import locked_sqlite

        with locked_sqlite(self.tracking_uri):
            return MlflowSink(self.tracking_uri, self.experiment, self.sweep_id, self.source)


def resolve_tracking_uri(given: str | None) -> str:
    """The tracking URI: the one given, else MLFLOW_TRACKING_URI, else the profile's, else MLflow's default here.

    Raises:
        InputError: it holds a password where that would be shown, or the profile is wrong.
    """
    setting = find_setting("tracking_uri", given)
    if setting is None:
        return f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    if setting.source is None:
        return refuse_password("--tracking-uri", setting.value)
    return move_to_environment(setting.source, setting.value)


def experiment_name(spec: SweepSpec) -> str:
    """One experiment for a variant on a data set: what is worth comparing stands together."""
    dataset = spec.dataset.removeprefix("csv:")
    return f"{spec.variant} on {Path(dataset).stem if spec.dataset.startswith('csv:') else dataset}"


def remembered_target(spool: Spool) -> TrackingDestination | None:
    """Where this spool's events went before, None where that is not known."""
    try:
        content = json.loads((spool.folder / _FILE).read_text())
        return TrackingDestination(**{**content, "asked": tuple(content["asked"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def settle_target(spec: SweepSpec, spool: Spool) -> TrackingDestination:
    """Where a sweep's events go, remembered with its spool.

    A tracking URI that its settings name for the first time; else the one it went to before, so that it goes on there
    from whichever folder and shell; else MLFLOW_TRACKING_URI, the profile or the default.
    """
    before = remembered_target(spool)
    asked = before.asked if before else ()
    if spec.tracking_uri and without_passwords(spec.tracking_uri) not in asked:
        asked, uri = (*asked, spec.tracking_uri), spec.tracking_uri
    else:
        uri = before.tracking_uri if before else resolve_tracking_uri(spec.tracking_uri)
    uri, asked = move_to_environment("--tracking-uri", uri), tuple(without_passwords(one) for one in asked)
    target = TrackingDestination(uri, experiment_name(spec), spec.id, f"orchestrator.sweep {spec.name}", asked)
    remember(spool, target)
    return target


def remember(spool: Spool, target: TrackingDestination) -> None:
    """Keeps the target with the spool; where it is another MLflow than before, everything is told again there."""
    before = remembered_target(spool)
    if before == target:
        return
    if before is not None and before.tracking_uri != target.tracking_uri:
        spool.tell_again(spool.folder.parent / "trials")
    spool.folder.mkdir(parents=True, exist_ok=True)
    write_file(spool.folder / _FILE, json.dumps(asdict(target), indent=1) + "\n")
