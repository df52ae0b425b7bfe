"""Conducting a sweep: from a prepared spec through features, search and confirm to its result."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.errors import LedgerLost
from orchestrator.execution.desk import Arm, Desk, Plan
from orchestrator.execution.interruption import Interruption
from orchestrator.execution.job import Study
from orchestrator.execution.warden import Warden
from orchestrator.execution.watcher import Watcher
from orchestrator.preparation import CONTROL, Prepared, extract_cross_test, extract_features
from orchestrator.reporting.tally import Tally
from orchestrator.reporting.terminal import FeatureProgress, TerminalView
from orchestrator.search.first_trials import FirstTrials
from orchestrator.search.ledger import Ledger
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.storages import open_storage, study_name
from orchestrator.spec import SweepSpec
from orchestrator.tracking.drain import Drain
from orchestrator.tracking.kept_files import tidy
from orchestrator.tracking.orphans import close_orphans
from orchestrator.tracking.reconcile import reconcile
from orchestrator.tracking.recorder import SWEEP, Recorder, now_ms
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.target import experiment_name, settle_target
from orchestrator.tracking.told import Told, what_was_told
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.execution.cross_test import CrossTest
    from orchestrator.execution.job import Job
    from orchestrator.execution.task import SweepTask

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The sweep was stopped by a signal and can go on."""


class Stopped(Exception):
    """The sweep stopped itself for a reason outside of it, in one sentence, and can go on once that is mended."""


@dataclass(frozen=True)
class Books:
    """The ledgers of a sweep: one a study, all in one storage."""

    arms: tuple[Arm, ...]
    confirm: Ledger


def conduct(prepared: Prepared, workspace: Workspace, console: Console, interruption: Interruption) -> dict[str, Any]:
    """Runs the sweep to its end, or on from where it stopped; returns its result, which is also in `result.json`.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        Interrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        Stopped: a full disk, a lost ledger, or the same error in every trial.
    """
    from orchestrator.execution.caretaker import Caretaker, limits_of
    from orchestrator.execution.run import run_jobs

    spec = prepared.spec
    began = time.monotonic()
    features, cross = _features(prepared, console)
    with _session(spec, interruption) as fitting:
        spool = Spool(workspace.spool)
        told = what_was_told(spool)
        tidy(spool.folder, told.kept)
        say = _log_and_print(console)
        books = open_books(prepared, workspace, told, say, interruption.stopping)
        target = settle_target(spec, spool)
        ledgers: dict[Study, Ledger] = {**{arm.study: arm.ledger for arm in books.arms}, "confirm": books.confirm}
        caretaker = Caretaker(workspace.trials, limits_of(spec), spec.splits, ledgers)
        recorder = Recorder(spool, workspace.trials, _run_tags(prepared, features), told, caretaker.keeps)
        _record_beginning(prepared, workspace, recorder)
        for warning in spool.warnings:
            say(warning)
        drain = Drain(spool, target.open)
        drain.start()
        close_orphans(workspace)
        caretaker.start()
        try:
            slots = min(fitting, spec.concurrency or fitting)
            tally = Tally(budget=_budget(prepared), epochs=spec.epochs, slots=slots)
            title = f"{spec.name}: {spec.variant} on {prepared.dataset.name}, {' and '.join(prepared.targets)}"
            minutes = spec.max_epoch_minutes
            warden = Warden(workspace.trials, minutes * 60 if minutes else None)
            with TerminalView(console, tally, title) as view, warden:
                watchers: list[Watcher] = [recorder, tally, view, warden, caretaker]
                desk = Desk(_plan(spec, began), books.arms, books.confirm, watchers, interruption.stopping)
                warden.desk = desk
                reconcile(recorder, desk.known(), workspace.trials)
                task = _task(prepared, features, cross, workspace)
                with interruption.patient():
                    run_jobs(desk, task, workspace.tune, slots, spec.cpus_per_trial, spec.gpus_per_trial)
                desk.interrupt()
            if desk.stopped_because:
                raise Stopped(desk.stopped_because)
            if not desk.finished():
                raise Interrupted
            return _conclude(prepared, workspace, books, recorder, drain, tally, target.tracking_uri, began, console)
        except (Interrupted, Stopped, LedgerLost, KeyboardInterrupt) as error:
            recorder.record("tags", SWEEP, tags={"outcome": "interrupted"})
            recorder.record("end", SWEEP, status="KILLED")
            if isinstance(error, LedgerLost):
                raise Stopped(str(error)) from error
            raise
        finally:
            caretaker.close()
            say_what_waits(console, spool, drain, target.tracking_uri)


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


def _log_and_print(console: Console) -> Callable[[str], None]:
    def say(sentence: str) -> None:
        logger.warning(sentence)
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)

    return say


