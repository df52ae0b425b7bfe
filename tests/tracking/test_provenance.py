"""Provenance tags of a run."""

import json
from dataclasses import replace

from orchestrator.core.spec import SweepSpec
from orchestrator.core.url_passwords import without_passwords
from orchestrator.execution.job import Job
from orchestrator.tracking.provenance import TAG_LIMIT, provenance, run_tags

JOB = Job("search", 3, "text_hyper", None, {"widths": [8, 16]}, {"epochs": 2, "lr": 1e-3}, 0, 7, False)


def tags(job=JOB, **settings):
    spec = SweepSpec(name="mine", **settings)
    return spec, run_tags(spec, "d4ta", {0: "s0", 2: "s2"}, {"image": "lite0; weights abc"}, "cpu")(job)


def test_a_runs_tags_have_all_that_its_training_needs():
    spec, found = tags(trials=7)
    assert {"host", "python", "version.torch", "version.hyperassess"} <= found.keys()
    assert (found["data_hash"], found["split_hash"], found["encoder.image"]) == ("d4ta", "s0", "lite0; weights abc")
    assert found["device"].startswith("cpu: ") and len(found["device"]) > 5
    assert SweepSpec.model_validate_json(found["spec"]) == spec
    assert Job.from_dict(json.loads(found["job"])) == JOB
    assert all(len(str(value)) < TAG_LIMIT for value in found.values())


def test_a_job_too_long_for_a_tag_is_omitted():
    assert "job" not in tags(replace(JOB, params={"notes": "x" * TAG_LIMIT}))[1]


def test_the_split_hash_is_that_of_the_jobs_split():
    assert tags(replace(JOB, split=2))[1]["split_hash"] == "s2"


def test_a_commit_is_tagged_with_its_clean_state():
    found = provenance()
    assert ("git.commit" in found) == ("git.dirty" in found)


def test_no_password_is_logged():
    spec, found = tags(tracking_uri="https://ann:s3cret@mlflow.example/x", address="ray://host:10001")
    told = json.loads(found["spec"])
    assert told["tracking_uri"] == "https://mlflow.example/x" and told["address"] == "ray://host:10001"
    assert without_passwords("postgresql+psycopg://u:p%40@db/x and a@b") == "postgresql+psycopg://db/x and a@b"
    assert without_passwords("sqlite:////home/a@b/x.db") == "sqlite:////home/a@b/x.db"
