"""The MLflow server as its image starts it: PostgreSQL, a store that only it reaches, basic authentication."""

import sys
import urllib.error
import urllib.request
from base64 import b64encode

import pytest

from tests.docker.scripts import free_port, run, running, wait_healthy

BASE = {"MLFLOW_BACKEND_STORE_URI": "sqlite://", "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow"}


def ask(port: int, user: str | None = None, host: str | None = None) -> int:
    """Return the status of a request for experiments."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=1", method="GET"
    )
    if user:
        request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_server_serves_runs_and_files_to_a_client_with_the_password(postgres, tmp_path, monkeypatch):
    secrets = tmp_path / "secrets"
    assert run("make-secrets.sh", secrets).returncode == 0
    password = (secrets / "mlflow_admin_password").read_text(encoding="utf-8")
    store, port = free_port(), free_port()
    settings = {
        "MLFLOW_BACKEND_STORE_URI": postgres.create_database().replace("postgresql://", "postgresql+psycopg://"),
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
        "MLFLOW_AUTH_ADMIN_PASSWORD_FILE": secrets / "mlflow_admin_password",
        "MLFLOW_FLASK_SERVER_SECRET_KEY_FILE": secrets / "mlflow_secret_key",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow:5000,127.0.0.1:*",
        "MLFLOW_BIND": "127.0.0.1",
        "MLFLOW_PORT": port,
        "MLFLOW_WORKERS": 1,
        "PUBLISHED_AT": "10.0.0.1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": secrets / "s3_credentials",
        "TMPDIR": tmp_path,
    }
    s3 = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", store]
    log = tmp_path / "mlflow.txt"
    with running(s3, tmp_path / "s3.txt"), running(["mlflow.sh"], log, **settings) as server:
        wait_healthy(server, "mlflow", log, 300, MLFLOW_PORT=port)
        assert [ask(port), ask(port, "admin:wrong"), ask(port, f"admin:{password}")] == [401, 401, 200]
        assert ask(port, f"admin:{password}", host="attacker.example") == 403
        assert ask(port, f"admin:{password}", host="mlflow:5000") == 200

        import boto3
        import mlflow

        for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(settings[name]))
        bucket = boto3.Session().resource("s3").Bucket("mlflow")
        bucket.create()
        monkeypatch.delenv("AWS_ENDPOINT_URL")  # the client must get to its files through the server
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
        run_id = client.create_run(client.create_experiment("docker")).info.run_id
        client.log_metric(run_id, "val_srcc", 0.5)
        client.log_text(run_id, "weights", "model.txt")
        assert client.get_run(run_id).data.metrics == {"val_srcc": 0.5}
        assert [entry.path for entry in client.list_artifacts(run_id)] == ["model.txt"]
        (kept,) = [entry.key for entry in bucket.objects.all()]
        assert kept.endswith(f"{run_id}/artifacts/model.txt")
    assert run("health.sh", "mlflow", MLFLOW_PORT=port).returncode
    said = log.read_text(encoding="utf-8") + "".join(
        file.read_text(encoding="utf-8") for file in tmp_path.glob("tmp.*")
    )
    for secret in ("mlflow_admin_password", "mlflow_secret_key"):
        assert (secrets / secret).read_text(encoding="utf-8") not in said


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"MLFLOW_AUTH": "none", "PUBLISHED_AT": "0.0.0.0"}, "lets whoever reaches 0.0.0.0 read and change every run"),
        ({"MLFLOW_AUTH": "nobody"}, "mlflow.sh: MLFLOW_AUTH=nobody is neither basic nor none."),
        ({"MLFLOW_AUTH": "basic"}, "MLFLOW_AUTH_ADMIN_PASSWORD: basic authentication needs it"),
        ({"MLFLOW_AUTH_ADMIN_PASSWORD_FILE": "/nowhere"}, "names /nowhere, which cannot be read"),
    ],
)
def test_unsafe_server_does_not_start(settings, told):
    done = run("mlflow.sh", **BASE, **settings)
    assert done.returncode and told in done.stderr
