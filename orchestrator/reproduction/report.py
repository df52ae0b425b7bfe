"""The reproduction's rows: the paper's figures, the corrected ones, ours, and what they have to beat."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.reproduction.paper_claims import PaperClaim
from orchestrator.reproduction.rows import FORMS, HEADER, Conditions, Pair, ReproductionRow

_TUNED = "The image encoder was fine-tuned in the systems and in their controls; ridge reads what the frozen one gave."
_NOT_TUNED = (
    "A system without figures of ours reads no array of the image encoder in that form, by itself or in its control: "
    "there is nothing to fine-tune, and it was not run."
)
_NO_PIXEL = {"generator_mean": "generator", "prompt_mean": "prompt", "generator_prompt_mean": "both"}

RunsOf = Callable[[PaperClaim], Iterable[tuple[str, str, Any]]]


def collect_rows(
    claims: Iterable[PaperClaim], runs_of: RunsOf, results: Mapping[Any, dict[str, Any]]
) -> list[ReproductionRow]:
    """One row a claim and protocol, from the runs' `result.json`."""
    rows = []
    for claim in claims:
        by_protocol: dict[str, dict[str, Any]] = {}
        for protocol, form, run in runs_of(claim):
            by_protocol.setdefault(protocol, {})[form] = run
        if not by_protocol:
            rows.append(ReproductionRow(claim, "", "", {}, {}, None, {}))
        for protocol, runs in by_protocol.items():
            found = {form: results[run] for form, run in runs.items()}
            some = next(iter(found.values()))
            rows.append(
                ReproductionRow(
                    claim=claim,
                    protocol=protocol,
                    divided=next(iter(runs.values())).protocol,
                    ours={form: pair for form, result in found.items() if (pair := _best(result, claim.target))},
                    control={form: d for form, result in found.items() if (d := _difference(result, claim.target))},
                    ridge=_pair(some["baselines"].get("ridge"), claim.target),
                    no_pixel={
                        short: pair
                        for name, short in _NO_PIXEL.items()
                        if (pair := _pair(some["baselines"].get(name), claim.target))
                    },
                )
            )
    return rows


def _best(result: dict[str, Any], target: str) -> Pair | None:
    return _pair((result["best"] or {}).get("test"), target)


def _pair(figures: dict[str, Any] | None, target: str) -> Pair | None:
    figures = (figures or {}).get("targets", {}).get(target, figures)
    if not figures or figures.get("srcc") is None:
        return None
    bounds = figures.get("interval")
    interval = (bounds[0], bounds[1]) if bounds and None not in bounds else None
    return Pair(figures["srcc"], figures["plcc"] if figures["plcc"] is not None else math.nan, interval)


def _difference(result: dict[str, Any], target: str) -> tuple[float, float, float] | None:
    for comparison in result["comparisons"]:
        if (comparison["against"], comparison["target"]) == ("control", target):
            found = (comparison["srcc_difference"], *comparison["interval"])
            return None if None in found else found
    return None


def notes(rows: Iterable[ReproductionRow], finetuned: bool = False) -> list[str]:
    """What has to be known beside the figures, once each."""
    rows = list(rows)
    tables: dict[str, list[str]] = {}
    for row in rows:
        if row.claim.note and row.claim.table not in tables.setdefault(row.claim.note, []):
            tables[row.claim.note].append(row.claim.table)
    said = [f"Table {', '.join(numbers)}: {note}." for note, numbers in tables.items()]
    corrected = dict.fromkeys(
        f"Table {row.claim.table}, {row.claim.what}: the printed figures come from other cells of their source."
        for row in rows
        if row.claim.corrected
    )
    forms = {form for row in rows for form in row.ours}
    lacking = any(row.claim.variant and forms - set(row.ours) for row in rows)
    return [
        *corrected,
        *said,
        *([_TUNED] if finetuned else []),
        *([_NOT_TUNED] if finetuned and lacking else []),
        "Optimistic (*): divided as the paper does, the best epoch chosen on the test images. Random: no prompt is in "
        "two parts, epochs are chosen on validation.",
        "“No pixel”: the mean score of the generator, of the prompt, and the effects of both, from training images.",
        "“Minus its control”: median difference in test SRCC to the same net without its hypernet, paired, with its "
        "95 % interval.",
    ]


def heading(conditions: Conditions) -> str:
    """What the table is."""
    figures = f"test SRCC [95 % interval] / PLCC, {conditions.medians}"
    return f"The paper's tables on {conditions.dataset}: {figures}; {conditions.trained}"


def print_rows(console: Console, rows: Iterable[ReproductionRow], conditions: Conditions) -> None:
    """The table on the terminal: what it is about on a line of its own, and no column that would be empty."""
    rows = list(rows)
    forms = [form for form in FORMS if any(form in row.ours for row in rows)]
    table = Table(title=heading(conditions), title_justify="left", box=None, pad_edge=False)
    for name in (
        "table",
        "split",
        "paper",
        "corrected",
        *(f"ours, {form} form" for form in forms),
        "ridge",
        "best no pixel",
    ):
        table.add_column(name, no_wrap=name != "table")
    for row in rows:
        cells = dict(zip(HEADER, row.cells(), strict=True))
        best = f"{row.best_without_pixel:.4f}" if row.best_without_pixel is not None else ""
        table.add_row(
            f"{row.claim.table} {row.claim.what}",
            f"{row.divided}{'*' if row.protocol == 'own' else ''}",
            cells["paper"],
            cells["corrected"],
            *(str(row.ours.get(form, "")) for form in forms),
            f"{row.ridge.srcc:.4f}" if row.ridge else "",
            best,
        )
    console.print()
    console.print(table)
    for note in notes(rows, conditions.finetuned):
        console.print(note, highlight=False, soft_wrap=True)


def write_report(rows: list[ReproductionRow], conditions: Conditions, folder: Path) -> None:
    """`reproduction.md`, `.csv` and `.png` in `folder`."""
    from orchestrator.reproduction.figure import draw_rows

    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER, ("---",) * 3 + ("---:",) * (len(HEADER) - 3), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    remarks = "\n".join(f"- {note}" for note in notes(rows, conditions.finetuned))
    (folder / "reproduction.md").write_text(f"{heading(conditions)}.\n\n{table}\n\n{remarks}\n")
    with (folder / "reproduction.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(row.cells() for row in rows)
    title = f"The paper's tables on {conditions.dataset}, {conditions.medians} with 95 % intervals"
    draw_rows(rows, f"{title}\n{conditions.trained}", folder / "reproduction.png")
