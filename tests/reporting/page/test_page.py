"""The report page of made-up sweeps: what it says, what it draws, and that nothing in it runs."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmarks.made_sweeps import make_sweep
from orchestrator.core.atomic_files import write_file
from orchestrator.reporting.page import sections as all_sections
from orchestrator.reporting.page.build_sections import build_sections
from orchestrator.reporting.page.markup import script_json, without_tags
from orchestrator.reporting.page.page_schedule import PageSchedule
from orchestrator.reporting.page.parameters import parameters
from orchestrator.reporting.page.run_spans import assign_slots, read_spans
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.page.several_sweeps import comparison_page, differences, several_sweeps
from orchestrator.reporting.page.write_page import render_page
from orchestrator.reporting.sweep_record import read_sweep_record
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace, load_space
from tests.commands import invoke

BAD = "</script><img src=x onerror='window.injected=1'><script>window.injected=1</script>"
"""A text that runs a script if a page takes it for markup."""


class Tags(HTMLParser):
    """Tags of a page outside its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs), attrs


def page_of(workspace, **result):
    record = read_sweep_record(workspace)
    return render_page(replace(record, result=result or record.result))[0]


def charts_of(workspace):
    return [chart.name for section in build_sections(read_sweep_record(workspace)) for chart in section.charts]


def test_a_sweep_of_many_trials_has_every_chart_of_its_search(tmp_path):
    workspace = make_sweep(tmp_path / "many", 40)
    drawn = charts_of(workspace)
    expected = {"search", "curves", "importance", "parallel", "slice", "contour", "timeline"}
    assert expected <= set(drawn) and len(drawn) == len(set(drawn))
    page = page_of(workspace)
    assert "40 of 40 trials of text_hyper" in page and "epochs of the search" in page
    assert "Content-Security-Policy" in page and 'http-equiv="refresh"' not in page


def test_a_page_of_a_running_sweep_says_so_and_loads_itself_again(tmp_path):
    record = read_sweep_record(make_sweep(tmp_path / "new", 1))
    page = render_page(record, running=True)[0]
    assert re.search(r"Running, as of \d\d:\d\d:\d\d", page) and 'http-equiv="refresh"' in page


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_a_sweep_with_few_trials_has_a_page(tmp_path, trials):
    page = page_of(make_sweep(tmp_path / "few", trials))
    assert "Too few trials" in page and "This section is missing" not in page


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DIVERGED, Outcome.PRUNED, Outcome.INFEASIBLE])
def test_a_sweep_without_a_complete_trial_has_a_page(tmp_path, outcome):
    page = page_of(make_sweep(tmp_path / "none", 3, outcomes=(outcome,)))
    assert f"3 {outcome}" in page and "This section is missing" not in page


def test_pruned_trials_count_where_few_are_complete(tmp_path):
    workspace = make_sweep(tmp_path / "pruned", 8, outcomes=(Outcome.COMPLETE, *[Outcome.PRUNED] * 7))
    assert "importance" in charts_of(workspace) and "pruned ones count as well" in page_of(workspace)


def test_the_ledger_is_read_once_a_page(tmp_path, monkeypatch):
    record = read_sweep_record(make_sweep(tmp_path / "one", 12))
    monkeypatch.setattr("orchestrator.search.read_ledger._open", None)
    assert '"id":"chart-importance"' in render_page(record)[0]


def test_lines_of_parallel_coordinates_name_their_trial(tmp_path):
    record = read_sweep_record(make_sweep(tmp_path / "one", 12))
    objectives = {trial.number: f"{trial.objective:.4f}" for trial in record.studies["search"] if trial.objective}
    (chart,) = [chart for chart in parameters(record).charts if chart.name == "parallel"]
    texts = {text.partition("<br>")[0] for trace in chart.figure.data for text in trace.text}
    assert texts and texts <= {f"trial {number}: {objective}" for number, objective in objectives.items()}


def test_a_page_of_many_trials_stays_small(tmp_path):
    workspace = make_sweep(tmp_path / "big", 300, epochs=3)
    page = page_of(workspace)
    assert len(page.encode()) < 6_000_000 and "are drawn" in page


def test_texts_of_names_choices_and_errors_do_not_become_markup(tmp_path):
    space = load_space("text_hyper").model_dump(mode="json", exclude_defaults=True)
    space["training"]["loss"] = {"type": "categorical", "choices": [BAD, "mse"], "default": "mse"}
    workspace = make_sweep(
        tmp_path / "bad", 30, space=SearchSpace.model_validate(space), dataset=f"csv:/data/{BAD}.csv"
    )
    write_file(workspace.provenance, json.dumps({BAD: BAD}))
    page = page_of(workspace)
    tags = Tags()
    tags.feed(page)
    assert tags.found.count("script") == 2 and "img" not in tags.found
    data = page[page.index("const CHARTS") :]
    assert data.count("</script>") == 1 and "<img" not in data.partition("</script>")[0]


