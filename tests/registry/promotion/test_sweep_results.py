"""What is gone, and what MLflow merely did not give."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.registry.promotion import evaluate_gates
from orchestrator.registry.promotion.sweep_results import SweepResults
from tests.registry.promotion.made import run

SPEC = build_spec({"name": "made"}).model_dump_json()


def evidence(client, scratch, runs=(), outcome="complete"):
    sweep = SimpleNamespace(
        info=SimpleNamespace(run_name="made", run_id="sweep"),
        data=SimpleNamespace(tags={"spec": SPEC, "data_hash": "d", "outcome": outcome}),
    )
    return SweepResults(client, sweep, list(runs), None, scratch)


class Store:
    """An MLflow that gives nothing and lists, or does not, what it has."""

    tracking_uri = "http://me:secret@nowhere:5000"

    def __init__(self, files=(), listing_fails=None):
        self._files, self._listing_fails = files, listing_fails

    def download_artifacts(self, *args):
        raise MlflowException("503 from an\nartifact store")

    def list_artifacts(self, run_id, folder):
        if self._listing_fails:
            raise self._listing_fails
        return [SimpleNamespace(path=f"{folder}/{name}") for name in self._files]


def test_a_table_that_is_not_there_is_none(tmp_path):
    found = evidence(Store(["other.csv"]), tmp_path).table(run("baselines-1", 1), "prompt_mean.csv", "baselines")
    assert found is None


@pytest.mark.parametrize(
    "store", [Store(["prompt_mean.csv"]), Store([], MlflowException("down")), Store([], ConnectionError("down"))]
)
def test_a_table_that_mlflow_does_not_give_is_not_taken_for_gone(tmp_path, store):
    with pytest.raises(InputError, match="does not give baselines/prompt_mean.csv") as raised:
        evidence(store, tmp_path).table(run("baselines-1", 1), "prompt_mean.csv", "baselines")
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_run_of_the_baselines_that_failed_is_none(tmp_path):
    good, bad = run("baselines-1", 1), run("baselines-2", 2)
    good.data.tags["outcome"], bad.data.tags["outcome"] = "complete", "failed"
    assert evidence(Store(), tmp_path, [bad, good]).baselines() == [good]


@pytest.mark.parametrize(
    ("outcome", "told"), [("running", "has not finished"), ("complete", "no complete confirm run")]
)
def test_a_run_of_a_sweep_that_goes_on_is_no_candidate(tmp_path, monkeypatch, outcome, told):
    found = evidence(Store(), tmp_path, outcome=outcome)
    monkeypatch.setattr(evaluate_gates, "find_run", lambda *args: run("confirm-1", 1))
    monkeypatch.setattr(evaluate_gates, "evidence_of_run", lambda *args: found)
    with pytest.raises(InputError, match=told):
        evaluate_gates.find_candidate(
            None, evaluate_gates.CandidateQuery("text_hyper", run="made/confirm-1"), tmp_path, tmp_path
        )
