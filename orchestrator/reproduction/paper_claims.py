"""Figures that the paper reports, row by row, and the errors in its tables."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message

SWAPPED = (
    "training stacks quality, authenticity, alignment, while scoring correlates each output with another score's MOS: "
    "no relabelling recovers these figures"
)


@dataclass(frozen=True)
class PaperClaim:
    """Pair of figures in one of the paper's tables.

    Attributes:
        table: number of the table; "III-A" for the figures in that section's text.
        dataset: name of the data set.
        what: heading of the column, in words.
        variant: the system; None for best results of other papers, which nothing here trains.
        trained_on: the scores that the system is trained for.
        target: the score that the figures are of.
        srcc, plcc: as printed.
        corrected: (SRCC, PLCC), if the printed figures come from another cell of their source.
        note: remark for the reader.
        protocol: protocol of the paper's split; see `orchestrator.data`.
    """

    table: str
    dataset: str
    what: str
    variant: str | None
    trained_on: tuple[str, ...]
    target: str
    srcc: float
    plcc: float
    corrected: tuple[float, float] | None = None
    note: str | None = None
    protocol: str = "paper"


_Q, _A, _T = "quality", "authenticity", "alignment"
_3K, _2023 = "agiqa3k", "aigciqa2023"
_BLIP = "the published code loads no weights into BLIP, leaves its dropout on and builds one for each half"

CLAIMS = (
    PaperClaim("I", _3K, "best quality of AGIQA-3K's paper", None, (), _Q, 0.8355, 0.8903),
    PaperClaim("I", _2023, "best quality of AIGCIQA2023's paper", None, (), _Q, 0.7961, 0.8402),
    PaperClaim("I", _2023, "best authenticity of AIGCIQA2023's paper", None, (), _A, 0.6701, 0.6807),
    PaperClaim("III-A", _3K, "quality", "image_hyper", (_Q,), _Q, 0.8603, 0.9100),
    PaperClaim("II", _2023, "trained for quality", "image_hyper", (_Q,), _Q, 0.8227, 0.8312),
    PaperClaim("II", _2023, "trained for authenticity", "image_hyper", (_A,), _A, 0.7423, 0.7561),
    PaperClaim("II", _2023, "trained for both: quality", "image_hyper", (_Q, _A), _Q, 0.8412, 0.8576),
    PaperClaim("II", _2023, "trained for both: authenticity", "image_hyper", (_Q, _A), _A, 0.7827, 0.7778),
    PaperClaim("III", _3K, "best alignment of AGIQA-3K's paper", None, (), _T, 0.7472, 0.7058, (0.7472, 0.8529)),
    PaperClaim("III", _2023, "best alignment of AIGCIQA2023's paper", None, (), _T, 0.7961, 0.7153, (0.7058, 0.7153)),
    PaperClaim("IV", _3K, "hypernet", "image_text_hyper", (_T,), _T, 0.8629, 0.8458, note=_BLIP),
    PaperClaim("IV", _3K, "ImageReward's head", "imagereward_head", (_T,), _T, 0.8521, 0.8216, note=_BLIP),
    PaperClaim("IV", _2023, "hypernet", "image_text_hyper", (_T,), _T, 0.7952, 0.7203, note=_BLIP),
    PaperClaim("IV", _2023, "ImageReward's head", "imagereward_head", (_T,), _T, 0.3562, 0.3413, note=_BLIP),
    PaperClaim("V", _3K, "text hypernet", "text_hyper", (_T,), _T, 0.1087, 0.0923, note=_BLIP),
    PaperClaim("V", _2023, "text hypernet", "text_hyper", (_T,), _T, 0.2025, 0.1781, note=_BLIP, protocol="slots"),
    PaperClaim("VI", _3K, "with image semantics", "semantic_hyper", (_T,), _T, 0.6442, 0.8038, note=_BLIP),
    PaperClaim("VI", _2023, "with image semantics", "semantic_hyper", (_T,), _T, 0.6026, 0.5937, note=_BLIP),
    PaperClaim("VII", _3K, "hybrid: alignment", "hybrid_hyper", (_T, _Q), _T, 0.6131, 0.7998, note=_BLIP),
    PaperClaim("VII", _3K, "hybrid: quality", "hybrid_hyper", (_T, _Q), _Q, 0.7942, 0.8464, note=_BLIP),
    PaperClaim("VIII", _2023, "hybrid: quality", "hybrid_hyper", (_Q, _A, _T), _Q, 0.7118, 0.7146, note=SWAPPED),
    PaperClaim("VIII", _2023, "hybrid: authenticity", "hybrid_hyper", (_Q, _A, _T), _A, 0.6512, 0.6383, note=SWAPPED),
    PaperClaim("VIII", _2023, "hybrid: alignment", "hybrid_hyper", (_Q, _A, _T), _T, 0.7734, 0.7668, note=SWAPPED),
)


def choose_claims(dataset: str, tables: tuple[str, ...], variants: tuple[str, ...] = ()) -> tuple[PaperClaim, ...]:
    """Return the paper's rows on a data set, for some tables and systems or for all.

    Args:
        dataset: agiqa3k or aigciqa2023.
        tables: Roman numbers, or III-A for the figures in that section's text; empty for all.
        variants: the systems; empty for all, with the quoted results of other papers.

    Raises:
        InputError: the paper has no figures for a data set, a table or a system.
    """
    claims = [claim for claim in CLAIMS if claim.dataset == dataset]
    if not claims:
        raise InputError(
            unknown_name_message("data set of the paper", dataset, sorted({claim.dataset for claim in CLAIMS}))
        )
    known = list(dict.fromkeys(claim.table for claim in claims))
    for table in tables:
        if table not in known:
            raise InputError(f"The paper has no table {table} on {dataset}; it has {', '.join(known)}.")
    chosen = [claim for claim in claims if not tables or claim.table in tables]
    systems = sorted({claim.variant for claim in chosen if claim.variant})
    for variant in variants:
        if variant not in systems:
            raise InputError(unknown_name_message("system in these tables", variant, systems))
    return tuple(claim for claim in chosen if not variants or claim.variant in variants)
