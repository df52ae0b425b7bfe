"""Tables of a sweep that are missing, and tables that MLflow fails to send."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.registry.promotion import find_candidate
from orchestrator.registry.promotion.sweep_results import SweepResults
from tests.registry.promotion.made import run

SPEC = build_spec({"name": "made"}).model_dump_json()


def sweep_results(client, scratch, runs=(), outcome="complete"):
    sweep = SimpleNamespace(
        info=SimpleNamespace(run_name="made", run_id="sweep"),
        data=SimpleNamespace(tags={"spec": SPEC, "data_hash": "d", "outcome": outcome}),
    )
    return SweepResults(client, sweep, list(runs), None, scratch)


class Store:
    """MLflow client that fails to download files, and lists them or fails to."""

    tracking_uri = "http://me:secret@nowhere:5000"

    def __init__(self, files=(), listing_fails=None):
        self._files, self._listing_fails = files, listing_fails

    def download_artifacts(self, *args):
        raise MlflowException("503 from an\nartifact store")

    def list_artifacts(self, run_id, folder):
        if self._listing_fails:
            raise self._listing_fails
        return [SimpleNamespace(path=f"{folder}/{name}") for name in self._files]


def test_table_returns_none_if_it_is_missing(tmp_path):
    found = sweep_results(Store(["other.csv"]), tmp_path).table(run("baselines-1", 1), "prompt_mean.csv", "baselines")
    assert found is None


@pytest.mark.parametrize(
    "store", [Store(["prompt_mean.csv"]), Store([], MlflowException("down")), Store([], ConnectionError("down"))]
)
def test_table_raises_if_mlflow_fails_to_send_it(tmp_path, store):
    with pytest.raises(InputError, match="cannot send baselines/prompt_mean.csv") as raised:
        sweep_results(store, tmp_path).table(run("baselines-1", 1), "prompt_mean.csv", "baselines")
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_baselines_excludes_failed_runs(tmp_path):
    good, bad = run("baselines-1", 1), run("baselines-2", 2)
    good.data.tags["outcome"], bad.data.tags["outcome"] = "complete", "failed"
    assert sweep_results(Store(), tmp_path, [bad, good]).baselines() == [good]


@pytest.mark.parametrize(
    ("outcome", "message"), [("running", "has not finished"), ("complete", "is not a complete confirm run")]
)
def test_find_candidate_refuses_an_incomplete_run_or_sweep(tmp_path, monkeypatch, outcome, message):
    found = sweep_results(Store(), tmp_path, outcome=outcome)
    monkeypatch.setattr(find_candidate, "find_run", lambda *args: run("confirm-1", 1))
    monkeypatch.setattr(find_candidate, "results_of_run", lambda *args: found)
    with pytest.raises(InputError, match=message):
        find_candidate.find_candidate(
            None, find_candidate.CandidateQuery("text_hyper", run="made/confirm-1"), tmp_path, tmp_path
        )
