"""The result as people see it: tables, sentences, figures, description."""

import csv
import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.reporting.columns import HEADER
from orchestrator.reporting.result_rows import result_rows
from orchestrator.reporting.result_sentences import conclusions
from orchestrator.reporting.run_description import describe_result, describe_start
from orchestrator.reporting.tables import print_result, result_markdown, write_tables


def shown(summary, width=160):
    console = Console(file=io.StringIO(), width=width)
    print_result(console, summary.as_result())
    return console.file.getvalue()


def test_a_row_for_every_configuration_and_baseline(made):
    summary = made.summary()
    rows = result_rows(summary.as_result())
    found = {baseline.name: baseline.test for baseline in summary.baselines}
    assert set(found) == set(BASELINES) and all(len(row.cells) == len(HEADER) for row in rows)
    assert len(rows) == 4 + sum(test is not None for test in found.values())
    best = summary.best("search")
    assert f"trial {best.trial.number}" in rows[0].label
    assert rows[0].cells[HEADER.index("test SRCC")] == f"{best.test.metrics['srcc']:.4f}"
    low, high = best.test.intervals["srcc"].low, best.test.intervals["srcc"].high
    assert f"[{low:.3f}, {high:.3f}]" in rows[0].cells


def test_a_baseline_without_figures_has_a_sentence(made):
    assert any("no prompt of these images was seen in training" in sentence for sentence in conclusions(made.result()))


def test_each_target_has_a_row_below_its_configuration(two):
    rows = result_rows(two.result())
    labels = [row.label.strip() for row in rows]
    assert labels[1:3] == ["quality", "alignment"]
    best = two.summary().best("search")
    assert f"{best.test.targets['quality'].metrics['srcc']:.4f}" in rows[1].cells


def test_the_files_have_the_table(made, tmp_path):
    summary = made.summary()
    write_tables(summary.as_result(), tmp_path)
    with (tmp_path / "result.csv").open() as file:
        lines = list(csv.reader(file))
    assert [tuple(line) for line in lines[1:]] == [(row.label, *row.cells) for row in result_rows(summary.as_result())]
    assert result_markdown(summary.as_result()) in (tmp_path / "result.md").read_text(encoding="utf-8")


def test_every_line_of_the_markdown_table_has_as_many_cells(made, two):
    for one in (made, two):
        lines = result_markdown(one.result()).splitlines()
        assert {line.count("|") for line in lines} == {len(HEADER) + 2}


def test_the_terminal_shows_every_figure(made):
    text = shown(made.summary())
    assert all(cell.strip() in text for row in result_rows(made.result())[:4] for cell in row.cells)


def test_the_table_fits_a_terminal_of_140_columns(made):
    """Every row of a sweep that learned is on one line: none of its cells is cut or wrapped."""

    def learned(line):
        metrics = {name: abs(value) for name, value in line.test.metrics.items()}
        interval = next(iter(made.summary().best("search").test.intervals.values()))
        intervals = dict.fromkeys(("srcc", "plcc"), replace(interval, low=0.5, high=0.75))
        return replace(line, test=replace(line.test, metrics=metrics, intervals=intervals))

    summary = made.summary()
    baselines = tuple(learned(line) if line.test else line for line in summary.baselines)
    summary = replace(summary, confirmed=tuple(map(learned, summary.confirmed)), baselines=baselines)
    lines = shown(summary, width=140).splitlines()
    assert "generator" in lines[3] and all(len(line) <= 140 for line in lines[:10])
    for row in result_rows(summary.as_result()):
        assert any(line.split() == " ".join((row.label, *row.cells)).split() for line in lines), row


def test_a_missing_figure_is_a_dash(made):
    summary = made.summary()
    best = summary.best("search")
    missing = {"plcc_fitted": math.nan, "srcc_within_prompt": math.nan}
    test = replace(best.test, metrics={**best.test.metrics, **missing})
    row = result_rows(replace(summary, confirmed=(replace(best, test=test),)).as_result())[0]
    dashes = [name for name, cell in zip(HEADER, row.cells, strict=True) if cell == "–"]
    assert dashes == ["fitted PLCC", "SRCC in prompt"]
    assert row.cells[HEADER.index("SRCC in generator")] == f"{test.metrics['srcc_within_generator']:.3f}"


@pytest.mark.parametrize("low, high, word", [(0.1, 0.3, "better"), (-0.3, -0.1, "worse"), (-0.1, 0.1, "distinguished")])
def test_the_conclusion_follows_from_the_interval(made, low, high, word):
    summary = made.summary()
    comparison = next(c for c in summary.comparisons if c.against == "control")
    difference = replace(comparison.difference, estimate=(low + high) / 2, low=low, high=high)
    summary = replace(summary, comparisons=(replace(comparison, difference=difference),))
    sentence = conclusions(summary.as_result())[0]
    assert word in sentence and "plain_head" in sentence


def test_a_sweep_without_finite_scores_is_reported(run_sweep, tmp_path):
    wrong = {f"{arm}-{n:04d}": ("failed", 1) for arm in ("trial", "control") for n in range(3)}
    made = run_sweep(tmp_path, wrong=wrong)
    summary = made.summary()
    write_tables(summary.as_result(), tmp_path)
    assert shown(summary) and conclusions(summary.as_result()) and describe_result(made.prepared, summary)


def test_the_description_has_the_search_and_the_result(made):
    beginning, result = describe_start(made.prepared), describe_result(made.prepared, made.summary())
    for text in (beginning, result):
        assert "text_hyper" in text and "alignment" in text and "widths, rank, lr" in text and "disjoint" in text
    assert "Running" in beginning and "Running" not in result and result_markdown(made.result()) in result
    assert made.summary().best("search").representative in result


def test_optimistic_results_are_marked(made):
    summary = replace(made.summary(), optimistic=True)
    assert "optimistic" in shown(summary).lower()
    assert "ptimistic" in describe_result(made.prepared, summary)


def test_a_sweep_without_confirm_runs_has_a_description(run_sweep, tmp_path):
    made = run_sweep(tmp_path, confirm=0, trials=1)
    text = describe_result(made.prepared, made.summary())
    assert text.startswith("Best: trial 0, validation SRCC") and "****" not in text
