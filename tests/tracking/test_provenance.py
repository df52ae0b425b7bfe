"""Provenance of runs."""

import json
from dataclasses import replace

from orchestrator.core.spec import SweepSpec
from orchestrator.core.url_passwords import without_passwords
from orchestrator.execution.job import Job
from orchestrator.tracking.provenance import provenance
from orchestrator.tracking.run_details import run_details

JOB = Job("search", 3, "text_hyper", None, {"widths": [8, 16]}, {"epochs": 2, "lr": 1e-3}, 0, 7, False)


def details(job=JOB, **settings):
    spec = SweepSpec(name="mine", **settings)
    datasets = {0: {"name": "shapes"}}
    return spec, run_details(spec, "d4ta", {0: "s0", 2: "s2"}, {"image": "lite0; weights abc"}, "cpu", datasets)(job)


def test_a_runs_provenance_has_all_that_its_training_needs():
    spec, told = details(trials=7)
    found = json.loads(json.dumps(told.provenance))
    assert {"host", "python", "version.torch", "version.hyperassess"} <= found.keys()
    assert (found["data_hash"], found["split_hash"], found["encoder.image"]) == ("d4ta", "s0", "lite0; weights abc")
    assert SweepSpec.model_validate_json(found["spec"]) == spec
    assert Job.from_dict(found["job"]) == JOB
    assert told.dataset == {"name": "shapes"}


def test_a_runs_tags_are_those_that_people_filter_by():
    _, told = details()
    assert (
        {"host", "cpus", "device"}
        <= told.tags.keys()
        <= {
            "host",
            "cpus",
            "device",
            "mlflow.user",
            "mlflow.source.git.commit",
        }
    )
    assert told.tags["device"].startswith("cpu: ") and len(told.tags["device"]) > 5


def test_the_split_hash_is_that_of_the_jobs_split():
    assert details(replace(JOB, split=2))[1].provenance["split_hash"] == "s2"


def test_a_commit_is_logged_with_its_clean_state():
    found = provenance()
    assert ("git.commit" in found) == ("git.dirty" in found)


def test_no_password_is_logged():
    spec, found = details(tracking_uri="https://ann:s3cret@mlflow.example/x", address="ray://host:10001")
    told = json.loads(found.provenance["spec"])
    assert told["tracking_uri"] == "https://mlflow.example/x" and told["address"] == "ray://host:10001"
    assert without_passwords("postgresql+psycopg://u:p%40@db/x and a@b") == "postgresql+psycopg://db/x and a@b"
    assert without_passwords("sqlite:////home/a@b/x.db") == "sqlite:////home/a@b/x.db"
