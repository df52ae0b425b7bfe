"""Every variant has a page and a drawing, and what a script makes of them is what it would make now."""

import html
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from models import list_variants
from orchestrator.reproduce import reproduce
from orchestrator.reproduction.paper_claims import choose_claims
from orchestrator.sweep import sweep

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

import draw_variants  # noqa: E402
import variant_facts  # noqa: E402

PAGES = DOCS / "variants"
VARIANTS = list_variants()
COMMANDS = {"orchestrator.sweep": sweep, "orchestrator.reproduce": reproduce}


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_page_is_up_to_date(name):
    page = PAGES / f"{name}.md"
    assert page.is_file(), f"{name} has no page: write {page}, then run `python docs/draw_variants.py`"
    text = page.read_text(encoding="utf-8")
    assert [found[2] for found in draw_variants.MADE.finditer(text)] == list(draw_variants.TABLES)
    assert draw_variants.fill_in(text, name) == text, "run `python docs/draw_variants.py`"
    assert f"]({name}.svg)" in text


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_drawing_has_every_size(name):
    drawing = html.unescape((PAGES / f"{name}.svg").read_text(encoding="utf-8"))
    drawn = re.findall(r"<text [^>]*>([^<]*)</text>", drawing)
    missing = [text for text in draw_variants.plan(name).texts() if text not in drawn]
    assert not missing, "run `python docs/draw_variants.py`"


def test_index_lists_every_variant():
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert draw_variants.fill_in(index) == index, "run `python docs/draw_variants.py`"
    assert all(f"]({name}.md)" in index for name in VARIANTS)


def test_pages_of_removed_variants_do_not_exist():
    assert {page.stem for page in PAGES.iterdir()} == {*VARIANTS, "README"}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("form", [variant_facts.paper_form, variant_facts.shipped_form])
def test_values_by_layer_sum_to_the_total(name, form):
    built = form(name)
    learned = sum(parameter.numel() for parameter in built.model.target_net.parameters())
    assert sum(built.by_layer) == (built.generated or learned)


def test_hyperiqa_generates_as_many_values_as_its_code():
    assert variant_facts.paper_form("image_hyper", 1).generated == 33_545


@pytest.mark.parametrize("name", VARIANTS)
def test_commands_of_a_variant_page_name_existing_options(name):
    lines = re.findall(r"^python -m (.+?)(?: +#.*)?$", (PAGES / f"{name}.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert any(f"--variant {name}" in line for line in lines)
    for line in lines:
        module, *words = shlex.split(line)
        options = dict(zip(words[::2], words[1::2], strict=True))
        known = {option for one in typer.main.get_command(COMMANDS[module]).params for option in one.opts}
        assert set(options) <= known
        assert options.get("--variant", name) in VARIANTS
        if "--tables" in options:
            claims = choose_claims(options["--dataset"], tuple(options["--tables"].split(",")))
            assert name in {claim.variant for claim in claims}
