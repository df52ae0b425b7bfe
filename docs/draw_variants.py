"""Draw docs/variants/*.svg and fill in the pages' tables: `python docs/draw_variants.py`.

A page's text is written by hand. The parts between `<!-- made by docs/draw_variants.py: NAME -->` and `<!-- end -->`
come from the registry, the shipped search spaces and the paper's figures.
"""

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import variant_facts as facts

from models import list_variants

PAGES = Path(__file__).parent / "variants"
MADE = re.compile(r"(<!-- made by docs/draw_variants\.py: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
TABLES = {"sizes": facts.sizes_table, "space": facts.space_table, "figures": facts.figures_table}
ENCODERS = {
    "image": "ResNet-50",
    "prompt": "keyphrase-\nmpnet",
    "criteria": "keyphrase-\nmpnet",
    "image_prompt": "BLIP",
}
"""The paper's, by the kind that a feature's name begins with."""

# Inches.
WIDTH, ROW, TOP = 11.0, 0.66, 1.6
FEATURE, PART, NET = (1.35, 2.05), (3.85, 1.6), (6.65, 9.55)
COLOURS = {
    "encoder": ("#f2f2f2", "#777777"),
    "feature": ("#e6f0fa", "#3a6ea5"),
    "hypernet": ("#fdecd8", "#c2660c"),
    "part": ("#ffffff", "#3a6ea5"),
    "net": ("#bfe3cb", "#2b7a4b"),
    "static": ("#ececec", "#777777"),
    "score": ("#e3f4e8", "#2b7a4b"),
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: searchable, and the sizes can be tested
    "svg.hashsalt": "variants",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
}


@dataclass(frozen=True)
class Plan:
    """Texts and sizes of a drawing.

    Attributes:
        condition: (feature, shape) that the hypernet sees, or None without one.
        trunk: layers of the hypernet before its heads, in lines.
        conditioned: size of the trunk's output.
        inputs: (feature, shape, operation of the stem, output width) of what the target net sees.
        weights: text of the box of weights, in lines.
        by_layer: numbers of values in it, layer by layer.
        widths: of the target net.
        scores: its outputs.
    """

    condition: tuple[str, str] | None
    trunk: tuple[str, ...]
    conditioned: str
    inputs: tuple[tuple[str, str, str, str], ...]
    weights: tuple[str, ...]
    by_layer: tuple[str, ...]
    widths: tuple[str, ...]
    scores: tuple[str, ...]

    def texts(self) -> list[str]:
        """Return every piece of text that has to be in the drawing, line by line."""
        inputs = [text for one in self.inputs for text in one]
        pieces = [*(self.condition or ()), *self.trunk, self.conditioned, *inputs]
        pieces += [*self.weights, *self.by_layer, *self.widths, *self.scores]
        return list(dict.fromkeys(line for piece in pieces for line in piece.split("\n") if line))


def plan(name: str) -> Plan:
    """Return the plan of a variant's paper form."""
    form = facts.paper_form(name)
    shapes = facts.shapes(form.info)
    total = f"{sum(form.by_layer):,} values"
    condition, trunk, conditioned = None, (), ""
    if (hypernet := form.model.hypernet) is not None:
        condition = (hypernet.condition, _shape(shapes[hypernet.condition]))
        cut = f"cut into {form.trunk[0]} × {hypernet.grid} × {hypernet.grid}" if hypernet.grid else ""
        step = "1×1 conv, ReLU" if hypernet.trunk.positions else "linear, norm, GELU"
        trunk = tuple(filter(None, ("hypernet's trunk", cut, step, "→".join(map(str, form.trunk)))))
        side = math.isqrt(hypernet.trunk.positions)
        conditioned = _shape((hypernet.trunk.width, side, side) if side else (hypernet.trunk.width,))
        each = "prompt" if hypernet.condition.startswith("prompt.") else "image"
        corrects = form.parameters["generation"] == "residual"
        weights = (
            "generated, added to learned weights" if corrects else "generated weights",
            f"{total} for each {each}",
        )
    else:
        weights = ("learned weights", f"{total}, the same for every image")
    return Plan(
        condition=condition,
        trunk=trunk,
        conditioned=conditioned,
        inputs=tuple((p.feature, _shape(shapes[p.feature]), p.how, str(p.width or "")) for p in form.parts),
        weights=weights,
        by_layer=tuple(f"{count:,}" for count in form.by_layer),
        widths=tuple(map(str, form.sizes)),
        scores=facts.outputs(name)[0] if name != "plain_head" else facts.outputs("text_hyper")[0],
    )


def fill_in(page: str, name: str | None = None) -> str:
    """Return a page with its generated parts as they are now; the index if no variant is named."""

    def made(found: re.Match[str]) -> str:
        table = facts.index_table() if name is None else TABLES[found[2]](name)
        return f"{found[1]}\n{table}\n{found[3]}"

    return MADE.sub(made, page)


def draw(name: str, path: Path) -> None:
    """Draw a variant into a file, SVG or PNG by its ending."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    said = plan(name)
    top = TOP if said.condition else 1.35
    height = top + max(2.35, ROW * len(said.inputs) + 0.15)
    with pyplot.rc_context(STYLE):
        figure = pyplot.figure(figsize=(WIDTH, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(0, height))
        axes.axis("off")
        _Drawing(axes, said, upper=height - top / 2 - 0.05, lower=(height - top) / 2 + 0.05).everything()
        nameless = {"Date": None, "Creator": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=nameless, dpi=150)
        pyplot.close(figure)


class _Drawing:
    """A plan on matplotlib axes, with feature → hypernet → weights above features → stem → target net → scores."""

    def __init__(self, axes: Any, said: Plan, upper: float, lower: float) -> None:
        self.axes, self.said, self.upper, self.lower = axes, said, upper, lower
        n = len(said.inputs)
        self.rows = [lower + ROW * ((n - 1) / 2 - row) for row in range(n)]
        left, right = NET
        self.bars = [left + (right - left) * i / (len(said.widths) - 1) for i in range(len(said.widths))]

    def everything(self) -> None:
        self.encoders()
        self.hypernet()
        self.stem()
        self.target_net()

    def encoders(self) -> None:
        """Draw the encoder of every feature, one box for neighbours of the same encoder."""
        features = [(self.said.condition[0], self.upper)] if self.said.condition else []
        features += [(one[0], y) for one, y in zip(self.said.inputs, self.rows, strict=True)]
        groups: list[tuple[str, list[float]]] = []
        for feature, y in features:
            kind = feature.partition(".")[0]
            if not groups or groups[-1][0] != kind:
                groups.append((kind, []))
            groups[-1][1].append(y)
        for kind, places in groups:
            low, high = min(places) - 0.29, max(places) + 0.29
            text = f"{kind.replace('_', ', ')}\n{ENCODERS.get(kind, 'encoder')}"
            self.box("encoder", 0.1, (low + high) / 2, 0.95, high - low, text, size=8.5)
            for y in places:
                self.arrow((1.05, y), (FEATURE[0], y))

    def feature(self, name: str, shape: str, y: float) -> None:
        left, width = FEATURE
        self.box("feature", left, y, width, 0.52, "")
        self.text(left + width / 2, y + 0.11, name, size=9.5)
        self.text(left + width / 2, y - 0.12, shape, size=9)

    def hypernet(self) -> None:
        said, y = self.said, self.upper
        left, right = self.bars[0] - 0.05, self.bars[-1] + 0.05
        kind = "hypernet" if said.condition else "static"
        if said.condition:
            self.feature(*said.condition, y)
            self.arrow((sum(FEATURE), y), (PART[0], y))
            self.box(kind, PART[0], y, PART[1], 0.27 * len(said.trunk) + 0.15, "")
            for row, line in enumerate(said.trunk):
                place = y + 0.25 * ((len(said.trunk) - 1) / 2 - row)
                self.text(PART[0] + PART[1] / 2, place, line, size=9, weight="bold" if row == 0 else "normal")
            self.arrow((sum(PART), y), (left, y), said.conditioned)
        self.box(kind, left, y, right - left, 0.96, "")
        for row, line in enumerate(said.weights):
            place = y + 0.29 - 0.25 * row
            self.text((left + right) / 2, place, line, size=9, weight="bold" if row == 0 else "normal")
        for (a, b), count in zip(zip(self.bars, self.bars[1:], strict=False), said.by_layer, strict=True):
            middle = (a + b) / 2
            self.text(middle, y - 0.29, count, size=9)
            self.arrow((middle, y - 0.48), (middle, self.lower + 0.12), colour=COLOURS[kind][1])

    def stem(self) -> None:
        entry = self.bars[0] - 0.1
        bend = entry - 0.25
        for (name, shape, how, width), y in zip(self.said.inputs, self.rows, strict=True):
            self.feature(name, shape, y)
            start = sum(FEATURE)
            if how:
                self.arrow((start, y), (PART[0], y))
                self.box("part", PART[0], y, PART[1], 0.42, how, size=9)
                start = sum(PART)
            self.line([(start, y), (bend, y)])
            self.text(5.85 if how else (start + bend) / 2, y + 0.13, width, size=9.5)
        self.line([(bend, max(self.rows)), (bend, min(self.rows))])
        self.arrow((bend, self.lower), (entry, self.lower))

    def target_net(self) -> None:
        said, (face, edge) = self.said, COLOURS["net"]
        largest = math.log2(max(map(int, said.widths)) + 1)
        for x, width in zip(self.bars, said.widths, strict=True):
            tall = 0.3 + 1.15 * math.log2(int(width) + 1) / largest
            self.axes.bar(x, tall, 0.2, self.lower - tall / 2, color=face, edgecolor=edge, linewidth=1, zorder=3)
            self.text(x, self.lower - tall / 2 - 0.14, width, size=9.5)
        for a, b in zip(self.bars, self.bars[1:], strict=False):
            self.arrow((a + 0.1, self.lower), (b - 0.1, self.lower))
        self.text((self.bars[0] + self.bars[-1]) / 2, self.lower - 1.06, "target net", size=9.5, weight="bold")
        self.arrow((self.bars[-1] + 0.1, self.lower), (9.98, self.lower))
        tall = 0.24 * len(said.scores) + 0.2
        self.box("score", 9.98, self.lower, 0.94, tall, "\n".join(said.scores), size=9.5)

    def box(self, kind: str, x: float, y: float, width: float, tall: float, text: str, size: float = 9.5) -> None:
        """Draw a box from `x` on, about the height `y`."""
        from matplotlib.patches import FancyBboxPatch

        face, edge = COLOURS[kind]
        round_corners = "round,pad=0,rounding_size=0.06"
        at = (x, y - tall / 2)
        self.axes.add_patch(FancyBboxPatch(at, width, tall, boxstyle=round_corners, fc=face, ec=edge, lw=1, zorder=2))
        lines = text.split("\n")
        for row, line in enumerate(lines):
            self.text(x + width / 2, y + 0.018 * size * ((len(lines) - 1) / 2 - row), line, size=size)

    def text(self, x: float, y: float, text: str, size: float, weight: str = "normal") -> None:
        self.axes.text(x, y, text, ha="center", va="center_baseline", fontsize=size, fontweight=weight, zorder=4)

    def line(self, points: list[tuple[float, float]]) -> None:
        self.axes.plot(*zip(*points, strict=True), color="#444444", linewidth=1, solid_capstyle="round", zorder=1)

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], text: str = "", colour: str = "#444444"
    ) -> None:
        look = {
            "arrowstyle": "-|>,head_width=0.18,head_length=0.32",
            "color": colour,
            "lw": 1,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self.axes.annotate("", end, start, arrowprops=look, zorder=1)
        self.text((start[0] + end[0]) / 2, start[1] + 0.13, text, size=9)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def main(folder: Path = PAGES) -> None:
    for page in (folder / "README.md", *(folder / f"{name}.md" for name in list_variants())):
        name = None if page.name == "README.md" else page.stem
        if name is not None:
            draw(name, folder / f"{name}.svg")
        if page.is_file():
            page.write_text(fill_in(page.read_text(encoding="utf-8"), name), encoding="utf-8")
        else:
            print(f"{page} has to be written first; its drawing is there.", file=sys.stderr)


if __name__ == "__main__":
    main()
