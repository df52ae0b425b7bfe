"""Rows of the reproduction: the paper's figures, the corrected ones and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.reproduction.paper_claims import SWAPPED, PaperClaim

HEADER = (
    "table",
    "what",
    "split",
    "paper",
    "corrected",
    "ours, paper's form",
    "ours, shipped form",
    "minus its control",
    "ridge",
    "no pixel",
)
FORMS = ("paper", "shipped")
_IN_WORDS = {"paper": "the paper's form", "shipped": "the shipped form"}


@dataclass(frozen=True)
class Pair:
    """SRCC and PLCC with the SRCC's 95 % interval, where it has one."""

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
        claim: what the paper says.
        protocol: "own" or "random"; empty for figures that the paper quotes.
        divided: how the rows were divided: the protocol's name.
        ours: form → our figures.
        control: form → difference in test SRCC to the same net without its hypernet, (estimate, low, high).
        ridge: on the same features.
        no_pixel: the predictors that see no pixel: means of the generator, of the prompt, and of both.
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
        """The highest SRCC that no pixel was needed for."""
        return max((pair.srcc for pair in self.no_pixel.values()), default=None)

    @property
    def label(self) -> str:
        """Table, system and protocol."""
        return f"{self.claim.table} {self.claim.what}, {self.protocol}"

    def metrics(self) -> dict[str, float]:
        """Our figures by name."""
        found = {f"{form} {name}": getattr(pair, name) for form, pair in self.ours.items() for name in ("srcc", "plcc")}
        return {**found, "claimed srcc": self.claim.srcc, "claimed plcc": self.claim.plcc}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """As text, one for each of `HEADER`."""
        claim = self.claim
        corrected = f"{claim.corrected[0]:.4f} / {claim.corrected[1]:.4f}" if claim.corrected else ""
        optimistic = " (optimistic)" if self.protocol == "own" else ""
        return (
            claim.table,
            claim.what,
            f"{self.divided}{optimistic}",
            f"{claim.srcc:.4f} / {claim.plcc:.4f}",
            "not recoverable" if claim.note == SWAPPED else corrected,
            *(str(self.ours[form]) if form in self.ours else "" for form in FORMS),
            "; ".join(f"{form} {d:+.3f} [{a:+.3f}, {b:+.3f}]" for form, (d, a, b) in self.control.items()),
            str(self.ridge) if self.ridge else "",
            "; ".join(f"{name} {pair.srcc:.3f} / {pair.plcc:.3f}" for name, pair in self.no_pixel.items()),
        )


@dataclass(frozen=True)
class Conditions:
    """How the figures came about.

    Attributes:
        dataset: its name.
        splits: that each figure is a median of.
        epochs: form → epochs of every training.
        finetuned: whether the image encoder was trained with the models.
    """

    dataset: str
    splits: int
    epochs: Mapping[str, int]
    finetuned: bool = False

    @property
    def medians(self) -> str:
        """What a figure is."""
        return "of one split" if self.splits == 1 else f"medians over {self.splits} splits"

    @property
    def trained(self) -> str:
        """How the models were trained."""
        epochs = " and ".join(f"{count} epochs in {_IN_WORDS[form]}" for form, count in self.epochs.items())
        return f"image encoder {'fine-tuned' if self.finetuned else 'frozen'}, {epochs}"
