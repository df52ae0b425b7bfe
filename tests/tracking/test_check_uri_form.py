"""Forms of MLflow's address that can never work, each refused with what to write instead."""

import pytest

from orchestrator.core.errors import InputError
from orchestrator.tracking.check_uri_form import check_tracking_uri


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("localhost:5000", "has no scheme: write http://localhost:5000."),
        ("127.0.0.1:5000/mlflow", "has no scheme: write http://127.0.0.1:5000/mlflow."),
        ("./mlruns", "no longer keeps runs in a folder such as ./mlruns: write sqlite:////"),
        ("file:///data/mlruns", "write sqlite:////data/mlflow.db."),
        ("/", "write sqlite:////mlflow.db."),
        ("file://", "write sqlite:////"),
        ("http://[", "is not valid"),
        ("x", "no longer keeps runs in a folder such as x"),
        (":", "no longer keeps runs in a folder"),
        ("http:/localhost:5000", "has no valid host and port: write http://HOST:PORT."),
        ("http://", "has no valid host and port"),
        ("http://host:port", "has no valid host and port"),
        ("http://host:5000//", "has a doubled slash: write http://host:5000."),
        ("http://host:5000//mlflow", "has a doubled slash: write http://host:5000/mlflow."),
        ("http://host:5000/#/experiments/3", "has the address of a page: write http://host:5000."),
        ("htp://host:5000", "has an unknown scheme"),
        ("sqlite://", "names no file: write sqlite:///FILE."),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp", "is a folder: write sqlite:////tmp/mlflow.db."),
    ],
)
def test_an_address_that_can_never_work_is_refused_with_the_right_one(uri, sentence, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(InputError) as refused:
        check_tracking_uri(uri)
    assert sentence in str(refused.value) and len(str(refused.value).split()) <= 25 and str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:5000",
        "http://localhost:5000/",
        "https://host/mlflow/prefix",
        "http://[::1]:5000",
        "sqlite:///mlflow.db",
        "sqlite:////data/a b/ü.db",
        "postgresql://host/name",
        "postgresql+psycopg://host/name",
        "mysql+pymysql://host/name",
        "databricks",
        "databricks://profile",
    ],
)
def test_addresses_that_may_work_pass(uri):
    check_tracking_uri(uri)


def test_a_folder_passes_if_mlflow_is_asked_to_take_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_tracking_uri("./mlruns")
