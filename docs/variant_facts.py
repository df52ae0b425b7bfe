"""Numbers on the pages of docs/variants: from the registry, the shipped spaces and the paper's figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch

from models import ScoringModel, VariantInfo, build_variant, list_variants, variant_info
from models.encoders import build_encoder
from models.stems import Embedding, Joined, LocalDistortion, Stem
from orchestrator.reproduction.paper_claims import CLAIMS, SWAPPED, PaperClaim
from orchestrator.search.parameters import CategoricalParameter, Parameter, WidthsParameter
from orchestrator.search.space import load_space

IMAGE_ENCODER = "resnet50"
TEXT_WIDTH = 768
"""Width of every prompt encoder of the paper, alone or with the image: keyphrase-mpnet, LLM-Embedder, BLIP."""
DATASETS = {"agiqa3k": "AGIQA-3K", "aigciqa2023": "AIGCIQA2023"}


@dataclass(frozen=True)
class Part:
    """A stem's part for one feature: `how` in words, `width` of its output, or None if the stem keeps it."""

    feature: str
    how: str
    width: int | None


@dataclass(frozen=True)
class Form:
    """A variant with some parameters, built without memory for its weights."""

    info: VariantInfo
    model: ScoringModel
    parameters: dict[str, Any]

    @property
    def sizes(self) -> list[int]:
        """Widths of the target net, from its input to its output."""
        layers = self.model.target_net.layers
        return [layers[0][0], *(n_out for _, n_out in layers)]

    @property
    def trunk(self) -> list[int]:
        """Widths of the hypernet's trunk, from what it sees to the condition; empty without a hypernet."""
        hypernet = self.model.hypernet
        if hypernet is None:
            return []
        shape = shapes(self.info)[hypernet.condition]
        first = shape[0] // hypernet.grid**2 if hypernet.grid else shape[0]
        return [first, *self.parameters["condition_hidden"], self.parameters["condition_width"]]

    @property
    def generated(self) -> int:
        """Values that the hypernet generates for an image."""
        return 0 if self.model.hypernet is None else self.model.hypernet.n_generated

    @property
    def by_layer(self) -> list[int]:
        """Values of every layer of the target net: generated ones, or without a hypernet learned ones."""
        if self.model.hypernet is None:
            return [n_in * n_out + n_out for n_in, n_out in self.model.target_net.layers]
        return [sum(prod(head.shape) for head in layer.children()) for layer in self.model.hypernet.layers]

    @property
    def parts(self) -> list[Part]:
        """Return the stem's part for every feature that the target net sees."""
        return list(_parts(self.model.stem))


def shapes(info: VariantInfo) -> dict[str, tuple[int, ...]]:
    """Return shapes of the features that a variant reads, with the paper's encoders; other features are vectors."""
    image = {f"image.{name}": shape for name, shape in build_encoder(IMAGE_ENCODER).shapes.items()}
    return {name: image[name] if name.startswith("image.") else (TEXT_WIDTH,) for name in info.reads}


def build(name: str, n_targets: int, **parameters: Any) -> Form:
    """Build a variant with these parameters and its defaults for the rest."""
    info = variant_info(name)
    with torch.device("meta"):
        model = build_variant(name, shapes(info), n_targets, **parameters)
    return Form(info, model, {**info.parameters, **parameters})


def paper_form(name: str, n_targets: int | None = None) -> Form:
    """Build a variant with its defaults, which are the paper's sizes."""
    return build(name, n_targets or len(outputs(name)[0]))


def shipped_form(name: str, n_targets: int | None = None) -> Form:
    """Build the first trial of the shipped space."""
    space = load_space(name)
    return build(name, n_targets or len(outputs(name)[0]), **space.configuration(space.default_params()).model)


def outputs(name: str) -> list[tuple[str, ...]]:
    """Return the scores of each model: as the paper trains it, otherwise as the variant's targets."""
    trained = dict.fromkeys(claim.trained_on for claim in CLAIMS if claim.variant == name)
    return list(trained) or [variant_info(name).targets or ("score",)]


def _parts(stem: Stem) -> Iterator[Part]:
    if isinstance(stem, Joined):
        for one in stem.stems:
            assert isinstance(one, Stem)
            yield from _parts(one)
    elif isinstance(stem, LocalDistortion):
        for name, part in zip(stem.reads, stem.parts.values(), strict=True):
            layers = list(part.modules())
            width = next(layer.out_features for layer in layers if isinstance(layer, torch.nn.Linear))
            channels = [layer.out_channels for layer in layers if isinstance(layer, torch.nn.Conv2d)]
            yield Part(name, f"1×1 conv to {channels[0]}, linear" if channels else "linear", width)
    elif isinstance(stem, Embedding) and len(stem.reads) == 1:
        yield Part(stem.reads[0], "", stem.width)
    else:
        for name in stem.reads:
            yield Part(name, "", None)


# --- tables ---------------------------------------------------------------------------------------------------------