def say_what_waits(console: Console, spool: Spool, drain: Drain, tracking_uri: str) -> None:
    """Closes a drain, with a word about what has not arrived."""
    if left := drain.close(timeout=60):
        why = f" ({drain.error})" if drain.error else ""
        where = "in memory alone, and the sweep tells them again" if spool.trouble else f"in {spool.folder} and go out"
        console.print(
            f"{left} events have not reached MLflow at {tracking_uri}{why}; they wait {where} when it goes on, "
            f"or by: python -m orchestrator.sync {spool.folder.parent}",
            style="yellow",
            soft_wrap=True,
            markup=False,
        )
    if refused := spool.refused():
        console.print(
            f"MLflow would not take {refused} events; {spool.folder / 'refused.jsonl'} has them and says why.",
            style="yellow",
            soft_wrap=True,
        )


def open_books(
    prepared: Prepared,
    workspace: Workspace,
    told: Told | None = None,
    say: Callable[[str], None] = logger.warning,
    stopping: threading.Event | None = None,
) -> Books:
    """The sweep's ledgers, opened or made; `--enqueue`, `--warm-start` and the known-good default come first.

    Args:
        prepared: the sweep.
        workspace: its folder.
        told: what the spool knows of it, from which a ledger that lost its end gets back what it had handed out.
        say: told what was mended in the ledger, or that it does not answer.
        stopping: set where it stays away.
    """
    spec = prepared.spec
    storage = open_storage(spec.ledger, workspace.ledger, say, stopping)
    searches = [("search", spec.variant, prepared.control_of, prepared.space)]
    if prepared.control_space is not None:
        searches.append(("control", CONTROL, spec.variant, prepared.control_space))
    known_first = workspace.first.is_file()  # a sweep of an earlier version has no such file
    first = FirstTrials.load(workspace.first) if known_first else prepared.first_trials()[0]
    arms = []
    for study, variant, of, space in searches:
        ledger = Ledger(storage, study_name(spec.ledger, spec.id, study), space)
        if told and (restored := ledger.restore(told.params(study))):
            say(f"The ledger had lost its end; {len(restored)} trials of {study} got their parameters back.")
        known = len(ledger.all())
        # A resumed sampler with the same seed would propose what it proposed before.
        ledger.use(build_sampler(spec.sampler, spec.seed + known), build_pruner(spec.pruner, spec.epochs))
        # They are a ledger's first trials, in this order: those that a kill left out are the rest.
        for params in getattr(first, study)[known:]:
            ledger.enqueue(params)
        arms.append(Arm(study, variant, of, space, ledger))  # type: ignore[arg-type]
    confirm = Ledger(storage, study_name(spec.ledger, spec.id, "confirm"), None)
    lost = told.attributes("confirm") if told else {}
    while (number := len(confirm)) in lost:
        confirm.enqueue({}, lost[number])
    return Books(tuple(arms), confirm)


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
        device=_device(spec),
        finetune=prepared.finetune,
        min_free=spec.min_free,
        cross=cross,
    )


def _run_tags(prepared: Prepared, features: FeatureSet) -> Callable[[Job], dict[str, Any]]:
    from orchestrator.tracking.provenance import run_tags

    return run_tags(
        prepared.spec,
        prepared.dataset.data_hash,
        {index: split.hash for index, split in prepared.splits.items()},
        features.identity,
        _device(prepared.spec),
    )


def _device(spec: SweepSpec) -> str:
    return "cuda" if spec.gpus_per_trial else "cpu"


def _record_beginning(prepared: Prepared, workspace: Workspace, recorder: Recorder) -> None:
    from orchestrator.reporting.describe import describe_beginning
    from orchestrator.tracking.provenance import device_name, provenance, public_settings, without_passwords

    spec, dataset = prepared.spec, prepared.dataset
    split = prepared.splits[0]
    settings = json.loads(spec.model_dump_json(exclude={"id", "name", "created", "schema_version"}))
    settings["targets"] = ",".join(prepared.targets)
    settings["encoders"] = ",".join(dict.fromkeys(prepared.encoders.values()))
    params = {key: without_passwords(str(value)) for key, value in settings.items() if value is not None}
    note = {"mlflow.note.content": describe_beginning(prepared)}
    tags = {
        **note,
        **provenance(),
        "data_hash": dataset.data_hash,
        "split_hash": split.hash,
        "seed": spec.seed,
        "device": device_name(_device(spec)),
        "spec": public_settings(spec),
        "budget": spec.trials,  # a tag, since a parameter could not change when the budget is raised
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
    for path in (workspace.spec, workspace.space, workspace.identity, workspace.provenance, workspace.splits):
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
        result["budget"] = prepared.spec.trials
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
                recorder.model(
                    line.representative,
                    folder,
                    name=name,
                    targets=list(prepared.targets),
                    criteria=prepared.spec.criteria is not None and line.study == "search",
                )
    recorder.record("artifacts", SWEEP, path=str(workspace.report), into="report")
    recorder.record("tags", SWEEP, tags={"mlflow.note.content": description, "outcome": "complete"})
    recorder.figures(SWEEP, summary.headline_metrics(), now_ms())
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
