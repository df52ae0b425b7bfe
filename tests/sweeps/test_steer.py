"""Whole sweeps under a simulated Tune that other terminals steer: stop, pause, unpause, one trial, configurations."""

import json
import os
import signal
import threading
import time

import pytest
import typer

from orchestrator.core.cli import INTERRUPTED
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import LockOwner, Workspace, lock_sweep
from orchestrator.core.sweep_requests import RequestAnswer, RequestInbox, RequestKind, read_answer, submit
from orchestrator.search.read_ledger import read_studies
from orchestrator.sweeps import request_poller, run, send_request
from orchestrator.sweeps.start_or_resume import resume_sweep, start_or_resume
from orchestrator.sweeps.sweep_status import State, standings
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.commands import invoke
from tests.ratings import make_ratings

EPOCHS = 3
WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def ratings(module_folder):
    return make_ratings(module_folder)


@pytest.fixture
def workspace(out):
    return Workspace(out / "made")


@pytest.fixture
def pollers(monkeypatch):
    """The pollers of the sweeps of this test, which look for requests only when the test calls `poll`."""
    made = []

    class Recorded(request_poller.RequestPoller):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(request_poller, "INTERVAL", 0.05)
    monkeypatch.setattr(request_poller, "RequestPoller", Recorded)
    monkeypatch.setattr(run, "_PAUSE", 0.01)
    return made


@pytest.fixture
def start(simulated_tune, pollers, ratings, out):
    def start(**settings):
        small = {"trials": 3, "epochs": EPOCHS, "confirm": 1, "splits": 1, "pruner": "none"}
        spec = build_spec({"name": "made", "dataset": f"csv:{ratings}", **small, **settings})
        start_or_resume(spec, out, dry_run=False, as_json=False, allow_changed=False)

    return start


def resume(out):
    resume_sweep("made", out, trials=None, given={}, as_json=False, allow_changed=False)


@pytest.fixture
def at(simulated_tune):
    """Function that registers an action for a step of the sweep, counted from 1."""
    actions = {}
    simulated_tune.before_step = lambda job: actions.pop(len(simulated_tune.steps), lambda: None)()

    def at(step, action):
        actions[step] = action

    return at


@pytest.fixture
def ask(workspace, pollers):
    """Function that sends a request as another terminal does, and lets the driver's thread find it."""

    def ask(kind, **arguments):
        request = submit(workspace, LockOwner.read(workspace), kind, arguments)
        pollers[-1].poll()
        return request

    return ask


