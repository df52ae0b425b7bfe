"""Notifications: what is sent when, wrong targets, and targets that fail."""

import contextlib
import json
import logging
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orchestrator.core import notification_target
from orchestrator.core.console import make_console
from orchestrator.core.errors import InputError
from orchestrator.core.notification_target import NotDelivered, deliver, notification_targets
from orchestrator.core.spec import build_spec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import Job
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps import notifier as module
from orchestrator.sweeps import run_and_notify
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.notifier import Notifier
from orchestrator.tracking.provenance import public_settings

SECRET = "https://hooks.example.com/T0/secret-word"
SPEC = build_spec({"name": "made"})


def job(number, study="search"):
    return Job(study, number, "text_hyper", None, {}, {"epochs": 2}, 0, 0, False, params={"lr": 0.1})


def end(notifier, number, value, outcome=Outcome.COMPLETE, study="search"):
    notifier.on_job_end(job(number, study), outcome, {"best_val_srcc": value}, None)


@pytest.fixture
def sent():
    return []


@pytest.fixture
def notifier(sent):
    notifier = Notifier(
        SPEC, Workspace(Path("sweeps/made")), ("target",), lambda target, notification: sent.append(notification)
    )
    yield notifier
    notifier.close()


def wait_for(sent, count):
    for _ in range(500):
        if len(sent) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(sent)


def test_new_best_is_sent_at_most_once_a_minute_and_the_end_always(notifier, sent):
    end(notifier, 0, 0.5)
    wait_for(sent, 1)
    end(notifier, 1, 0.6), end(notifier, 2, 0.7)
    notifier.finished({"best": {"source": "trial-0002", "test": {"srcc": 0.65}}, "control": {"test": {"srcc": 0.6}}})
    assert notifier.close() is None
    assert [each["event"] for each in sent] == ["best", "finished"]
    assert sent[0]["text"] == "made: new best, validation SRCC 0.5000 (trial-0000)"
    assert sent[0]["best"] == {"trial": "trial-0000", "val_srcc": 0.5, "parameters": {"lr": 0.1}}
    text = "made: finished, best validation SRCC 0.7000, test SRCC 0.6500, control 0.6000"
    assert (sent[1]["text"], sent[1]["folder"], sent[1]["variant"]) == (text, "sweeps/made", "text_hyper")
    json.dumps(sent)


def test_later_best_is_sent_when_the_minute_is_over(notifier, sent, monkeypatch):
    monkeypatch.setattr(module, "BEST_SECONDS", 0.1)
    end(notifier, 0, 0.5)
    wait_for(sent, 1)
    end(notifier, 1, 0.6), end(notifier, 2, 0.7)
    wait_for(sent, 2)
    assert sent[1]["best"]["trial"] == "trial-0002"


@pytest.mark.parametrize(
    "ending",
    [
        {"value": 0.4},
        {"value": 0.5},
        {"value": float("nan")},
        {"value": 0.9, "outcome": Outcome.FAILED},
        {"value": 0.9, "study": "control"},
    ],
)
def test_trial_that_is_no_better_is_not_sent(notifier, sent, monkeypatch, ending):
    monkeypatch.setattr(module, "BEST_SECONDS", 0.0)
    notifier.know_best(0.5)
    end(notifier, 1, **ending)
    time.sleep(0.05)  # a notification of this trial would be sent now
    end(notifier, 2, 0.6)
    wait_for(sent, 1)
    assert [each["best"]["trial"] for each in sent] == ["trial-0002"]


def test_failing_target_is_logged_once_as_a_warning_without_its_address(caplog):
    def send(target, notification):
        raise ConnectionError(f"no route to {SECRET}")

    notifier = Notifier(SPEC, Workspace(Path("sweeps/made")), (SECRET,), send)
    with caplog.at_level(logging.INFO):
        end(notifier, 0, 0.5)
        notifier.failed(ValueError(SECRET))
        assert notifier.close() == "Some notifications were not delivered; sweeps/made/log.txt has the reason."
    assert [record.levelname for record in caplog.records][:1] == ["WARNING"]
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 1
    assert "secret-word" not in caplog.text


@pytest.mark.parametrize(
    "target", ["https://", "ftp://host/secret-word", "no-such-program secret-word", "sh -c 'secret-word", " "]
)
def test_wrong_target_is_refused_without_repeating_it(target, monkeypatch):
    with pytest.raises(InputError, match="--notify: ") as caught:
        notification_targets((target,))
    assert "secret-word" not in str(caught.value)
    monkeypatch.setenv(notification_target.VARIABLE, "no-such-program")
    with pytest.raises(InputError, match="HYPERASSESS_NOTIFY: there is no such command"):
        notification_targets(())


def test_target_is_in_no_record(tmp_path):
    spec = build_spec({"name": "made", "notify": [SECRET]})
    spec.save(tmp_path / "spec.yaml")
    assert spec.notify == (SECRET,) and load_spec(tmp_path / "spec.yaml").notify == ()
    assert "notify" not in (tmp_path / "spec.yaml").read_text(encoding="utf-8")
    assert "secret-word" not in public_settings(spec) + repr(spec)
    with pytest.raises(InputError) as caught:
        build_spec({"notify": {"url": SECRET}})
    assert "secret-word" not in str(caught.value)


def test_command_gets_the_json_and_the_text(tmp_path):
    script = tmp_path / "take.py"
    script.write_text(
        "import json, pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'got')!r}).write_text(sys.argv[-1] + '|' + json.load(sys.stdin)['event'])\n",
        encoding="utf-8",
    )
    deliver(f"{sys.executable} {script}", {"text": "made: it's finished", "event": "finished"})
    assert (tmp_path / "got").read_text(encoding="utf-8") == "made: it's finished|finished"
    with pytest.raises(NotDelivered, match="exit code 3"):
        deliver(f"{sys.executable} -c 'raise SystemExit(3)'", {"text": "made"})


def test_address_gets_a_post(monkeypatch):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/bad" else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        deliver(f"{address}/good", {"text": "made", "event": "best"})
        with pytest.raises(NotDelivered, match="^HTTP status 500$"):
            deliver(f"{address}/bad", {"text": "made"})
        server.shutdown()
    assert got[0] == {"text": "made", "event": "best"}
    with pytest.raises(NotDelivered, match="^ConnectionError$"):
        deliver(f"{address}/good", {"text": "made"})


@pytest.mark.parametrize(
    "ending, event",
    [
        (lambda: {"best": None}, "finished"),
        (lambda: (_ for _ in ()).throw(SweepInterrupted("Interrupted")), "interrupted"),
        (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "interrupted"),
        (lambda: (_ for _ in ()).throw(SweepStopped("The disk is full.")), "failed"),
        (lambda: (_ for _ in ()).throw(ValueError("secret-word")), "failed"),
    ],
)
def test_every_end_of_a_sweep_is_sent(ending, event, tmp_path, monkeypatch):
    got = []
    monkeypatch.setattr(run_and_notify, "_run_notified", lambda *arguments: ending())
    monkeypatch.setattr(Notifier.__init__, "__defaults__", (lambda target, notification: got.append(notification),))
    spec = build_spec({"name": "made", "notify": ["true"]})
    workspace = Workspace(tmp_path)
    with contextlib.suppress(SweepInterrupted, SweepStopped, KeyboardInterrupt, ValueError):
        run_and_notify.run_and_notify(spec, workspace, make_console(sys.stderr), tmp_path, False, session=None)
    assert [each["event"] for each in got] == [event] and "secret-word" not in json.dumps(got)
