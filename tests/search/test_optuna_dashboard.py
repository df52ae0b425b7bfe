"""Optuna's dashboard reads a sweep's journal: studies named after the sweep, a named objective, no error."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from orchestrator.core.spec import SweepSpec
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage, study_name
from orchestrator.search.outcome import Outcome
from tests.search.small_ledger import SPACE

PROGRAM = """
from importlib.metadata import entry_points
(found,) = entry_points(group="console_scripts", name="optuna-dashboard")
found.load()()
"""


@pytest.fixture
def journal(tmp_path):
    path, spec = tmp_path / "ledger.journal", SweepSpec(name="mine", id="aaaa")
    storage = open_storage(None, path)
    for study, space in (("search", SPACE), ("control", SPACE), ("confirm", None)):
        ledger = Ledger(storage, study_name(storage, spec, study), space, objective="validation SRCC")
        for split in (1, 2, 3):
            if study == "confirm":
                ledger.enqueue({}, {"source": None if split == 1 else "trial-0000", "split": split})
            trial = ledger.ask()
            ledger.report(trial.number, 1, 0.5)
            ledger.finish(trial.number, Outcome.COMPLETE, final={"best_val_srcc": 0.5})
    return path


@pytest.fixture
def read(journal, tmp_path):
    """Start the dashboard as the docs say; return a function that reads its API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, "--host", "127.0.0.1", "--port", str(port), str(journal)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True)

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=30) as answer:
            return json.load(answer)

    try:
        for _ in range(240):
            assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            with suppress(urllib.error.URLError, ConnectionError):
                get("studies")
                break
            time.sleep(0.25)
        yield get
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.timeout(120)
def test_the_dashboard_shows_each_study_of_a_journal_without_an_error(read):
    studies = {study["study_name"]: study["study_id"] for study in read("studies")["study_summaries"]}
    assert list(studies) == ["mine/search", "mine/control", "mine/confirm"]
    for name, number in studies.items():
        shown = read(f"studies/{number}")
        assert shown["objective_names"] == ["validation SRCC"]
        assert [trial["values"] for trial in shown["trials"]] == [[0.5]] * 3
        (importances,) = read(f"studies/{number}/param_importances")["param_importances"]
        if name == "mine/confirm":
            assert [one["name"] for one in importances] == ["split"]
            assert [trial["params"][0]["param_external_value"] for trial in shown["trials"]] == ["1", "2", "3"]
