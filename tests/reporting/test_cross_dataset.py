"""Reports of a second data set, compared with figures that are computed again from the files."""

import csv
import io
import json
from dataclasses import replace
from statistics import median

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS
from orchestrator.reporting.aggregate import Figures
from orchestrator.reporting.columns import CROSS_HEADER, HEADER
from orchestrator.reporting.result_rows import cross_rows, result_rows
from orchestrator.reporting.result_sentences import cross_line
from orchestrator.reporting.run_description import describe_result, describe_start
from orchestrator.reporting.tables import cross_markdown, print_result, write_tables
from orchestrator.training.bootstrap import Interval, median_interval

pytestmark = pytest.mark.integration

LINE = (
    "The same on csv:some/elsewhere.csv, alignment: 120 images of 24 prompts, 24 that share a prompt with the training "
    "data excluded; nothing was trained or chosen on it"
)


def tables(made, line, file=CROSS_PREDICTIONS):
    return [pd.read_csv(made.workspace.trials / key / file) for key in line.runs]


def srcc(table):
    return stats.spearmanr(table["predicted_alignment"], table["alignment"]).statistic


def test_cross_figures_are_medians_with_intervals_over_prompts(elsewhere_too):
    summary = elsewhere_too.summary()
    assert [line.study for line in summary.confirmed] == ["search", "control"]
    for line in summary.confirmed:
        runs = tables(elsewhere_too, line)
        assert len(runs) == 3 and all(len(table) == 120 for table in runs)
        assert line.cross.metrics["srcc"] == pytest.approx(median(map(srcc, runs)), abs=1e-6)
        assert "rmse" not in line.cross.metrics and "rmse" in line.test.metrics
        found = line.cross.intervals["srcc"]
        expected = median_interval(
            [t["predicted_alignment"] for t in runs], runs[0]["alignment"], runs[0]["prompt_id"], "srcc"
        )
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_result_and_the_headline_metrics_have_the_cross_figures(elsewhere_too):
    summary = elsewhere_too.summary()
    result = json.loads(json.dumps(summary.as_result(), allow_nan=False))
    assert result["cross"] == {
        "dataset": "csv:some/elsewhere.csv",
        "data_hash": "other hash",
        "targets": ["alignment"],
        "images": 120,
        "prompts": 24,
        "left_out": {"shared prompt": 24},
    }
    headline = summary.headline_metrics()
    for part, name in (("best", "cross_elsewhere_srcc"), ("control", "control_cross_elsewhere_srcc")):
        assert headline[name] == pytest.approx(result[part]["cross"]["srcc"], abs=1e-6)
        assert len(result[part]["cross"]["interval"]) == 2
    assert result["baselines"]["ridge"]["cross"]["srcc"] > 0.5
    ridge = result["baselines"]["ridge"]["cross"]["srcc"]
    assert headline["ridge_cross_elsewhere_srcc"] == pytest.approx(ridge, abs=1e-6)
    assert "cross" not in result["baselines"]["prompt_mean"] and result["baselines"]["prompt_mean"]["reason"]
    assert {"cross_elsewhere_plcc", "cross_elsewhere_krcc"} <= set(headline) and "cross_elsewhere_rmse" not in headline


def test_a_second_data_set_has_its_own_table_in_terminal_and_markdown(elsewhere_too, tmp_path):
    summary, result = elsewhere_too.summary(), elsewhere_too.result()
    rows = cross_rows(result)
    assert [row.label for row in rows] == [row.label for row in result_rows(result)]
    assert all(len(row.cross) == len(CROSS_HEADER) for row in rows)
    best = summary.best("search").cross
    assert rows[0].cross[0] == f"{best.metrics['srcc']:.4f}" and f"{best.metrics['krcc']:.4f}" in rows[0].cross
    console = Console(file=io.StringIO(), width=140)
    print_result(console, result)
    text = console.file.getvalue()
    assert LINE in " ".join(text.split()) and all(cell.strip() in text for row in rows for cell in row.cross)
    assert all(len(line) <= 140 for line in text.splitlines()[:20])
    write_tables(result, tmp_path)
    text = (tmp_path / "result.md").read_text(encoding="utf-8")
    assert cross_line(result) == LINE and "\n\n".join(cross_markdown(result)) in text
    assert cross_markdown(result)[1] in describe_result(elsewhere_too.prepared, summary)
    assert "also score 120 images of 24 prompts" in describe_start(elsewhere_too.prepared)


def test_the_csv_has_the_columns_of_the_second_data_set(elsewhere_too, tmp_path):
    summary = elsewhere_too.summary()
    write_tables(summary.as_result(), tmp_path)
    with (tmp_path / "result.csv").open() as file:
        header, *lines = csv.reader(file)
    assert header == ["what", *HEADER, *(f"elsewhere {name}" for name in CROSS_HEADER)]
    assert lines == [[row.label, *row.cells, *row.cross] for row in result_rows(summary.as_result())]


def test_a_shared_target_has_its_own_row(half_elsewhere):
    summary = half_elsewhere.summary()
    best = summary.best("search")
    runs = tables(half_elsewhere, best)
    assert set(best.cross.targets) == {"alignment"} and set(best.test.targets) == {"quality", "alignment"}
    assert best.cross.metrics["srcc"] == pytest.approx(median(map(srcc, runs)), abs=1e-6)
    assert "srcc" in best.cross.targets["alignment"].intervals and not best.cross.intervals
    labels = [row.label.strip() for row in cross_rows(summary.as_result())]
    assert labels[1] == "alignment" and "quality" not in labels
    assert ", alignment:" in cross_line(summary.as_result())
    assert "has no quality to compare with" in describe_result(half_elsewhere.prepared, summary)


def test_missing_figures_are_dashes_without_an_interval(elsewhere_too):
    """Generators without training images have the same mean for all images."""
    summary = elsewhere_too.summary()
    nothing = dict.fromkeys(summary.best("search").cross.metrics, np.nan)
    interval = Interval(np.nan, np.nan, np.nan, 0.95, 0, "predictions are constant")
    found = Figures(nothing, dict.fromkeys(("srcc", "plcc"), interval), reasons={"srcc": interval.reason})
    baselines = tuple(replace(line, cross=found) if line.cross else line for line in summary.baselines)
    row = cross_rows(replace(summary, baselines=baselines).as_result())[-1]
    assert set(row.cross) == {"–", ""} and row.cross[1] == row.cross[3] == ""


def test_a_sweep_without_a_second_data_set_has_no_second_table(made):
    summary = made.summary()
    assert (
        cross_rows(summary.as_result()) == []
        and cross_markdown(summary.as_result()) == []
        and cross_line(summary.as_result()) == ""
    )
    result = summary.as_result()
    assert result["cross"] is None and result["best"]["cross"] is None
    assert not any("cross" in name for name in summary.headline_metrics())


def test_failed_runs_are_excluded(run_sweep, elsewhere_too, tmp_path):
    runs = elsewhere_too.summary().best("search").runs
    given = {"cross": ("alignment",), "confirm": 1}
    one = run_sweep(tmp_path / "one", wrong={runs[0]: ("failed", 1)}, **given).summary().best("search")
    assert len(one.runs) == 2 and np.isfinite(one.cross.metrics["srcc"])
    none = run_sweep(tmp_path / "none", wrong=dict.fromkeys(runs, ("failed", 1)), **given).summary()
    assert none.best("search").cross is None and cross_rows(none.as_result())[0].group == "control"
    assert json.dumps(none.as_result(), allow_nan=False) and "cross_elsewhere_srcc" not in none.headline_metrics()
