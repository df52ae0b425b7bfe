"""A small real sweep that can be disturbed: its data, its driver, its MLflow server, its workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import requests
import yaml

from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.search.read_ledger import read_studies

REPOSITORY = Path(__file__).parents[2]
TRIALS, EPOCHS, CONFIRM, SPLITS = 4, 8, 1, 1
HANG_MINUTES = 0.5


class Server:
    """A real MLflow server on the loopback, which can be killed and restarted; its database stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.process is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = (self.folder / "server.txt").open("ab")
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            try:
                if requests.get(f"{self.uri}/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise RuntimeError("the MLflow server did not start")

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its worker would outlive it otherwise
            self.process.wait()
            self.process = None


class World:
    """A named sweep, from its first start to its end, through several drivers."""

    def __init__(self, folder: Path, ratings: Path, server: Server, name: str) -> None:
        self.folder = folder
        self.server = server
        self.workspace = Workspace(folder / "sweeps" / name)
        self.output = folder / f"{name}.txt"
        self._ratings = ratings
        self.driver: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        # No net survives the largest of its learning rates, so that some trials diverge; the first surely does.
        space = yaml.safe_load((REPOSITORY / "search_spaces" / "text_hyper.yaml").read_text(encoding="utf-8"))
        space["training"]["lr"] = {"type": "categorical", "choices": [1e-3, 3e-3, 1e30], "default": 1e-3}
        space["training"]["clip_norm"] = 0.0
        (folder / "space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
        (folder / "enqueue.yaml").write_text(yaml.safe_dump([{"lr": 1e30}]), encoding="utf-8")

    def start(self) -> None:
        """Start or resume the sweep by the same command."""
        command = [sys.executable, "-m", "orchestrator.sweep", "--dataset", f"csv:{self._ratings}"]
        command += ["--trials", str(TRIALS), "--epochs", str(EPOCHS), "--confirm", str(CONFIRM)]
        command += ["--splits", str(SPLITS), "--pruner", "median", "--name", self.workspace.name]
        command += ["--space", str(self.folder / "space.yaml"), "--enqueue", str(self.folder / "enqueue.yaml")]
        command += ["--tracking-uri", self.server.uri, "--max-epoch-minutes", str(HANG_MINUTES)]
        with self.output.open("ab") as out:
            self.driver = subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out, start_new_session=True)

    def running(self) -> bool:
        return self.driver is not None and self.driver.poll() is None

    def wait(self, seconds: float) -> int:
        """Return the driver's exit code; a driver that does not end in time is killed and fails the test."""
        assert self.driver is not None
        try:
            return self.driver.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"the driver did not end within {seconds:.0f} s:\n{self.tail()}") from None

    def kill_all(self) -> None:
        """Kill the driver and its descendants."""
        assert self.driver is not None
        for process in self.descendants():
            process.kill()
        if self.running():
            self.driver.kill()
            self.driver.wait()

    def descendants(self) -> list[psutil.Process]:
        """Return every process that the driver started, and theirs."""
        try:
            return psutil.Process(self.driver.pid).children(recursive=True) if self.driver else []
        except psutil.NoSuchProcess:
            return []

    def ray_processes(self, part: str) -> list[psutil.Process]:
        """Return the driver's processes whose program has `part` in its name."""
        found = []
        for process in self.descendants():
            try:
                if part in Path(process.exe()).name:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def uploaders(self) -> list[psutil.Process]:
        """Return the uploader's process, if there is one now."""
        found = []
        for process in self.descendants():
            try:
                if "orchestrator.tracking.uploader_main" in process.cmdline():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def workers(self) -> list[psutil.Process]:
        """Return the processes that train now, by `worker.json` in their jobs' folders."""
        own = {process.pid: process for process in self.descendants()}
        found = set()
        for path in self.workspace.trials.glob("*/worker.json"):
            try:
                pid = json.loads(path.read_text(encoding="utf-8"))["pid"]
            except (OSError, ValueError, KeyError):
                continue
            if pid in own:
                found.add(pid)
        return [own[pid] for pid in sorted(found)]

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs in every job's history."""
        histories = self.workspace.trials.glob("*/epochs.jsonl")
        return {path.parent.name: path.read_bytes().count(b"\n") for path in histories}

    def epoch_times(self) -> dict[str, list[float]]:
        """Return the times at which the epochs in every job's history ended."""
        times = {}
        for path in self.workspace.trials.glob("*/epochs.jsonl"):
            lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is not written yet
            times[path.parent.name] = [float(json.loads(line)["time"]) for line in lines]
        return times

    def unfinished(self) -> list[str]:
        """Return the keys of the trials that will be resumed; the folders of others are not read any more."""
        studies = read_studies(self.workspace)
        return sorted(
            f"{KEY_PREFIX[study]}-{trial.number:04d}"  # type: ignore[index]
            for study, trials in studies.items()
            for trial in trials
            if trial.outcome is None
        )

    def progress(self) -> int:
        """Return the number of epochs trained so far."""
        return sum(self.epochs().values())

    def tail(self) -> str:
        """Return the end of the drivers' output."""
        return self.output.read_text(errors="replace", encoding="utf-8")[-3000:] if self.output.exists() else ""
