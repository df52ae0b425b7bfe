"""Make the test data of `test_compatibility.py` with the code of commit d6e95aa.

Run it as root on Linux, with the path of a clean checkout of that commit and a Python that has its requirements:

    git worktree add --detach /opt/hyperassess d6e95aa
    python tests/compatibility/make_data.py /opt/hyperassess

Everything is made in /srv/hyperassess, on a host named `worker`, so that no file names the machine it was made on:

- `sweeps/unfinished`: killed while its second trial was training.
- `sweeps/undelivered`: finished while MLflow did not answer.
- `mlflow.db` and `mlruns/`: the champion of `text_hyper`, and what MLflow had received of the unfinished sweep.
- `exported.zip`: the champion, exported.
- `ratings.csv` and `images/`: the data set of both sweeps.

Logs, Ray Tune's own files, figures and the wheels next to logged models are excluded: no command reads them.
Features are excluded as well: a resumed sweep computes them again. `expected.json` has the champion's scores.
"""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

COMMIT = "d6e95aa"
ROOT = Path("/srv/hyperassess")
DATA = Path(__file__).with_name("data")

SPACE = """\
model:
  widths: [4]
  dropout: {type: float, low: 0.0, high: 0.6, default: 0.1}
  input_dropout: 0.1
  statistics_width: 0
hypernet:
  rank: 1
  condition_width: 4
training:
  lr: {type: float, low: 1.0e-3, high: 2.0e-2, log: true, default: 1.0e-2}
  weight_decay: 1.0
  batch_size: 32
  ema: 0.0
"""

SETTINGS = ("--dataset", "csv:ratings.csv", "--space", "space.yaml", "--pruner", "none", "--confirm", "1")
SMALL = (*SETTINGS, "--splits", "1")

UNUSED = {"log.txt", "tune", "wheels"}
"""Names of files and folders that are excluded, in addition to the figures."""


class Checkout:
    """Commands of a checkout, run in `ROOT` on a host named `worker`.

    Args:
        path: of the checkout.
        scratch: folder for the cache and the settings of the user.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(path),
            "HYPERASSESS_CACHE": str(scratch / "cache"),
            "XDG_CONFIG_HOME": str(scratch / "config"),
            "XDG_STATE_HOME": str(scratch / "state"),
            "HOME": str(scratch),
            "USER": "researcher",
            "LOGNAME": "researcher",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def check(self) -> None:
        """Raise SystemExit unless it is a clean checkout of `COMMIT`."""
        head = self._git("rev-parse", "HEAD")
        if not head.startswith(COMMIT) or self._git("status", "--porcelain"):
            raise SystemExit(f"{self.path} is not a clean checkout of {COMMIT}")

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
        ).stdout.strip()

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command; `exec` lets a signal reach the command itself."""
        on_worker = ["unshare", "--uts", "sh", "-c", 'hostname worker && exec "$@"', "sh"]
        called = [sys.executable, "-m", f"orchestrator.{command}", *arguments]
        return subprocess.Popen([*on_worker, *called], cwd=ROOT, env=self._environment)

    def run(self, command: str, *arguments: str) -> None:
        """Run a command to its end."""
        if code := self.start(command, *arguments).wait():
            raise SystemExit(f"orchestrator.{command} ended with {code}")


def main() -> None:
    """Make everything, then the archive."""
    ROOT.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Checkout(Path(sys.argv[1]).absolute(), Path(scratch))
        checkout.check()
        make_ratings()
        (ROOT / "space.yaml").write_text(SPACE, encoding="utf-8")
        make_model(checkout)
        make_undelivered(checkout)
        make_unfinished(checkout)
    pack(checkout)
    shutil.rmtree(ROOT)