@cache
def sizes_table(name: str) -> str:
    """Return the table of the paper's form next to the first trial of the shipped space."""
    forms = {"the paper's form": paper_form, "shipped space, first trial": shipped_form}
    built = [form(name) for form in forms.values()]
    several = list(dict.fromkeys(len(scores) for scores in outputs(name)))
    hyper = bool(built[0].info.hypernet_sees)
    rows = [
        ("target net", *(_arrows(form.sizes) for form in built)),
        *([("hypernet's trunk", *(_arrows(form.trunk) for form in built))] if hyper else []),
        *(
            (
                f"values generated{_with_scores(n, several)}",
                *(f"{form(name, n).generated:,}" for form in forms.values()),
            )
            for n in (several if hyper else [])
        ),
        *([("… of these, the first layer's", *(f"{form.by_layer[0]:,}" for form in built))] if hyper else []),
        (f"learned parameters{_with_scores(several[0], several)}", *(f"{_learned(form.model):,}" for form in built)),
        *([("… of these, the hypernet's", *(f"{_learned(form.model.hypernet):,}" for form in built))] if hyper else []),
    ]
    shape = "ResNet-50's maps and text embeddings of 768 values"
    return f"{_table(('', *forms), rows, right=(1, 2))}\n\nWith {shape}; the encoders are not counted."


@cache
def space_table(name: str) -> str:
    """Return the table of the shipped space's parameters that differ from the paper's."""
    defaults = variant_info(name).parameters
    space = load_space(name)
    rows = [
        (f"`{key}`", _plain(defaults[key]), _searched(value))
        for section in (space.model, space.hypernet)
        for key, value in section.items()
        if isinstance(value, Parameter) or _plain(value) != _plain(defaults[key])
    ]
    return _table(("parameter", "the paper's form", "shipped space"), rows)


@cache
def figures_table(name: str) -> str:
    """Return the paper's figures of a variant under its baselines; corrected if the paper swapped cells."""
    own = [claim for claim in CLAIMS if claim.variant == name]
    if not own:
        return "The paper has no figures of it."
    scored = {(claim.dataset, claim.target) for claim in own}
    quoted = [claim for claim in CLAIMS if claim.variant is None and (claim.dataset, claim.target) in scored]
    rows = [
        (claim.table, DATASETS[claim.dataset], claim.what, f"{claim.srcc:.4f} / {claim.plcc:.4f}", _corrected(claim))
        for claim in (*quoted, *own)
    ]
    heading = ("table", "data set", "what", "printed SRCC / PLCC", "corrected")
    notes = dict.fromkeys((claim.note, claim.table) for claim in own if claim.note)
    tables = {note: [table for other, table in notes if other == note] for note, _ in notes}
    lines = [f"- {_named(of)}: {note}." for note, of in tables.items()]
    lines += [
        f"- {_named([claim.table])} on {DATASETS[claim.dataset]}: protocol `{claim.protocol}`."
        for claim in own
        if claim.protocol != "paper"
    ]
    return _table(heading, rows, right=(3, 4)) + ("\n\n" + "\n".join(lines) if lines else "")


@cache
def index_table() -> str:
    """Return the table of all variants."""
    rows = []
    for name in list_variants():
        paper, shipped = paper_form(name), shipped_form(name)
        hypernet, target = paper.info.hypernet_sees, paper.model.stem.reads
        rows.append(
            (
                f"[`{name}`]({name}.md)",
                _features(hypernet) or "–",
                "as the one it is compared with" if name == "plain_head" else _features(target),
                ", ".join(paper.info.targets) if paper.info.targets and name != "plain_head" else "any",
                *(f"{form.generated:,}" if hypernet else "–" for form in (paper, shipped)),
            )
        )
    heading = ("variant", "hypernet sees", "target net sees", "scores", "generates, as in the paper", "as shipped")
    return _table(heading, rows, right=(4, 5))


def _features(names: tuple[str, ...]) -> str:
    levels = [name for name in names if name in LocalDistortion.levels]
    rest = [f"`{name}`" for name in names if name not in levels]
    return ", ".join([*([f"`{levels[0]}` … `{levels[-1][-1]}`"] if levels else []), *rest])


def _with_scores(n: int, several: list[int]) -> str:
    return f", {n} score{'s'[: n > 1]}" if len(several) > 1 else ""


def _corrected(claim: PaperClaim) -> str:
    if claim.note == SWAPPED:
        return "not recoverable"
    return "{:.4f} / {:.4f}".format(*claim.corrected) if claim.corrected else ""


def _named(tables: list[str]) -> str:
    return f"Table{'s'[: len(tables) > 1]} {' and '.join(tables)}"


def _learned(module: torch.nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


def _arrows(widths: list[int]) -> str:
    return " → ".join(map(str, widths))


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _searched(value: Any) -> str:
    match value:
        case WidthsParameter():
            depth = _range(value.min_depth, value.max_depth)
            return f"{depth} layers of {_range(value.low, value.high)}; first {_plain(value.default)}"
        case CategoricalParameter():
            return f"{' or '.join(map(_plain, value.choices))}; first {_plain(value.default)}"
        case Parameter():
            return f"{_range(value.low, value.high)}; first {_plain(value.default)}"  # type: ignore[attr-defined]
    return _plain(value)


def _range(low: float, high: float) -> str:
    return f"{_plain(low)} … {_plain(high)}"


def _table(heading: tuple[str, ...], rows: list[tuple[str, ...]], right: tuple[int, ...] = ()) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(heading))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows))
