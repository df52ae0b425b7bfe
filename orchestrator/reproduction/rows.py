"""Rows of the reproduction: the paper's figures, the corrected ones and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.reproduction.paper_claims import SWAPPED, PaperClaim

FORMS = ("paper", "shipped")
_IN_WORDS = {"paper": "the paper's form", "shipped": "the shipped form"}


@dataclass(frozen=True)
class Pair:
    """SRCC and PLCC, with the SRCC's 95 % interval if it has one."""

    srcc: float
    plcc: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        bounds = f" [{self.interval[0]:.3f}, {self.interval[1]:.3f}]" if self.interval else ""
        return f"{self.srcc:.4f}{bounds} / {self.plcc:.4f}"


@dataclass(frozen=True)
class ReproductionRow:
    """A row of the paper under one protocol.

    Attributes:
        claim: the paper's figures.
        protocol: "own" or "random"; empty for figures that the paper quotes.
        divided: name of the protocol that divided the rows.
        ours: form → our figures.
        control: form → difference in test SRCC to the same net without its hypernet, (estimate, low, high).
        ridge: ridge regression on the same features.
        no_pixel: predictors that see no pixel: means of the generator, of the prompt, and of both.
    """

    claim: PaperClaim
    protocol: str
    divided: str
    ours: Mapping[str, Pair]
    control: Mapping[str, tuple[float, float, float]]
    ridge: Pair | None
    no_pixel: Mapping[str, Pair]

    @property
    def best_without_pixel(self) -> float | None:
        """Highest SRCC of the predictors that see no pixel."""
        return max((pair.srcc for pair in self.no_pixel.values()), default=None)

    @property
    def label(self) -> str:
        """Table, system and protocol."""
        return f"{self.claim.table} {self.claim.what}, {self.protocol}"

    def metrics(self) -> dict[str, float]:
        """Return our figures by name."""
        ours = {f"{form} {name}": getattr(pair, name) for form, pair in self.ours.items() for name in ("srcc", "plcc")}
        return {**ours, "claimed srcc": self.claim.srcc, "claimed plcc": self.claim.plcc}

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the files' table, under `HEADER`."""
        return tuple(column.cell(self) for column in COLUMNS)


@dataclass(frozen=True)
class Column:
    """Column of a reproduction's table: its heading, and a function from a row to the cell's text."""

    header: str
    cell: Callable[[ReproductionRow], str]


def figures_cell(srcc: float, plcc: float) -> str:
    """Return SRCC and PLCC as text."""
    return f"{srcc:.4f} / {plcc:.4f}"


def paper_cell(row: ReproductionRow) -> str:
    """Return the paper's figures as printed."""
    return figures_cell(row.claim.srcc, row.claim.plcc)


def corrected_cell(row: ReproductionRow) -> str:
    """Return the corrected figures of the paper; empty if the printed ones are right."""
    if row.claim.note == SWAPPED:
        return "not recoverable"
    return figures_cell(*row.claim.corrected) if row.claim.corrected else ""


def ours_cell(form: str) -> Callable[[ReproductionRow], str]:
    """Return the cell with our figures in a form; empty without such figures."""
    return lambda row: str(row.ours.get(form, ""))


def _control_cell(row: ReproductionRow) -> str:
    return "; ".join(f"{form} {d:+.3f} [{low:+.3f}, {high:+.3f}]" for form, (d, low, high) in row.control.items())


def _no_pixel_cell(row: ReproductionRow) -> str:
    return "; ".join(f"{name} {pair.srcc:.3f} / {pair.plcc:.3f}" for name, pair in row.no_pixel.items())


COLUMNS = (
    Column("table", lambda row: row.claim.table),
    Column("what", lambda row: row.claim.what),
    Column("split", lambda row: f"{row.divided}{' (optimistic)' if row.protocol == 'own' else ''}"),
    Column("paper", paper_cell),
    Column("corrected", corrected_cell),
    Column("ours, paper's form", ours_cell("paper")),
    Column("ours, shipped form", ours_cell("shipped")),
    Column("minus its control", _control_cell),
    Column("ridge", lambda row: str(row.ridge or "")),
    Column("no pixel", _no_pixel_cell),
)
"""Columns of the table in the files, from left to right."""

HEADER = tuple(column.header for column in COLUMNS)


@dataclass(frozen=True)
class Conditions:
    """Conditions under which the figures were computed.

    Attributes:
        dataset: name of the data set.
        splits: number of splits that each figure is a median of.
        epochs: form → epochs of every training.
        finetuned: whether the image encoder was trained with the models.
    """

    dataset: str
    splits: int
    epochs: Mapping[str, int]
    finetuned: bool = False

    @property
    def medians(self) -> str:
        """Number of splits in words."""
        return "of one split" if self.splits == 1 else f"medians over {self.splits} splits"

    @property
    def trained(self) -> str:
        """Training of the models in words."""
        epochs = " and ".join(f"{count} epochs in {_IN_WORDS[form]}" for form, count in self.epochs.items())
        return f"image encoder {'fine-tuned' if self.finetuned else 'frozen'}, {epochs}"