def make_ratings() -> None:
    """Draw 20 images of 3 × 3 patches; how bright an image is decides its score, apart from noise."""
    random = np.random.default_rng(0)
    (ROOT / "images").mkdir()
    rows = []
    for number in range(20):
        level = random.uniform(0, 1)
        patches = Image.fromarray((random.integers(0, 60, (3, 3, 3)) + int(180 * level)).astype("uint8"))
        row = {"image": f"images/{number:02d}.png", "prompt": f"a scene {number // 2}", "generator": "ab"[number % 2]}
        patches.resize((24, 24), Image.Resampling.NEAREST).save(ROOT / row["image"])
        rows.append({**row, "alignment": round(1 + 4 * level + random.normal(0, 0.2), 3)})
    pd.DataFrame(rows).to_csv(ROOT / "ratings.csv", index=False)


def make_model(checkout: Checkout) -> None:
    """Make the champion and its export, and record its scores."""
    checkout.run("sweep", *SMALL, "--name", "delivered", "--trials", "2", "--epochs", "10")
    forced = ("--force", "--reason", "a model for the tests", "--yes")
    checkout.run("promote", "--variant", "text_hyper", *forced)
    checkout.run("export", "--model", "text_hyper@champion", "--to", "exported.zip")
    checkout.run("score", "--model", "text_hyper@champion", "ratings.csv", "--out", "scores.csv")
    table = pd.read_csv(ROOT / "scores.csv").sort_values("image")
    scores = {Path(image).name: score for image, score in zip(table["image"], table["alignment"], strict=True)}
    (DATA / "expected.json").write_text(
        json.dumps({"commit": COMMIT, "scores": scores}, indent=1) + "\n", encoding="utf-8"
    )


def make_undelivered(checkout: Checkout) -> None:
    """Make a sweep whose MLflow does not answer."""
    away = ("--tracking-uri", "http://127.0.0.1:9")
    checkout.run("sweep", *SMALL, *away, "--name", "undelivered", "--trials", "1", "--epochs", "3")


def make_unfinished(checkout: Checkout) -> None:
    """Kill a sweep of two trials in each arm while the second trial is training and MLflow has its first runs."""
    sweep = ("--name", "unfinished", "--trials", "2", "--epochs", "8", "--concurrency", "1")
    process = checkout.start("sweep", *SMALL, *sweep)
    folder = ROOT / "sweeps/unfinished"
    history, sent = folder / "trials/trial-0001/epochs.jsonl", folder / "spool/sent"
    while not (history.is_file() and history.read_text(encoding="utf-8").count("\n") >= 3):
        if process.poll() is not None:
            raise SystemExit("The unfinished sweep ended too early")
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)  # no further epoch, while another process still sends to MLflow
    while not sent.is_file():
        time.sleep(0.05)
    process.kill()
    process.wait()
    time.sleep(30)  # its workers end some seconds after the driver
    if history.read_text(encoding="utf-8").count("\n") >= 8:
        raise SystemExit("The second trial was trained to its end: run this again")


def pack(checkout: Checkout) -> None:
    """Write the archive, unless a file names where the code, Python or this user's files lie."""
    with closing(sqlite3.connect(ROOT / "mlflow.db")) as database:
        database.execute("VACUUM")
    parts = [ROOT / name for name in ("ratings.csv", "images", "exported.zip", "mlflow.db", "mlruns", "sweeps")]
    packed = sorted(file for part in parts for file in files(part))
    private = {str(place).encode() for place in (checkout.path, sys.prefix, Path.home(), tempfile.gettempdir())}
    if named := [str(path) for path in packed if any(place in path.read_bytes() for place in private)]:
        raise SystemExit(f"Places of this machine are named in {', '.join(named)}")
    with tarfile.open(DATA / f"made_by_{COMMIT}.tar.xz", "w:xz", preset=9) as archive:
        for path in packed:
            archive.add(path, path.relative_to(ROOT).as_posix(), filter=without_owner)


def files(part: Path) -> Iterator[Path]:
    """Yield the files to keep; of the sweep that was delivered, those in MLflow are enough."""
    for path in [part, *part.rglob("*")]:
        names = path.relative_to(ROOT).parts
        figure = path.suffix == ".png" and "report" in names
        if path.is_file() and not figure and not UNUSED & set(names) and names[:2] != ("sweeps", "delivered"):
            yield path


def without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member that belongs to nobody."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
