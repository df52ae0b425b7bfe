"""The report page in Chromium at the width of a screen and of a telephone."""

import json

import pytest

from benchmarks.made_sweeps import make_sweep
from orchestrator.core.atomic_files import write_file
from orchestrator.reporting.page.several_sweeps import comparison_page
from orchestrator.reporting.page.write_page import render_page
from orchestrator.reporting.sweep_record import read_sweep_record
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace, load_space
from tests.browser import require_browser, show

pytestmark = pytest.mark.integration

BAD = "</script><img src=x onerror='window.injected=1'><script>window.injected=1</script>"
LINK = "<a href='https://example.org/x' onclick='window.injected=1'>a</a>"


@pytest.fixture(scope="module", autouse=True)
def _browser():
    require_browser()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the page of a sweep with every outcome, whose names and choices are markup."""
    folder = tmp_path_factory.mktemp("page")
    space = load_space("text_hyper").model_dump(mode="json", exclude_defaults=True)
    space["training"]["loss"] = {"type": "categorical", "choices": [BAD, LINK, "mse"], "default": "mse"}
    workspace = make_sweep(
        folder / "mine",
        60,
        outcomes=(Outcome.COMPLETE, Outcome.PRUNED, *Outcome),
        space=SearchSpace.model_validate(space),
        dataset=f"csv:{LINK}.csv",
    )
    write_file(workspace.provenance, json.dumps({"host": BAD}))
    write_file(folder / "index.html", render_page(read_sweep_record(workspace))[0])
    return folder / "index.html"


def assert_sound(shown, hidden=()):
    measured = shown.measured
    assert not shown.errors and not shown.requests
    assert measured["scroll"] == 0 and measured["injected"] == 0 and measured["images"] == 0
    assert measured["plots"] and not measured["empty"] and not measured["covered"]
    assert measured["hidden"] == list(hidden)


@pytest.mark.parametrize("width, dark", [(1400, False), (1400, True), (420, False)])
def test_every_chart_is_drawn_without_an_error_and_inside_the_screen(page, width, dark):
    shown = show(page, width, dark)
    assert_sound(shown, ["chart-parallel"] if width < 640 else [])
    assert ("need a wider screen" in shown.measured["text"]) is (width < 640)
    assert BAD in shown.measured["text"]


def test_pages_of_one_trial_and_of_several_sweeps(tmp_path):
    records = [read_sweep_record(make_sweep(tmp_path / name, 1)) for name in ("one", "two")]
    write_file(tmp_path / "one.html", render_page(records[0])[0])
    assert_sound(show(tmp_path / "one.html", 420))
    write_file(tmp_path / "two.html", comparison_page(records))
    assert_sound(show(tmp_path / "two.html", 420))