def test_json_cannot_end_its_script_and_keeps_its_value():
    value = {"prompt": BAD, "line": "a\u2028b"}
    assert "<" not in script_json(value) and json.loads(script_json(value)) == value


def test_only_formatting_stays_markup_in_figures():
    assert without_tags({"a": ["<b>x</b><br><a href='y'>z</a>"]}) == {"a": ["<b>x</b><br>&lt;a href='y'>z&lt;/a>"]}


def test_a_section_that_fails_is_a_sentence(tmp_path):
    def broken(record):
        raise ValueError("<no data>")

    found = build_sections(read_sweep_record(make_sweep(tmp_path / "one", 1)), (broken, all_sections.versions))
    assert found[0] == Section("broken", "Broken", ("This section is missing: ValueError: <no data>.",))
    assert found[1].id == "versions" and f"-m orchestrator.resume one --out {tmp_path}<" in found[1].html


def test_runs_at_the_same_time_are_in_different_slots(tmp_path):
    rows = assign_slots(read_spans(read_sweep_record(make_sweep(tmp_path / "one", 8))))
    assert {label for _, label in rows} == {"slot 1", "slot 2", "slot 3", "slot 4"}
    for slot in {label for _, label in rows}:
        own = [span for span, label in rows if label == slot]
        assert all(one.ended <= later.started for one, later in zip(own, own[1:], strict=False))


def test_pages_take_no_more_than_their_share():
    schedule, elapsed, used = PageSchedule(cores=2), 0.0, 0.1
    for cost in (4.0, 2.0, 1.0, 3.0, 0.001, 0.001):
        elapsed += max(10.0, schedule.delay(elapsed, used))
        used += cost
        assert used <= 0.02 * 2 * elapsed + 3
    assert schedule.delay(elapsed, used) >= 10


def test_several_sweeps_are_compared_and_what_differs_is_said(made, tmp_path):
    workspaces = [make_sweep(tmp_path / name, 6) for name in ("one", "two")]
    for workspace, data in zip(workspaces, ("a" * 40, "b" * 40), strict=True):
        prepared = replace(made.prepared, dataset=replace(made.prepared.dataset, data_hash=data))
        write_file(workspace.identity, json.dumps(prepared.identity()))
    records = [read_sweep_record(workspace) for workspace in workspaces]
    assert differences(records) == ["The sweeps differ in data: one aaaaaaaaaaaa…, two bbbbbbbbbbbb…."]
    page = comparison_page(records)
    assert "not comparable" in page and '"id":"chart-history"' in page and '"id":"chart-curves"' in page
    assert "are comparable" in comparison_page([records[0], records[0]])


def test_several_sweeps_show_the_trial_that_the_result_names(tmp_path):
    record = read_sweep_record(make_sweep(tmp_path / "one", 6))
    first = record.best("search").number
    other = next(t for t in record.studies["search"] if t.objective is not None and t.number != first)
    confirmed = replace(record, result={"best": {"trial": other.number}, "control": None})
    assert confirmed.best("search") == other
    results, _, curves, _ = several_sweeps([confirmed])
    assert f"best trial</th><td>{other.number}</td>" in results.html
    assert list(curves.charts[0].figure.data[0].y) == list(other.epochs.values())


def test_the_command_writes_page_and_pictures(tmp_path):
    workspace = make_sweep(tmp_path / "one", 12)
    done = invoke(tmp_path, "report", "one", "--out", tmp_path, "--json")
    assert json.loads(done.out)["report"] == str(workspace.report_page)
    drawn = {path.name for path in workspace.report.iterdir()}
    assert {"index.html", "search.png", "curves.png", "importance.png", "timeline.png"} <= drawn
    opened = invoke(tmp_path, "sweeps", "open", "one", "--print", "--out", tmp_path)
    assert opened.out == f"{workspace.report_page.as_uri()}\n"


def test_an_unknown_sweep_is_wrong_input_with_near_names(tmp_path):
    make_sweep(tmp_path / "mine", 1)
    done = invoke(tmp_path, "report", "mime", "--out", tmp_path, code=2)
    assert "did you mean mine" in done.err


def test_a_sweep_without_a_page_names_the_command_that_writes_it(tmp_path):
    make_sweep(tmp_path / "mine", 1)
    done = invoke(tmp_path, "sweeps", "open", "mine", "--out", tmp_path, code=2)
    assert "orchestrator.report mine" in done.err
