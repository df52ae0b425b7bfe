"""Conducting a sweep: from a prepared spec through features, search and confirm to its result."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.execution.desk import Arm, Desk, Plan
from orchestrator.execution.interruption import Interruption
from orchestrator.execution.warden import Warden
from orchestrator.execution.watcher import Watcher
from orchestrator.preparation import CONTROL, Prepared, extract_cross_test, extract_features
from orchestrator.reporting.tally import Tally
from orchestrator.reporting.terminal import FeatureProgress, TerminalView
from orchestrator.search.ledger import Ledger, open_journal
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.spec import SweepSpec
from orchestrator.tracking.recorder import SWEEP, Drain, Recorder, now_ms
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.target import experiment_name, open_sink, resolve_tracking_uri
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.execution.cross_test import CrossTest
    from orchestrator.execution.task import SweepTask

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The sweep was stopped by a signal and can go on."""


class Stopped(Exception):
    """The sweep stopped itself for a reason outside of it, in one sentence, and can go on once that is mended."""


@dataclass(frozen=True)
class Books:
    """The ledgers of a sweep: one a study, all in one journal."""

    arms: tuple[Arm, ...]
    confirm: Ledger


def conduct(prepared: Prepared, workspace: Workspace, console: Console, interruption: Interruption) -> dict[str, Any]:
    """Runs the sweep to its end, or on from where it stopped; returns its result, which is also in `result.json`.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        Interrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        Stopped: a full disk, a lost ledger, or the same error in every trial.
    """
    from orchestrator.execution.run import run_jobs

    spec = prepared.spec
    began = time.monotonic()
    features, cross = _features(prepared, console)
    with _session(spec, interruption) as fitting:
        books = open_books(prepared, workspace)
        recorder = Recorder(Spool(workspace.spool), workspace.trials)
        _record_beginning(prepared, workspace, recorder)
        tracking_uri = resolve_tracking_uri(spec.tracking_uri)
        drain = Drain(Spool(workspace.spool), lambda: open_sink(spec, tracking_uri))
        drain.start()
        try:
            slots = min(fitting, spec.concurrency or fitting)
            tally = Tally(budget=_budget(prepared), epochs=spec.epochs, slots=slots)
            title = f"{spec.name}: {spec.variant} on {prepared.dataset.name}, {' and '.join(prepared.targets)}"
            minutes = spec.max_epoch_minutes
            warden = Warden(workspace.trials, minutes * 60 if minutes else None)
            with TerminalView(console, tally, title) as view, warden:
                watchers: list[Watcher] = [recorder, tally, view, warden]
                desk = Desk(_plan(spec, began), books.arms, books.confirm, watchers, interruption.stopping)
                warden.desk = desk
                task = _task(prepared, features, cross, workspace)
                with interruption.patient():
                    run_jobs(desk, task, workspace.tune, slots, spec.cpus_per_trial, spec.gpus_per_trial)
                desk.interrupt()
            if desk.stopped_because:
                raise Stopped(desk.stopped_because)
            if not desk.finished():
                raise Interrupted
            return _conclude(prepared, workspace, books, recorder, drain, tally, tracking_uri, began, console)
        except (Interrupted, Stopped, KeyboardInterrupt):
            recorder.record("tags", SWEEP, tags={"outcome": "interrupted"})
            recorder.record("end", SWEEP, status="KILLED")
            raise
        finally:
            say_what_waits(console, workspace, drain, tracking_uri)


@contextmanager
def _session(spec: SweepSpec, interruption: Interruption) -> Iterator[int]:
    """The Ray session; a signal while it starts is heeded once it has: a half-started one crashes the process."""
    from orchestrator.execution.session import ray_session

    with ExitStack() as stack:
        with interruption.patient():
            session = ray_session(spec.address, spec.cpus_per_trial, spec.gpus_per_trial)
            fitting = stack.enter_context(session)
            interruption.take_over()
        if interruption.stopping.is_set():
            raise KeyboardInterrupt
        yield fitting


