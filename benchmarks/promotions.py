"""Promotions after sweeps of default length: how often the gates pass, and how often each claim is shown.

`python -m benchmarks.promotions --seeds 20` runs one sweep a seed, as `make sweep` does, and then the gates, as
`python -m orchestrator.promote --variant text_hyper --sweep S --yes --dry-run` does. Sweeps that are finished are not
run again, so a second call only evaluates. `--until HH:MM` starts no sweep later.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.command_helpers import connect, silence_libraries
from orchestrator.registry.promotion.evaluate_gates import CHAMPION, GateResults, evaluate_gates
from orchestrator.registry.promotion.find_candidate import CandidateQuery, better_control, find_candidate
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.reporting.claims import Status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of sweeps; the seeds count from 0")
    parser.add_argument("--variant", default="text_hyper")
    parser.add_argument("--dataset", default="shapes")
    parser.add_argument(
        "--folder", type=Path, default=Path("promotions"), help="folder of sweeps and MLflow's database"
    )
    parser.add_argument("--until", default="24:00", help="clock time, HH:MM, after which no sweep starts")
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    names = {seed: f"{options.variant}-seed-{seed}" for seed in range(options.seeds)}
    for seed, name in names.items():
        if not is_finished(folder, name) and f"{datetime.now():%H:%M}" < options.until:
            sweep(options.variant, options.dataset, seed, name, folder, uri)
    found: list[GateResults] = []
    for name in filter(lambda name: is_finished(folder, name), names.values()):
        evaluated = evaluate(options.variant, name, folder, uri)
        if evaluated is not None:
            print(f"{name}: {line(evaluated)}", flush=True)
            found.append(evaluated)
    summarise(found)


def is_finished(folder: Path, name: str) -> bool:
    """Return whether a sweep has a result."""
    return (folder / "sweeps" / name / "result.json").is_file()


def sweep(variant: str, dataset: str, seed: int, name: str, folder: Path, uri: str) -> None:
    """Run one sweep of default length in a process of its own."""
    arguments = ["--variant", variant, "--dataset", dataset, "--seed", str(seed), "--name", name, "--out", "sweeps"]
    with (folder / f"{name}.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "orchestrator.sweep", *arguments],
            cwd=folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def evaluate(variant: str, name: str, folder: Path, uri: str) -> GateResults | None:
    """Evaluate the gates of a sweep's candidate and change nothing; print why if there is no candidate."""
    thresholds, out = GateThresholds(), folder / "sweeps"
    with TemporaryDirectory(prefix="promotions-") as scratch, silence_libraries():
        try:
            client, query = connect(uri), CandidateQuery(variant, sweep=name)
            candidate = find_candidate(client, query, out, Path(scratch)).candidate
            return evaluate_gates(client, candidate, CHAMPION, thresholds, out, Path(scratch), dry_run=True)
        except InputError as error:
            print(f"{name}: {error}", flush=True)
            return None


def line(evaluated: GateResults) -> str:
    """Return the refusals, the difference to the control, and the claims that are shown."""
    refusals = ", ".join(result.gate for result in evaluated.refusals)
    control = evaluated.inputs.differences["control"].interval
    difference = "" if control is None else f"{control.estimate:+.4f} [{control.low:+.4f}, {control.high:+.4f}]"
    shown = ", ".join(claim.name for claim in evaluated.claims if claim.status is Status.SHOWN)
    better = " (the control is better by validation)" if better_control(evaluated.inputs.candidate, "srcc") else ""
    return f"{f'refused by {refusals}' if refusals else 'passed'}; to the control {difference}{better}; shown: {shown}"


def summarise(found: list[GateResults]) -> None:
    """Print how many sweeps passed, the refusals by gate, and each claim by its status."""
    print(f"\n{sum(not one.refusals for one in found)} of {len(found)} sweeps pass the gates")
    for gate, count in Counter(result.gate for one in found for result in one.refusals).items():
        print(f"  refused by {gate}: {count}")
    statuses = Counter((claim.name, claim.status) for one in found for claim in one.claims)
    for name in dict.fromkeys(name for name, _ in statuses):
        print(f"  {name}: " + ", ".join(f"{status} {statuses[name, status]}" for status in Status))


if __name__ == "__main__":
    main()
