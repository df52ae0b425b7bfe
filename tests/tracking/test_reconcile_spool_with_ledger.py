"""Events that a ledger has and the spool lacks are recorded once, with their original time."""

import json
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.plan import Plan
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.reconcile_spool_with_ledger import reconcile
from orchestrator.tracking.recorder import STATUS, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.execution.fakes import FakeExecutor, FakeSweep, Work
from tests.tracking.tracked import MemoryTracked

JOB = Job("search", 3, "text_hyper", None, {}, {"epochs": 4}, 0, 7, False, params={"lr": 0.1})
KEY = JOB.key


def trial(epochs=2, outcome=None, **attributes):
    objectives = {n: n / 10 for n in range(1, epochs + 1)}
    return LedgerTrial(3, {"lr": 0.1}, attributes, objectives, outcome, None, None)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def recorder(spool):
    return Recorder(spool, spool.folder.parent / "trials", index=index_spool(spool))


def run_reconcile(spool, *known):
    return reconcile(recorder(spool), known, spool.folder.parent / "trials")


def history(spool, epochs):
    folder = spool.folder.parent / "trials" / KEY
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n in range(1, epochs + 1):
        content = asdict(EpochReport(n, n / 10, {"val_srcc": n / 10, "train_loss": 1 / n}, 1.0, 1000.0 + n))
        seal = {"crc32": f"{zlib.crc32(json.dumps(content).encode()):08x}"}
        lines.append(json.dumps({**content, **seal}) + "\n")
    (folder / "epochs.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder / "epochs.jsonl"


def metrics(spool):
    return {(e.data["step"], e.time): e.data["metrics"] for e in spool.read()[0] if e.kind == "metrics"}


def test_a_trial_without_events_is_recorded(spool):
    history(spool, 2)
    assert run_reconcile(spool, (JOB, trial(2, Outcome.COMPLETE, final={"best_val_srcc": 0.2}))) == 1
    index = index_spool(spool).runs[KEY]
    assert index.start["params"] == {"variant": "text_hyper", "lr": 0.1} and index.status == "FINISHED"
    assert index.tags["outcome"] == "complete"
    assert metrics(spool) == {
        (1, 1001000): {"val_srcc": 0.1, "train_loss": 1.0},
        (2, 1002000): {"val_srcc": 0.2, "train_loss": 0.5},
        (0, 1002000): {"best_val_srcc": 0.2},
    }


def test_recorded_events_are_not_recorded_again(spool):
    history(spool, 2)
    known = (JOB, trial(2, Outcome.FAILED, final={}, error="boom"))
    assert run_reconcile(spool, known) == 1 and index_spool(spool).runs[KEY].tags["error"] == "boom"
    size = (spool.folder / "events.jsonl").stat().st_size
    assert run_reconcile(spool, known) == 0 and (spool.folder / "events.jsonl").stat().st_size == size


def test_an_epoch_without_its_log_has_the_ledgers_objective(spool):
    path = history(spool, 2)
    path.write_text(
        path.read_text(encoding="utf-8").replace('"train_loss": 0.5', '"train_loss": 0.6'), encoding="utf-8"
    )  # its checksum differs
    run_reconcile(spool, (JOB, trial(3)))
    assert [found for (step, _), found in sorted(metrics(spool).items()) if step > 1] == [
        {"val_srcc": 0.2},
        {"val_srcc": 0.3},
    ]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_ended_as_orphaned_gets_the_ledgers_outcome(spool, outcome):
    """Killed after the ledger had the end and before the spool: another sweep closes it as interrupted meanwhile."""
    first = recorder(spool)
    first.on_job_start(JOB)
    first.on_job_interrupted(JOB)
    assert run_reconcile(spool, (JOB, trial(0, outcome))) == 1
    index = index_spool(spool).runs[KEY]
    assert (index.status, index.tags["outcome"]) == (STATUS[outcome], str(outcome))


def test_the_run_of_an_unfinished_trial_stays_open(spool):
    run_reconcile(spool, (JOB, trial(1)))
    assert index_spool(spool).runs[KEY].open


def test_baselines_have_no_curve(spool):
    baselines = Job("confirm", 0, "", None, {}, {"epochs": 1}, 1, 8, True)
    run_reconcile(spool, (baselines, trial(1, Outcome.COMPLETE, final={"ridge_test_srcc": 0.3})))
    assert [found for found in metrics(spool).values() if found] == [{"ridge_test_srcc": 0.3}]


def test_the_index_has_parameters_and_attributes_for_the_ledger(spool):
    first = recorder(spool)
    first.on_job_start(JOB)
    first.on_job_start(Job("confirm", 1, "text_hyper", None, {}, {}, 2, 9, True, source=KEY, params={"lr": 0.1}))
    first.on_job_start(Job("confirm", 0, "", None, {}, {}, 1, 8, True))
    index = index_spool(Spool(spool.folder))
    assert index.params("search") == {3: {"lr": 0.1}} and index.params("control") == {}
    assert index.attributes("confirm") == {0: {"source": None, "split": 1}, 1: {"source": KEY, "split": 2}}


class Killed(Exception):
    """The driver died."""


class MortalSpool(Spool):
    """Spool whose process dies at an append, after none, half or all of its line is written."""

    def __init__(self, folder, appends, part):
        super().__init__(folder)
        self._appends, self._part = appends, part

    def append(self, event):
        self._appends -= 1
        if self._appends > 0:
            super().append(event)
        elif self._part < 1:
            whole = self._file_bytes()
            super().append(event)
            now = self._file_bytes()
            self._events.write_bytes(now[: len(whole) + int(self._part * (len(now) - len(whole)))])
            raise Killed
        else:
            super().append(event)
            raise Killed

    def _file_bytes(self):
        return self._events.read_bytes() if self._events.exists() else b""


PLAN = Plan(trials=4, confirm=1, splits=2, seed=0, epochs=3)
FAULTS = st.fixed_dictionaries(
    {
        "appends": st.integers(1, 60),
        "part": st.sampled_from([0.0, 0.4, 0.999, 1.0]),
        "sent": st.floats(0, 1),
        "damaged": st.lists(st.floats(0, 0.999), max_size=4),
        "cut": st.sampled_from([0.0, 0.0, 0.3]),
        "histories": st.booleans(),
        "lost_answers": st.integers(0, 2),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FAULTS, max_size=4))
def test_spool_and_ledger_agree_after_kills_and_damage(tmp_path_factory, faults):
    tracked = MemoryTracked(tmp_path_factory.mktemp("sweep"))
    sweep, work = FakeSweep(PLAN, pruner="halving"), Work(wrong={"trial-0002": ("diverged", 2)})
    for fault in faults:
        spool = MortalSpool(tracked.spool.folder, fault["appends"], fault["part"])
        tracked.mlflow.lose_answers = fault["lost_answers"]
        with suppress(Killed):
            go_on(sweep, work, spool)
        if fault["histories"]:
            write_histories(sweep, work, tracked.folder / "trials")
        send_part(tracked, fault["sent"])
        harm(tracked.spool.folder / "events.jsonl", fault)
    tracked.mlflow.lose_answers = 0
    spool = Spool(tracked.spool.folder)
    go_on(sweep, work, spool)
    sweep.assert_done()
    assert tracked.uploader().finish(0) == 0
    agree(sweep, tracked.shown())


def go_on(sweep, work, spool):
    recorder = Recorder(spool, spool.folder.parent / "trials", index=index_spool(spool))
    controller = sweep.controller(recorder)
    reconcile(recorder, controller.known(), spool.folder.parent / "trials")
    FakeExecutor(controller, work).run()


def write_histories(sweep, work, trials: Path):
    for job, known in sweep.controller().known():
        folder = trials / job.key
        folder.mkdir(parents=True, exist_ok=True)
        epochs = [e for e in (work.first(job) or {"epochs": []})["epochs"] if e["number"] in known.epochs]
        (folder / "epochs.jsonl").write_text("".join(json.dumps(e) + "\n" for e in epochs), encoding="utf-8")


def send_part(tracked, share):
    spool = Spool(tracked.spool.folder)
    events, sent = spool.read(10**6)[0], 0
    while sent < int(share * len(events)):
        batch, place = spool.read(limit=7)
        try:
            tracked.sink().send(batch)
        except ConnectionError:
            continue
        spool.mark_sent(place)
        sent += len(batch)


def harm(path: Path, fault):
    content = bytearray(path.read_bytes()) if path.exists() else bytearray()
    for where in fault["damaged"]:
        if content:
            content[int(where * len(content))] = 0  # damaged twice it is not whole again
    if content:
        path.write_bytes(content[: int((1 - fault["cut"]) * len(content))])


def agree(sweep, shown):
    ledgers = {"trial": sweep.arms[0].ledger, "control": sweep.arms[1].ledger, "confirm": sweep.confirm}
    known = {f"{title}-{t.number:04d}": t for title, ledger in ledgers.items() for t in ledger.trials()}
    assert set(shown) - {"sweep"} == set(known)
    for key, t in known.items():
        run = shown[key]
        assert run["status"] == STATUS[t.outcome] and run["tags"]["outcome"] == str(t.outcome)
        assert {name: run["params"][name] for name in t.params} == {k: str(v) for k, v in t.params.items()}
        finite = {n: value for n, value in t.epochs.items() if value == value}
        if key.startswith("confirm") and t.attributes["source"] is None:
            finite = {}
        else:
            points = [(step, value) for step, value, _ in run["curves"].get(logged_name(key, "val_srcc"), [])]
            assert points == sorted(finite.items()), (key, "a gap, or a double")
        for name, value in t.attributes["final"].items():
            assert [(s, v) for s, v, _ in run["curves"][logged_name(key, name)]] == [(0, value)]
    for name in ("best_so_far_val_srcc", "control_best_so_far_val_srcc"):
        best = [(step, value) for step, value, _ in shown["sweep"]["curves"].get(name, [])]
        assert len({step for step, _ in best}) == len(best), "a point is there twice"
        assert [value for _, value in best] == sorted(value for _, value in best)


def logged_name(key, metric):
    return f"confirm_{metric}" if key.startswith("confirm") and metric.startswith(("val_", "best_val_")) else metric