def say_what_waits(console: Console, workspace: Workspace, drain: Drain, tracking_uri: str) -> None:
    """Closes a drain, with a word about what has not arrived."""
    if left := drain.close(timeout=60):
        why = f" ({drain.error})" if drain.error else ""
        console.print(
            f"{left} events have not reached MLflow at {tracking_uri}{why}; they wait in {workspace.spool} and go out "
            f"when the sweep is run again by its name.",
            style="yellow",
            soft_wrap=True,
        )


def open_books(prepared: Prepared, workspace: Workspace) -> Books:
    """The sweep's ledgers, opened or made; the known-good default and `--enqueue` come first."""
    spec = prepared.spec
    storage = open_journal(workspace.ledger)
    searches = [("search", spec.variant, prepared.control_of, prepared.space)]
    if prepared.control_space is not None:
        searches.append(("control", CONTROL, spec.variant, prepared.control_space))
    arms = []
    for study, variant, of, space in searches:
        ledger = Ledger(storage, study, space)
        known = len(ledger.all())
        # A resumed sampler with the same seed would propose what it proposed before.
        ledger.use(build_sampler(spec.sampler, spec.seed + known), build_pruner(spec.pruner, spec.epochs))
        own = space.parameter_names()
        # They are a ledger's first trials, in this order: those that a kill left out are the rest.
        for params in (*prepared.enqueued, space.default_params())[known:]:
            ledger.enqueue({key: value for key, value in params.items() if key in own})
        arms.append(Arm(study, variant, of, space, ledger))  # type: ignore[arg-type]
    return Books(tuple(arms), Ledger(storage, "confirm", None))


def _features(prepared: Prepared, console: Console) -> tuple[FeatureSet, CrossTest | None]:
    progress = FeatureProgress(console)
    try:
        return extract_features(prepared, progress), extract_cross_test(prepared, progress)
    finally:
        progress.close()


def _plan(spec: SweepSpec, began: float) -> Plan:
    seconds = spec.max_hours * 3600 - (time.monotonic() - began) if spec.max_hours else math.inf
    return Plan(
        trials=spec.trials,
        confirm=spec.confirm,
        splits=spec.splits,
        seed=spec.seed,
        epochs=spec.epochs,
        concurrency=spec.concurrency,
        deadline=time.time() + seconds,
    )


def _budget(prepared: Prepared) -> int:
    spec = prepared.spec
    arms = 1 if prepared.control_space is None else 2
    confirm = (arms * min(spec.confirm, spec.trials) + 1) * spec.splits if spec.confirm else 0
    return arms * spec.trials + confirm


def _task(prepared: Prepared, features: FeatureSet, cross: CrossTest | None, workspace: Workspace) -> SweepTask:
    from orchestrator.execution.task import make_task

    spec = prepared.spec
    return make_task(
        prepared.dataset,
        features,
        prepared.reads,
        prepared.encoders,
        prepared.targets,
        prepared.splits,
        workspace.trials,
        threads=max(1, int(spec.cpus_per_trial)),
        device="cuda" if spec.gpus_per_trial else "cpu",
        finetune=prepared.finetune,
        cross=cross,
    )


