"""Passwords in addresses: refused where they would be seen, and kept apart from the address elsewhere."""

import os

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.url_passwords import move_to_environment, refuse_password, without_passwords
from orchestrator.resume import resume
from orchestrator.sweep import sweep
from orchestrator.tracking.destination import choose_destination, resolve_tracking_uri, stored_destination
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.sweep_run import public_spec

HIDDEN = "http://me:hunter2@mlflow:5000/team"
VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that whatever a test sets is undone
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "uri", [HIDDEN, "postgresql://me:hunter2@db/mlflow", "mysql+pymysql://db/mlflow?password=hunter2"]
)
def test_typed_password_is_refused_and_not_repeated(uri, tmp_path):
    with pytest.raises(InputError, match="--tracking-uri holds a password") as told:
        refuse_password("--tracking-uri", uri)
    assert "hunter2" not in str(told.value)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"tracking_uri": uri}), encoding="utf-8")
    for command, arguments in ((sweep, ["--tracking-uri", uri]), (sweep, ["--config", str(config)])):
        found = CliRunner().invoke(command, arguments)
        assert found.exit_code == 2 and "holds a password" in found.stderr and "hunter2" not in found.output


def test_resume_refuses_a_password(elsewhere):
    (elsewhere / "sweeps" / "a").mkdir(parents=True)
    SweepSpec(name="a").save(elsewhere / "sweeps" / "a" / "spec.yaml")
    found = CliRunner().invoke(resume, ["a", "--tracking-uri", HIDDEN])
    assert found.exit_code == 2 and "holds a password" in found.stderr and "hunter2" not in found.output


def test_password_in_the_environment_moves_to_mlflows_variables(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me%40x:h%2Funter2@mlflow/team")
    assert resolve_tracking_uri(None) == "https://mlflow/team"
    assert [os.environ[name] for name in VARIABLES] == ["https://mlflow/team", "me@x", "h/unter2"]


def test_password_of_a_database_is_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hunter2@db/mlflow")
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI holds a password.*PGPASSWORD"):
        resolve_tracking_uri(None)
    assert move_to_environment("", "postgresql://me@db/mlflow") == "postgresql://me@db/mlflow"


def test_resumed_sweep_drops_the_password_of_its_spec(tmp_path):
    """Spec and target of an early version hold a password; new records do not."""
    spool = Spool(tmp_path / "spool")
    spool.folder.mkdir()
    (spool.folder / "target.json").write_text(
        f'{{"tracking_uri": "{HIDDEN}", "experiment": "e", "sweep_id": "a", "source": "s", "asked": ["{HIDDEN}"]}}',
        encoding="utf-8",
    )
    target = choose_destination(SweepSpec(name="a", tracking_uri=HIDDEN), spool)
    assert target.tracking_uri == "http://mlflow:5000/team" and "hunter2" not in str(stored_destination(spool))
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "hunter2"


def test_uploaded_spec_holds_no_password(tmp_path):
    """The sweep's own spec stays unchanged, since the sweep is resumed with it."""
    workspace = Workspace(tmp_path)
    SweepSpec(name="a", tracking_uri=HIDDEN).save(workspace.spec)
    shown = public_spec(workspace)
    assert shown.name == workspace.spec.name and "hunter2" in workspace.spec.read_text(encoding="utf-8")
    assert load_spec(shown).tracking_uri == "http://mlflow:5000/team"
    SweepSpec(name="a", tracking_uri="http://mlflow:5000").save(workspace.spec)
    assert public_spec(workspace) == workspace.spec


@pytest.mark.parametrize(
    "text, shown",
    [
        ("at http://u:p@h:5 and a@b", "at http://h:5 and a@b"),
        ("postgresql+psycopg://u:p%40@db/x", "postgresql+psycopg://db/x"),
        ("http://u:p@w@h/x", "http://h/x"),
        ("mysql://h/x?password=p&ssl=1", "mysql://h/x?password=&ssl=1"),
        ("s3://b/x?secret_key=1", "s3://b/x?secret_key=1"),
        ("sqlite:////home/a@b/x.db", "sqlite:////home/a@b/x.db"),
    ],
)
def test_without_passwords_removes_them_from_a_text(text, shown):
    assert without_passwords(text) == shown
