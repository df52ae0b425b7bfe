"""Time until a command prints its help."""

import subprocess
import sys
import time


def main() -> None:
    for command in ("sweep", "sweeps", "score"):
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", f"orchestrator.{command}", "--help"], capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        print(f"{command} --help: {sorted(seconds)[2]:.2f} s (median of 5)")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    print(f"Python alone: {time.perf_counter() - began:.2f} s")