def answer(workspace, request):
    deadline = time.monotonic() + 10
    while (found := read_answer(workspace, request)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def assert_complete(workspace, trials=3):
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    assert sum(result["counts"].values()) == trials and result["best"]["test"]
    for path in workspace.trials.glob("*/epochs.jsonl"):
        numbers = [json.loads(line)["number"] for line in path.read_text(encoding="utf-8").splitlines()]
        assert numbers == list(range(1, len(numbers) + 1)), "every epoch was trained once"
    return result


@pytest.mark.parametrize("step", [4, 20])
def test_stop_interrupts_as_a_signal_does_and_says_who(start, at, ask, workspace, out, capfd, step):
    at(step, lambda: ask(RequestKind.STOP))
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED
    printed = capfd.readouterr().out
    assert "\nStopped by " in printed and "; nothing is lost. Resume with:\n  python -m orchestrator.resume" in printed
    assert not workspace.result.exists() and not list(workspace.requests.glob("*.json"))
    resume(out)
    assert_complete(workspace)


def test_stop_now_does_not_wait_for_the_epoch(start, at, ask, workspace, simulated_tune):
    at(4, lambda: ask(RequestKind.STOP, now=True))
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED and len(simulated_tune.steps) == 4


def test_stop_while_features_are_encoded(start, ask, workspace, monkeypatch, simulated_tune, out):
    read_data = run.read_data

    def stopped(*arguments):
        ask(RequestKind.STOP)
        time.sleep(5)
        return read_data(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "read_data", stopped)
        with pytest.raises(typer.Exit) as exit_code:
            start()
    assert exit_code.value.exit_code == INTERRUPTED and simulated_tune.steps == []
    resume(out)
    assert_complete(workspace)


def test_a_second_stop_and_a_pause_after_a_stop_change_nothing(start, at, ask, workspace):
    asked = []

    def stop_twice():
        asked.extend([ask(RequestKind.STOP), ask(RequestKind.STOP), ask(RequestKind.PAUSE)])

    at(4, stop_twice)
    with pytest.raises(typer.Exit):
        start()
    first, second, third = (answer(workspace, request) for request in asked)
    assert first.accepted and second.accepted and "already" in second.text
    assert not third.accepted and third.text == "The sweep stops already."


def test_a_request_left_by_a_killed_driver_does_not_stop_the_resumed_sweep(start, at, workspace, out):
    at(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(typer.Exit):
        start()
    killed = LockOwner("node1", 17, "2026-01-01T00:00:00+00:00")
    left = [submit(workspace, killed, kind, {}) for kind in (RequestKind.STOP, RequestKind.PAUSE)]
    resume(out)
    assert_complete(workspace)
    assert all("had ended" in answer(workspace, request).text for request in left)
    assert "to an earlier run" in workspace.log.read_text(encoding="utf-8")


def wait_until_paused(out):
    deadline = time.monotonic() + WAIT_SECONDS
    while standings(out)[0].state is not State.PAUSED:
        assert time.monotonic() < deadline, "the sweep was never paused"
        time.sleep(0.02)


@pytest.mark.parametrize("step", [5, 20])
def test_paused_sweep_uses_no_slot_and_continues_once_it_is_unpaused(
    start, at, ask, workspace, out, simulated_tune, capfd, step
):
    states = []

    def unpause():
        wait_until_paused(out)
        time.sleep(0.5)
        states.append(len(simulated_tune.steps))
        submit(workspace, LockOwner.read(workspace), RequestKind.UNPAUSE, {})

    thread = threading.Thread(target=unpause, daemon=True)
    at(step, lambda: (ask(RequestKind.PAUSE), thread.start()))
    start()
    thread.join(timeout=WAIT_SECONDS)
    assert_complete(workspace)
    (steps,) = states
    assert steps <= step + simulated_tune.slots, "running jobs ended their epoch, and none started"
    printed = capfd.readouterr().out
    assert "Paused by " in printed and "Unpaused by " in printed
    runs = index_spool(Spool(workspace.spool)).runs
    assert {run.tags["outcome"] for run in runs.values()} == {"complete"}


def test_stop_while_paused_leaves_a_sweep_that_resumes_unpaused(
    start, at, ask, workspace, out, simulated_tune, monkeypatch
):
    run_jobs, runs = simulated_tune.run_jobs, []

    def counted(*arguments):
        run_jobs(*arguments)
        runs.append(arguments)

    def stop():
        wait_until_paused(out)
        time.sleep(0.5)  # by then no run of Tune is left
        submit(workspace, LockOwner.read(workspace), RequestKind.STOP, {})

    monkeypatch.setattr(simulated_tune, "run_jobs", counted)
    at(4, lambda: (ask(RequestKind.PAUSE), threading.Thread(target=stop, daemon=True).start()))
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED
    assert len(runs) == 1, "a stop does not start Tune again"
    resume(out)
    assert_complete(workspace)


def test_one_trial_is_stopped_and_its_run_says_by_whom(start, at, ask, workspace, capfd):
    asked = []
    at(2, lambda: asked.append(ask(RequestKind.STOP_TRIAL, trial="trial-0000")))
    for step, trial in ((9, "trial-0000"), (10, "trial-0077")):
        at(step, lambda trial=trial: asked.append(ask(RequestKind.STOP_TRIAL, trial=trial)))
    at(11, lambda: asked.append(ask("explode")))
    start()
    result = assert_complete(workspace)
    assert result["counts"]["pruned"] == 1
    by = asked[0].by
    trial = read_studies(workspace)["search"][0]
    assert (trial.outcome, trial.attributes["stopped_by"]) == ("pruned", by) and len(trial.epochs) < EPOCHS
    run = index_spool(Spool(workspace.spool)).runs["trial-0000"]
    assert (run.tags["outcome"], run.tags["stopped_by"], run.status) == ("pruned", by, "FINISHED")
    first, ended, unknown, kind = (answer(workspace, request) for request in asked)
    assert first.text == "trial-0000 ends as pruned at the end of its epoch."
    assert (ended.accepted, ended.text) == (False, "trial-0000 has ended already: pruned.")
    assert not unknown.accepted and "has not started trial-0077; its latest is trial-000" in unknown.text
    assert not kind.accepted and "does not know 'explode'" in kind.text
    assert f"Stopped by {by}: trial-0000" in capfd.readouterr().out


def test_enqueued_configurations_are_the_next_trials_within_the_budget(start, at, ask, workspace, ratings):
    asked = []

    def enqueue(step, *rates):
        configurations = [{"lr": rate} for rate in rates]
        at(step, lambda: asked.append(ask(RequestKind.ENQUEUE, configurations=configurations)))

    enqueue(1, 0.0021)
    enqueue(2, 0.0021, 0.0022, 0.0023)
    enqueue(22, 0.0024)
    enqueue(3, 1e9)
    start(trials=4)
    assert_complete(workspace, trials=4)
    trials = read_studies(workspace)["search"]
    assert [trial.params["lr"] for trial in trials[2:]] == [0.0021, 0.0022]  # one trial waits for a slot already
    assert [trial.attributes.get("enqueued_by") for trial in trials] == [None, None, asked[0].by, asked[0].by]
    first, second, wrong, late = (answer(workspace, request) for request in asked)
    assert first.data["trials"] == [2] and second.data["trials"] == [3]
    assert "Configuration 0 is that of trial 2 already. 1 configuration exceeds the budget" in second.text
    assert not wrong.accepted and "lr is 1000000000.0" in wrong.text
    assert not late.accepted and "all 4 trials of its budget have started" in late.text


class TestCommands:
    """Commands of another terminal, with a driver of which only the files are there."""

    @pytest.fixture
    def driver(self, make):
        """A sweep that this process has locked, and a thread that accepts each request."""
        workspace = make("busy", trials=2)
        monitor = threading.Event()
        with lock_sweep(workspace):
            inbox = RequestInbox(workspace, LockOwner.read(workspace))

            def accept():
                while not monitor.wait(0.02):
                    for request in inbox.take():
                        inbox.answer(request, RequestAnswer(True, f"Done: {request.kind}.", {"n": 1}))

            thread = threading.Thread(target=accept)
            thread.start()
            yield workspace
            monitor.set()
            thread.join()

    @pytest.mark.parametrize(
        ("command", "text"),
        [
            (("sweeps", "pause", "busy"), "Done: pause."),
            (("sweeps", "unpause", "busy"), "Done: unpause."),
            (("stop", "busy", "--trial", "control-3"), "Done: stop-trial."),
            (("stop", "busy", "--trial", "control3"), "Done: stop-trial."),
        ],
    )
    def test_they_print_the_answer(self, driver, command, text):
        folder = driver.root.parents[1]
        assert invoke(folder, *command).out == f"{text}\n"
        content = json.loads(invoke(folder, *command, "--json").out)
        assert (content["sweep"], content["accepted"], content["answer"], content["n"]) == ("busy", True, text, 1)
        handled = sorted((driver.requests / "handled").glob("*.json"))
        assert len(handled) == 2
        if command[0] == "stop":
            assert json.loads(handled[0].read_text(encoding="utf-8"))["arguments"] == {"trial": "control-0003"}

    def test_stop_returns_once_it_is_recorded(self, driver):
        folder = driver.root.parents[1]
        assert "Recorded: busy, which runs on " in invoke(folder, "stop", "busy").out
        content = json.loads(invoke(folder, "stop", "busy", "--now", "--json").out)
        assert content["kind"] == "stop" and content["ended"] is None

    def test_a_silent_driver_is_not_waited_for(self, make, monkeypatch):
        monkeypatch.setattr(send_request, "ANSWER_SECONDS", 0.2)
        workspace = make("busy", trials=1)
        with lock_sweep(workspace):
            said = invoke(workspace.root.parents[1], "sweeps", "pause", "busy").out
        assert said == "Recorded; busy has not answered yet, and acts as soon as it runs trials.\n"

    @pytest.mark.parametrize("trial", ["confirm-1", "x", "-3", "7.5", "trial-"])
    def test_a_wrong_trial_is_refused_before_anything_is_written(self, driver, trial):
        done = invoke(driver.root.parents[1], "stop", "busy", f"--trial={trial}", code=2)
        assert done.err.startswith(f"Error: --trial {trial}: ") and not driver.requests.exists()

    def test_a_wrong_file_is_refused_before_anything_is_written(self, driver, tmp_path):
        (tmp_path / "wrong.json").write_text('[{"nothing": 1}]', encoding="utf-8")
        done = invoke(tmp_path, "sweeps", "enqueue", "busy", "wrong.json", code=2)
        assert "wrong.json: configuration 0 sets nothing" in done.err and not driver.requests.exists()

    @pytest.mark.parametrize("command", [("stop",), ("stop", "--wait"), ("sweeps", "pause"), ("sweeps", "unpause")])
    def test_a_sweep_that_does_not_run_is_refused_with_how_it_stands(self, make, command):
        workspace = make("idle", trials=2)
        done = invoke(workspace.root.parents[1], *command, "idle", code=2)
        assert done.err == "Error: The sweep idle is not running: it is interrupted, with 1 of 3 trials ended.\n"

    def test_wait_returns_when_the_driver_has_released_the_sweep(self, make):
        workspace = make("busy", trials=2)
        lock = lock_sweep(workspace)
        lock.__enter__()
        threading.Timer(0.5, lock.__exit__, (None, None, None)).start()
        said = invoke(workspace.root.parents[1], "stop", "busy", "--wait").out
        assert "busy has stopped; nothing is lost.\nResume with:\n  python -m orchestrator.resume busy" in said

    def test_wait_says_that_the_driver_was_killed(self, make, monkeypatch):
        workspace = make("busy", trials=2)
        holder = LockOwner("node1", 17, "2026-01-01T00:00:00+00:00")
        workspace.holder.write_text(json.dumps(holder.__dict__), encoding="utf-8")
        monkeypatch.setattr(send_request, "require_driver", lambda workspace: holder)
        content = json.loads(invoke(workspace.root.parents[1], "stop", "busy", "--wait", "--json").out)
        assert content["ended"] == "killed"
        said = invoke(workspace.root.parents[1], "stop", "busy", "--wait").out
        assert "The driver of busy was killed before it stopped" in said

    def test_configurations_for_an_interrupted_sweep_wait_in_its_ledger(
        self, start, at, workspace, out, simulated_tune
    ):
        at(2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(typer.Exit):
            start()
        (out.parent / "more.yaml").write_text("- {lr: 0.0021}\n- {lr: 0.0022}\n- {lr: 0.0023}\n", encoding="utf-8")
        said = invoke(out.parent, "sweeps", "enqueue", "made", "more.yaml").out
        assert "Enqueued as the next: trial" in said and "They start when the sweep is resumed." in said
        assert "exceed" in said
        resume(out)
        assert_complete(workspace)
        assert 0.0021 in [trial.params["lr"] for trial in read_studies(workspace)["search"]]
        done = invoke(out.parent, "sweeps", "enqueue", "made", "more.yaml", code=2)
        assert "made: the search is over. Raise its budget of 3 trials" in done.err


def test_requests_are_archived_with_the_sweep_and_not_exported(make, tmp_path):
    workspace = make("old", trials=3, finished=True)
    submit(workspace, LockOwner("node1", 17, ""), RequestKind.STOP, {})
    folder = tmp_path
    invoke(folder, "sweeps", "export", "old", "--to", "exported")
    assert not (tmp_path / "exported" / "requests").exists()
    invoke(folder, "sweeps", "archive", "old")
    invoke(folder, "sweeps", "restore", "old")
    assert len(list(workspace.requests.glob("*.json"))) == 1
    invoke(folder, "sweeps", "delete", "old", "--yes")
    assert not workspace.root.exists()
