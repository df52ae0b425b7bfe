"""Records of a sweep, opened before its first trial: spool, ledgers, settled resources, recorder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.core.code_digest import code_digest
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.callback_interface import SweepCallback
from orchestrator.execution.checkpoint_gc import CheckpointGarbageCollector, limits_of
from orchestrator.execution.executor import Executor
from orchestrator.execution.machine_tags import training_device
from orchestrator.execution.prepare import PreparedSweep, extract_cross_test, extract_features
from orchestrator.execution.progress_snapshot import Phase
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.execution.trial_download import TrialDownloader
from orchestrator.execution.trial_store import TrialStore
from orchestrator.reporting.live_view import LiveView
from orchestrator.reporting.run_description import describe_start
from orchestrator.sweeps.notifier import Notifier
from orchestrator.sweeps.open_studies import SweepStudies, open_studies
from orchestrator.sweeps.request_poller import RequestPoller
from orchestrator.sweeps.signals import SignalHandler
from orchestrator.tracking.destination import TrackingDestination, choose_destination
from orchestrator.tracking.recorder import Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from orchestrator.tracking.staged_artifacts import remove_stale
from orchestrator.tracking.sweep_run import job_details, log_sweep_start

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.data.progress import Progress
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval
    from orchestrator.execution.sweep_context import SweepContext

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepProcess:
    """Process that runs a sweep.

    Attributes:
        workspace: folder of the sweep.
        console: terminal for progress and tables.
        signals: handler of SIGINT and SIGTERM.
        executor: cluster that runs its jobs.
        began: time at which the process began to run the sweep, by `time.monotonic`.
        requests: handles the requests of other terminals.
        monitor: its state, for the screen and for other processes.
        view: its screen.
        notifier: sends notifications.
        callbacks: of the user, called after the sweep's own.
        shows_result: whether the result is printed at the end.
    """

    workspace: Workspace
    console: Console
    signals: SignalHandler
    executor: Executor
    began: float
    monitor: SweepMonitor
    view: LiveView
    requests: RequestPoller
    notifier: Notifier
    callbacks: tuple[SweepCallback, ...] = ()
    shows_result: bool = True

    @contextmanager
    def summing_up(self) -> Iterator[None]:
        """Show that the sweep sums up, and remove the live screen at the end, before the result is printed."""
        self.view.enter(Phase.SUMMARY)
        yield
        self.view.close()

    def warn(self, sentence: str) -> None:
        """Log a warning and print it."""
        logger.warning(sentence)
        self.console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)

    def notify(self, sentence: str) -> None:
        """Log a sentence and print it."""
        logger.info(sentence)
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class SweepData:
    """Data that a sweep's jobs read.

    Attributes:
        features: of its data set.
        cross: features and scores of a second data set; None without one.
        store: holds the jobs' folders.
    """

    features: FeatureSet
    cross: CrossDatasetEval | None
    store: TrialStore


@dataclass(frozen=True)
class SweepRecords:
    """Open records of a sweep.

    Attributes:
        prepared: the sweep with settled resources.
        context: data that its jobs share.
        slots: jobs that may run in parallel.
        studies: ledgers.
        spool: events for MLflow.
        recorder: writes them.
        target: MLflow server and experiment.
        collector: checkpoint garbage collector, not started yet.
        downloader: fetches files of jobs from the store.
    """

    prepared: PreparedSweep
    context: SweepContext
    slots: Slots
    studies: SweepStudies
    spool: Spool
    recorder: Recorder
    target: TrackingDestination
    collector: CheckpointGarbageCollector
    downloader: TrialDownloader


def read_data(prepared: PreparedSweep, store: TrialStore, progress: Progress) -> SweepData:
    """Read the features of a sweep's data sets from the feature store; compute them if missing."""
    features = extract_features(prepared, progress)
    return SweepData(features, extract_cross_test(prepared, progress), store)


def distribute(data: SweepData, prepared: PreparedSweep) -> SweepData:
    """Return the data as the nodes of the cluster can read them; unchanged on a cluster of this process's own.

    Raises:
        InputError: a node sees neither the features nor the sweep's folder, and cannot get them.
    """
    if not cluster_address(prepared.spec.address):
        return data
    from orchestrator.cluster.data_placement import distribute_features

    sets = [data.features, *([data.cross.features] if data.cross else [])]
    features, *others = distribute_features(sets, data.store.objects)
    cross = replace(data.cross, features=others[0]) if data.cross else None
    return replace(data, features=features, cross=cross)


def open_records(process: SweepProcess, prepared: PreparedSweep, data: SweepData) -> SweepRecords:
    """Open a sweep's records, settle its resources and log its start.

    Raises:
        InputError: the cluster has no room for a trial.
        LedgerUnavailable: the ledger's database does not answer.
    """
    from orchestrator.execution.resources import allocate_resources

    workspace, spool = process.workspace, Spool(process.workspace.spool)
    index = index_spool(spool)
    remove_stale(spool.folder, index.staged)
    studies = open_studies(prepared, workspace, index, process.warn, process.signals.stopping)
    probe_context = partial(build_context, prepared, data, workspace)
    nodes = process.executor.nodes
    prepared, fitting = allocate_resources(prepared, studies.arms, probe_context, nodes, process.warn)
    spec, trials = prepared.spec, workspace.trials
    collector = CheckpointGarbageCollector(data.store, trials, limits_of(spec), spec.splits, studies.ledgers)
    records = SweepRecords(
        prepared=prepared,
        context=build_context(prepared, data, workspace),
        slots=Slots(fitting, spec.concurrency),
        studies=studies,
        spool=spool,
        recorder=Recorder(spool, trials, job_details(prepared, data.features), index, collector.keeps),
        target=choose_destination(spec, spool),
        collector=collector,
        downloader=TrialDownloader(data.store, trials, collector.keeps),
    )
    log_sweep_start(prepared, workspace, records.recorder, describe_start(prepared))
    for warning in spool.warnings:
        process.warn(warning)
    return records


def build_context(prepared: PreparedSweep, data: SweepData, workspace: Workspace) -> SweepContext:
    """Return what the sweep's jobs share, with the resources of its settings."""
    from orchestrator.execution.sweep_context import CHECKPOINT_SECONDS, make_context

    spec = prepared.spec
    return make_context(
        prepared.dataset,
        data.features,
        prepared.reads,
        prepared.encoders,
        prepared.targets,
        prepared.splits,
        workspace.trials,
        threads=spec.threads,
        device=training_device(spec.gpus),
        finetune=prepared.finetune,
        min_free=spec.min_free,
        cross=data.cross,
        store=data.store,
        gpus=spec.gpus,
        code=code_digest() if cluster_address(spec.address) else None,  # nodes that join later need the same code
        plugins=prepared.plugins,
        # If the states of all trials are kept, also those that are stopped after an epoch of milliseconds.
        checkpoint_seconds=0.0 if spec.keep in {"all", "last"} else CHECKPOINT_SECONDS,
    )


def sweep_title(prepared: PreparedSweep) -> str:
    """Return a sweep's name, variant, data set and targets as a title."""
    spec = prepared.spec
    return f"{spec.name}: {spec.variant} on {prepared.dataset.name}, {' and '.join(prepared.targets)}"
