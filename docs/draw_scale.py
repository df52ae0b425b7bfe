"""Draw `images/scale.png` and print the table of `results/scale.md` from the lines that `benchmarks.scale` printed.

`python docs/draw_scale.py docs/results/scale.jsonl`
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

IMAGES = Path(__file__).parent / "images"
COLOURS = {"journal": "#1f6feb", "sqlite": "#d2691e", "postgresql": "#2e8b57"}


def main(lines: str) -> None:
    runs = [json.loads(line) for line in Path(lines).read_text(encoding="utf-8").splitlines()]
    for run in runs:
        print(row(run))
    driven = [run for run in runs if run["pruner"] == "halving" and run["sampler"] == "random"]
    figure, (time, memory, disk) = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    for kind, mlflow in dict.fromkeys((run["ledger"], run["mlflow"]) for run in driven):
        same = [run for run in driven if (run["ledger"], run["mlflow"]) == (kind, mlflow)]
        own = sorted(same, key=lambda run: run["trials"])
        real = mlflow != "count"
        style = {"color": COLOURS[kind], "marker": "o", "linestyle": "--" if real else "-"}
        style["label"] = f"{kind}, with MLflow" if real else kind
        sizes = [run["trials"] for run in own]
        time.plot(sizes, [run["driver_ms"]["mean"] for run in own], **style)
        memory.plot(sizes, [run["rss_mb"] - run["rss_before_mb"] for run in own], **style)
        if not real:
            disk.plot(sizes, [run["ledger_mb"] for run in own], **style)
    time.axhline(5, color="grey", linestyle="--")
    time.annotate("the goal", (100, 5), xytext=(0, 3), textcoords="offset points", color="grey")
    time.set(ylim=(0, 6), title="driver, ms a result by the clock\n(without the sampler)")
    for axis, title in ((memory, "memory gained, MB"), (disk, "ledger on disk, MB")):
        axis.set(yscale="log", title=title)
    for axis in (time, memory, disk):
        axis.set(xscale="log", xlabel="trials")
        axis.grid(alpha=0.3)
    figure.legend(*time.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(IMAGES / "scale.png", dpi=110)


def row(run: dict[str, Any]) -> str:
    """Return a line of the table."""
    clock, driver, parts = run["driver_ms"], run["driver_cpu_ms"], run["cpu_parts_ms"]
    # Fewer trials than slots never fill them.
    full = f"{100 * run['occupancy_before_dry']:.1f}" if run["trials"] > run["slots"] else "–"
    cells = [
        run["ledger"],
        run["sampler"],
        run["mlflow"],
        f"{run['trials']:,}",
        f"{run['results']:,}",
        f"{clock['mean']:.2f}",
        f"{clock['p50']:.2f} / {clock['p99']:.1f}",
        f"{driver['mean']:.2f}",
        *(f"{parts[name]:.2f}" for name in ("ledger", "pruner", "recorder", "other")),
        f"{parts['sampler']:.2f}",
        f"{run['rss_mb'] - run['rss_before_mb']:.0f}",
        f"{run['ledger_mb']:.1f}",
        f"{full} / {100 * run['occupancy']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1])
