"""A data set's report on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table

from orchestrator.data.report import DatasetReport

_SHOWN_NAMES = 5


def print_report(report: DatasetReport, console: Console) -> None:
    """Print the counts of usable and excluded rows, the scores, the generators and the split."""
    for piece in _pieces(report):
        console.print(piece, soft_wrap=isinstance(piece, str), highlight=False, markup=False)


def _pieces(report: DatasetReport) -> Iterator[RenderableType]:
    yield f"{report.dataset} at {report.root}"
    yield from report.notes
    yield f"{report.usable} of {report.rows} images can be used, {report.prompts} {report.groups}"
    for reason, names in report.left_out.items():
        more = ", …" if len(names) > _SHOWN_NAMES else ""
        yield f"  excluded: {len(names)} {reason}: {', '.join(names[:_SHOWN_NAMES])}{more}"
    yield ""
    yield _scores(report)
    yield ""
    yield _generators(report)
    if report.parts:
        yield ""
        yield _parts(report)
    yield ""
    yield f"data hash {report.data_hash}"
    for target, why in report.unusable.items():
        yield f"{target} cannot be learned: {why}."
    for problem in report.problems:
        yield f"A sweep would refuse it: {problem}"


def _scores(report: DatasetReport) -> Table:
    table = _table("score", "lowest", "highest", "mean", "rating std")
    for target in report.targets:
        figures = (target.low, target.high, target.mean)
        known = "no" if target.raters_std == 0 else "yes" if target.raters_std == report.usable else "some"
        table.add_row(target.name, *("–" if figure is None else f"{figure:.3f}" for figure in figures), known)
    return table


def _generators(report: DatasetReport) -> Table:
    table = _table("generator", "images")
    for generator, images in report.generators.items():
        table.add_row(generator, str(images))
    return table


def _parts(report: DatasetReport) -> Table:
    table = _table(f"{report.protocol}, split 0", report.groups, "images")
    for part, content in report.parts.items():
        table.add_row(part, str(content.prompts), str(content.images))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