def _record_beginning(prepared: Prepared, workspace: Workspace, recorder: Recorder) -> None:
    from orchestrator.reporting.describe import describe_beginning
    from orchestrator.tracking.provenance import provenance

    spec, dataset = prepared.spec, prepared.dataset
    split = prepared.splits[0]
    settings = json.loads(spec.model_dump_json(exclude={"id", "name", "created", "schema_version"}))
    settings["targets"] = ",".join(prepared.targets)
    settings["encoders"] = ",".join(dict.fromkeys(prepared.encoders.values()))
    params = {key: value for key, value in settings.items() if value is not None}
    note = {"mlflow.note.content": describe_beginning(prepared)}
    tags = {
        **note,
        **provenance(),
        "data_hash": dataset.data_hash,
        "split_hash": split.hash,
        "outcome": "running",
    }
    recorder.record("start", SWEEP, name=spec.name, params=params, tags=tags)
    recorder.record("tags", SWEEP, tags=tags)
    columns = [
        ("image", "string"),
        ("prompt", "string"),
        *((target, "double") for target in prepared.targets),
    ]
    recorder.record(
        "dataset",
        SWEEP,
        name=dataset.name.replace("csv:", ""),
        digest=dataset.data_hash,
        rows=len(dataset),
        source=str(spec.data_root or spec.dataset),
        columns=columns,
        split={
            "protocol": spec.protocol,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "quarantined": len(dataset.quarantined),
        },
    )
    if prepared.cross:
        recorder.record("dataset", SWEEP, **prepared.cross.as_input(spec))
    for path in (workspace.spec, workspace.space, workspace.splits):
        recorder.record("artifacts", SWEEP, path=str(path), into="sweep" if path.is_file() else "sweep/splits")


def _conclude(
    prepared: Prepared,
    workspace: Workspace,
    books: Books,
    recorder: Recorder,
    drain: Drain,
    tally: Tally,
    tracking_uri: str,
    began: float,
    console: Console,
) -> dict[str, Any]:
    """Sums up, draws, tells MLflow, and writes the result last: its presence says that the sweep is finished."""
    from orchestrator.reporting.describe import describe_result
    from orchestrator.reporting.figures import draw_figures
    from orchestrator.reporting.summary import summarise
    from orchestrator.reporting.tables import print_pointers, print_result, write_tables

    with console.status("Summing up") if console.is_terminal else nullcontext():
        busy = tally.busy_share()
        summary = summarise(prepared, books.arms, books.confirm, workspace.trials)
        workspace.report.mkdir(exist_ok=True)
        write_tables(summary, workspace.report)
        draw_figures(summary, books.arms, workspace)
        _record_end(prepared, workspace, recorder, summary, describe_result(prepared, summary))
        drain.close(timeout=120)
        result = summary.as_result()
        result["mlflow"] = mlflow_ids(prepared.spec, tracking_uri, drain, result)
        result["slots"] = {"count": tally.slots, "busy_share": round(busy, 3)}
        result["seconds"] = round(time.monotonic() - began, 1)
    print_result(console, summary)
    print_pointers(console, workspace, result)
    workspace.result.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _record_end(prepared: Prepared, workspace: Workspace, recorder: Recorder, summary: Any, description: str) -> None:
    for line in summary.confirmed:
        if line.representative:
            folder = workspace.trials / line.representative / "model"
            if folder.is_dir():
                name = f"{line.variant}-{line.source}"
                recorder.record(
                    "model",
                    line.representative,
                    path=str(folder),
                    name=name,
                    targets=list(prepared.targets),
                    criteria=prepared.spec.criteria is not None and line.study == "search",
                )
    recorder.record("artifacts", SWEEP, path=str(workspace.report), into="report")
    recorder.record("tags", SWEEP, tags={"mlflow.note.content": description, "outcome": "complete"})
    recorder.record("metrics", SWEEP, now_ms(), step=0, metrics=summary.headline_metrics())
    recorder.record("end", SWEEP, status="FINISHED")


def mlflow_ids(spec: SweepSpec, tracking_uri: str, drain: Drain, result: dict[str, Any]) -> dict[str, Any]:
    """Where the sweep is in MLflow; fills in the runs of the best configurations where they have arrived."""
    sink: Any = drain.sink
    ids: dict[str, Any] = {
        "tracking_uri": tracking_uri,
        "experiment": experiment_name(spec),
        "experiment_id": sink.experiment_id if sink else None,
        "run_id": sink.run_id(SWEEP) if sink else None,
    }
    for part in ("best", "control"):
        if result[part]:
            result[part]["mlflow_run_id"] = sink.run_id(result[part]["run"] or result[part]["source"]) if sink else None
    return ids
