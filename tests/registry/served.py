"""Server of a model by `mlflow models serve` on the loopback interface."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress


@contextmanager
def served(model, folder, tracking_uri):
    """Start the server, yield its address, and stop it with its children."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["models", "serve", "-m", model, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port), "-w", "1"]
    log = folder / "serve.log"
    # MLflow runs `uvicorn` by name, which an environment that is not activated does not have on its PATH.
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": path, "MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "300"}
    with log.open("wb") as into:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command],
            cwd=folder,
            stdout=into,
            stderr=into,
            start_new_session=True,
            env={**os.environ, **settings},
        )
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 240
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
            with suppress(OSError), urllib.request.urlopen(f"{address}/ping", timeout=2) as answer:
                if answer.status == 200:
                    break
            time.sleep(0.25)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def post(address, rows):
    """Send rows by POST and return status and body of the response."""
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps({"dataframe_records": rows}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read(), parse_constant=lambda word: f"not JSON: {word}")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
