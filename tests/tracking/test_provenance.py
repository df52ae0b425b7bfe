"""Where a run comes from, as tags."""

import json
from dataclasses import replace

from orchestrator.core.credentials import without_passwords
from orchestrator.core.spec import SweepSpec
from orchestrator.execution.job import Job
from orchestrator.tracking.provenance import TAG_LIMIT, provenance, run_tags

JOB = Job("search", 3, "text_hyper", None, {"widths": [8, 16]}, {"epochs": 2, "lr": 1e-3}, 0, 7, False)


def tags(job=JOB, **settings):
    spec = SweepSpec(name="mine", **settings)
    return spec, run_tags(spec, "d4ta", {0: "s0", 2: "s2"}, {"image": "lite0; weights abc"}, "cpu")(job)


def test_a_run_says_all_that_its_training_needs():
    spec, found = tags(trials=7)
    assert {"host", "python", "version.torch", "version.hyperassess"} <= found.keys()
    assert (found["data_hash"], found["split_hash"], found["encoder.image"]) == ("d4ta", "s0", "lite0; weights abc")
    assert found["device"].startswith("cpu: ") and len(found["device"]) > 5
    assert SweepSpec.model_validate_json(found["spec"]) == spec
    assert Job.from_dict(json.loads(found["job"])) == JOB
    assert all(len(str(value)) < TAG_LIMIT for value in found.values())


def test_a_job_that_mlflow_would_cut_is_left_out():
    assert "job" not in tags(replace(JOB, params={"notes": "x" * TAG_LIMIT}))[1]


def test_the_split_is_the_jobs_own():
    assert tags(replace(JOB, split=2))[1]["split_hash"] == "s2"


def test_commit_and_whether_it_was_clean_go_together():
    found = provenance()
    assert ("git.commit" in found) == ("git.dirty" in found)


def test_no_password_is_told():
    spec, found = tags(tracking_uri="https://ann:s3cret@mlflow.example/x", address="ray://host:10001")
    told = json.loads(found["spec"])
    assert told["tracking_uri"] == "https://mlflow.example/x" and told["address"] == "ray://host:10001"
    assert without_passwords("postgresql+psycopg://u:p%40@db/x and a@b") == "postgresql+psycopg://db/x and a@b"
    assert without_passwords("sqlite:////home/a@b/x.db") == "sqlite:////home/a@b/x.db"
