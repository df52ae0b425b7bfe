"""Draw `images/mlflow-runs.png` from a finished sweep with a running MLflow: `make_mlflow_picture.py SWEEP`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from orchestrator.core.sweep_folder import find_sweep

PICTURE = Path(__file__).parent / "images" / "mlflow-runs.png"
SIZE = (1600, 900)


def main(sweep: str) -> None:
    page = json.loads(find_sweep(sweep, Path("sweeps")).result.read_text(encoding="utf-8"))["mlflow"]["page"]
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "page.png"
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=25000")
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        command = ["chromium", *options, size, f"--screenshot={shot}", page]
        subprocess.run(command, check=True, timeout=120, stderr=subprocess.DEVNULL)
        picture = Image.open(shot).convert("RGB").resize((SIZE[0] * 3 // 4, SIZE[1] * 3 // 4), Image.Resampling.LANCZOS)
        picture.quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
