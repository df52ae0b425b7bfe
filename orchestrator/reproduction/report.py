"""Report of a reproduction: the paper's figures, the corrected ones, ours, and those of the baselines."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.reproduction.paper_claims import PaperClaim
from orchestrator.reproduction.rows import (
    FORMS,
    HEADER,
    Column,
    Conditions,
    Pair,
    ReproductionRow,
    corrected_cell,
    ours_cell,
    paper_cell,
)

_TUNED = "The image encoder was fine-tuned in systems and controls; ridge reads features of the frozen encoder."
_NOT_TUNED = (
    "A system without figures of ours reads no array of the image encoder in that form, by itself or in its control: "
    "there is nothing to fine-tune, and it was not run."
)
_NO_PIXEL = {"generator_mean": "generator", "prompt_mean": "prompt", "generator_prompt_mean": "both"}

RunsOf = Callable[[PaperClaim], Iterable[tuple[str, str, Any]]]


def collect_rows(
    claims: Iterable[PaperClaim], runs_of: RunsOf, results: Mapping[Any, dict[str, Any]]
) -> list[ReproductionRow]:
    """Return one row per claim and protocol, from the runs' `result.json`."""
    rows = []
    for claim in claims:
        by_protocol: dict[str, dict[str, Any]] = {}
        for protocol, form, run in runs_of(claim):
            by_protocol.setdefault(protocol, {})[form] = run
        if not by_protocol:
            rows.append(ReproductionRow(claim, "", "", {}, {}, None, {}))
        for protocol, runs in by_protocol.items():
            by_form = {form: results[run] for form, run in runs.items()}
            first = next(iter(by_form.values()))
            rows.append(
                ReproductionRow(
                    claim=claim,
                    protocol=protocol,
                    divided=next(iter(runs.values())).protocol,
                    ours={form: pair for form, result in by_form.items() if (pair := _best(result, claim.target))},
                    control={form: d for form, result in by_form.items() if (d := _difference(result, claim.target))},
                    ridge=_pair(first["baselines"].get("ridge"), claim.target),
                    no_pixel={
                        short: pair
                        for name, short in _NO_PIXEL.items()
                        if (pair := _pair(first["baselines"].get(name), claim.target))
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
            difference = (comparison["srcc_difference"], *comparison["interval"])
            return None if None in difference else difference
    return None


def notes(rows: Iterable[ReproductionRow], finetuned: bool = False) -> list[str]:
    """Return the remarks on the figures, each once."""
    rows = list(rows)
    tables: dict[str, list[str]] = {}
    for row in rows:
        if row.claim.note and row.claim.table not in tables.setdefault(row.claim.note, []):
            tables[row.claim.note].append(row.claim.table)
    table_notes = [f"Table {', '.join(numbers)}: {note}." for note, numbers in tables.items()]
    corrected = dict.fromkeys(
        f"Table {row.claim.table}, {row.claim.what}: the printed figures come from other cells of their source."
        for row in rows
        if row.claim.corrected
    )
    forms = {form for row in rows for form in row.ours}
    lacking = any(row.claim.variant and forms - set(row.ours) for row in rows)
    return [
        *corrected,
        *table_notes,
        *([_TUNED] if finetuned else []),
        *([_NOT_TUNED] if finetuned and lacking else []),
        "Optimistic (*): divided as the paper does, the best epoch chosen on the test images. Random: no prompt is in "
        "two parts, epochs are chosen on validation.",
        "“No pixel”: the mean score of the generator, of the prompt, and the effects of both, from training images.",
        "“Minus its control”: median difference in test SRCC to the same net without its hypernet, paired, with its "
        "95 % interval.",
    ]


def heading(conditions: Conditions) -> str:
    """Return the heading of the table."""
    figures = f"test SRCC [95 % interval] / PLCC, {conditions.medians}"
    return f"The paper's tables on {conditions.dataset}: {figures}; {conditions.trained}"


def print_rows(console: Console, rows: Iterable[ReproductionRow], conditions: Conditions) -> None:
    """Print the table with its heading and remarks, without columns that would be empty."""
    rows = list(rows)
    forms = [form for form in FORMS if any(form in row.ours for row in rows)]
    table = Table(title=heading(conditions), title_justify="left", box=None, pad_edge=False)
    columns = (
        Column("table", lambda row: f"{row.claim.table} {row.claim.what}"),
        Column("split", lambda row: f"{row.divided}{'*' if row.protocol == 'own' else ''}"),
        Column("paper", paper_cell),
        Column("corrected", corrected_cell),
        *(Column(f"ours, {form} form", ours_cell(form)) for form in forms),
        Column("ridge", lambda row: f"{row.ridge.srcc:.4f}" if row.ridge else ""),
        Column("best no pixel", _best_without_pixel),
    )
    for column in columns:
        table.add_column(column.header, no_wrap=column.header != "table")
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    console.print()
    console.print(table)
    for note in notes(rows, conditions.finetuned):
        console.print(note, highlight=False, soft_wrap=True)


def _best_without_pixel(row: ReproductionRow) -> str:
    return f"{row.best_without_pixel:.4f}" if row.best_without_pixel is not None else ""


def write_report(rows: list[ReproductionRow], conditions: Conditions, folder: Path) -> None:
    """Write `reproduction.md`, `.csv` and `.png` into `folder`."""
    from orchestrator.reproduction.figure import draw_rows

    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER, ("---",) * 3 + ("---:",) * (len(HEADER) - 3), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    remarks = "\n".join(f"- {note}" for note in notes(rows, conditions.finetuned))
    (folder / "reproduction.md").write_text(f"{heading(conditions)}.\n\n{table}\n\n{remarks}\n", encoding="utf-8")
    with (folder / "reproduction.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(row.cells() for row in rows)
    title = f"The paper's tables on {conditions.dataset}, {conditions.medians} with 95 % intervals"
    draw_rows(rows, f"{title}\n{conditions.trained}", folder / "reproduction.png")
