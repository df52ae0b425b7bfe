"""Sections on the conclusion, the test figures, the predictions, the residuals and the pictures."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.data.read_predictions import read_predictions
from orchestrator.reporting.page.build_sections import build_sections
from orchestrator.reporting.page.comparison import comparison
from orchestrator.reporting.page.comparison_rows import marginal_rows, paired_rows
from orchestrator.reporting.page.conclusion import NOT_CONFIRMED, conclusion
from orchestrator.reporting.page.data_set import data_set
from orchestrator.reporting.page.example_images import example_images
from orchestrator.reporting.page.generator_styles import OTHERS, generator_styles
from orchestrator.reporting.page.page_html import PageHeading, page_html
from orchestrator.reporting.page.predictions import predictions
from orchestrator.reporting.page.ranked_images import best_ranked, worst_misses
from orchestrator.reporting.page.residual_means import clustered_margin, residuals_by_generator, residuals_by_score
from orchestrator.reporting.page.residuals import residuals
from orchestrator.reporting.page.run_predictions import run_predictions
from orchestrator.reporting.page.write_page import write_pictures
from orchestrator.reporting.result_sentences import conclusions
from tests.reporting.page.made_record import record_of

MINE = (conclusion, comparison, predictions, residuals, example_images, data_set)
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> a \"fox\" & 'co' %{x} $y$"


@pytest.fixture
def record(made, tmp_path):
    return record_of(made, tmp_path)


@pytest.fixture
def two_scores(two, tmp_path):
    (tmp_path / "two").mkdir()
    return record_of(two, tmp_path / "two")


def texts(sections):
    return " ".join(text for section in sections for text in (*section.sentences, section.html))


def test_the_conclusion_has_the_sentences_of_the_terminal(record, two_scores, made, two):
    for one, sweep in ((record, made), (two_scores, two)):
        sentences = conclusions(sweep.summary().as_result())
        assert sentences and list(conclusion(one).sentences)[-len(sentences) :] == sentences


def test_the_forest_plots_have_the_figures_of_the_result(two_scores, two):
    summary, result = two.summary(), two_scores.result
    for target in ("quality", "alignment"):
        rows, pairs = marginal_rows(result, target), paired_rows(result, target)
        test = summary.best("search").test.targets[target]
        assert rows[0].estimate == pytest.approx(test.metrics["srcc"], abs=1e-6)
        assert (rows[0].low, rows[0].high) == pytest.approx(
            (test.intervals["srcc"].low, test.intervals["srcc"].high), abs=1e-6
        )
        found = [c.difference.estimate for c in summary.comparisons if c.target == target]
        assert [row.estimate for row in pairs] == pytest.approx([d for d in found if np.isfinite(d)], abs=1e-6)
    names = {chart.name for chart in comparison(two_scores).charts}
    assert names == {"comparison", "differences"}


def test_only_an_interval_without_zero_is_conclusive():
    result = {
        "targets": ["alignment"],
        "comparisons": [
            {"against": "control", "target": "alignment", "srcc_difference": 0.1, "interval": [0.01, 0.2]},
            {"against": "ridge", "target": "alignment", "srcc_difference": 0.1, "interval": [-0.01, 0.2]},
            {"against": "generator_mean", "target": "alignment", "srcc_difference": 0.1, "interval": [None, None]},
        ],
    }
    assert [row.conclusive for row in paired_rows(result, "alignment")] == [True, False, False]


def test_the_run_s_correlations_agree_with_scipy(record, two_scores):
    for one in (record, two_scores, replace(record, studies={})):  # the last has no ledger
        found = run_predictions(one)
        for target in found.targets:
            predicted, rated = found.table[f"predicted_{target}"], found.table[target]
            assert found.metrics[target]["srcc"] == pytest.approx(stats.spearmanr(predicted, rated).statistic, abs=1e-5)
            assert found.metrics[target]["plcc"] == pytest.approx(stats.pearsonr(predicted, rated).statistic, abs=1e-5)
    assert f"SRCC {run_predictions(record).metrics['alignment']['srcc']:.3f}" in predictions(record).charts[0].title


def test_the_scatter_plot_has_every_test_image_on_equal_axes(record):
    figure = predictions(record).charts[0].figure
    assert sum(len(trace.x) for trace in figure.data if trace.mode == "markers") == len(run_predictions(record).table)
    assert figure.layout.xaxis.range == figure.layout.yaxis.range and figure.layout.yaxis.scaleanchor == "x"


def test_residuals_agree_with_pandas(record):
    table = run_predictions(record).table
    table = table.assign(residual=table["predicted_alignment"] - table["alignment"])
    groups = {group.name: group for group in residuals_by_generator(table, "alignment")}
    means = table.groupby("generator")["residual"].mean()
    assert {name: group.mean for name, group in groups.items()} == pytest.approx(dict(means))
    parts = residuals_by_score(table, "alignment")
    assert (
        sum(part.images for part in parts) == len(table)
        and max(p.images for p in parts) - min(p.images for p in parts) <= 1
    )
    assert [part.centre for part in parts] == sorted(part.centre for part in parts)


def test_the_margin_knows_which_images_share_a_prompt():
    values = np.random.default_rng(0).normal(size=50)
    each = clustered_margin(values, np.arange(50))
    interval = stats.t.interval(0.95, 49, scale=stats.sem(values))
    assert each == pytest.approx(interval[1])
    # Copies of every image under its prompt add nothing.
    assert clustered_margin(np.repeat(values, 4), np.repeat(np.arange(50), 4)) == pytest.approx(each)


def test_misses_are_by_rank_and_the_best_by_prediction(record):
    found = run_predictions(record)
    table = found.table
    misses, best = worst_misses(found), best_ranked(found)
    gaps = (stats.rankdata(-table["predicted_alignment"]) - stats.rankdata(-table["alignment"])).__abs__()
    shown = [abs(image.scores["alignment"].rated_rank - image.scores["alignment"].predicted_rank) for image in misses]
    assert shown == sorted(gaps, reverse=True)[:12]
    highest = table.nlargest(12, "predicted_alignment")["name"]
    assert [image.name for image in best] == list(highest)


def test_pictures_are_inside_the_page(record):
    html = example_images(record).html
    assert html.count('src="data:image/jpeg;base64,') == 24 and "missing" not in html


def test_pictures_whose_files_are_gone_are_named(record, tmp_path):
    shown = {image.name for image in worst_misses(run_predictions(record))}
    for name in shown:
        (tmp_path / "images" / name).unlink()
    section = example_images(record)
    assert section.html.count("The image file is missing.") >= 12 and "pictures are missing" in texts([section])


def test_a_data_set_that_is_gone_is_named(record, tmp_path):
    (tmp_path / "ratings.csv").rename(tmp_path / "moved.csv")
    pictures, data = example_images(record), data_set(record)
    for section in (pictures, data):
        assert "cannot be read" in texts([section]) and "--data-root" in texts([section])
    assert "train" in data.html


def test_predictions_that_are_gone_are_named(record):
    for path in record.workspace.trials.glob(f"*/{PREDICTIONS}"):
        path.unlink()
    assert "are not at" in predictions(record).sentences[0] and residuals(record) is None


def test_predictions_are_read_once_a_page_and_again_after_a_change(record, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "orchestrator.reporting.page.run_predictions.read_predictions",
        lambda path: reads.append(path) or read_predictions(path),
    )
    build_sections(record, MINE)
    assert len(reads) == 1
    os.utime(reads[0], (1, 1))
    build_sections(record, MINE)
    assert len(reads) == 2


def test_an_unfinished_sweep_has_a_section_on_its_data_only(record):
    running = replace(record, result=None)
    sections = build_sections(running, MINE)
    assert [section.id for section in sections] == ["conclusion", "data"]
    assert "not finished" in sections[0].sentences[0] and "Best so far: trial" in texts(sections)
    running.workspace.split(0).unlink()
    assert [section.id for section in build_sections(running, MINE)] == ["conclusion"]


def test_a_sweep_without_confirm_runs_shows_validation(run_sweep, tmp_path):
    made = run_sweep(tmp_path / "made", confirm=0, splits=1, trials=1)
    sections = build_sections(record_of(made, tmp_path), MINE)
    assert NOT_CONFIRMED in texts(sections) and "test" in {section.id for section in sections}
    (chart,) = next(section for section in sections if section.id == "test").charts
    assert chart.figure.layout.xaxis.title.text == "validation SRCC"
    assert "No configuration was confirmed" in texts(sections)


def test_a_sweep_that_failed_says_so(run_sweep, tmp_path):
    wrong = {f"{arm}-{n:04d}": ("failed", 1) for arm in ("trial", "control") for n in range(3)}
    sections = build_sections(record_of(run_sweep(tmp_path / "made", wrong=wrong), tmp_path), MINE)
    assert "No trial has a finite score" in texts(sections) and "section is missing" not in texts(sections)


@pytest.mark.parametrize(
    "wrong", [{"trial-0001": ("diverged", 2)}, {"control-0000": ("failed", 1), "trial-0000": ("failed", 1)}]
)
def test_a_sweep_of_which_a_part_failed_has_every_section(run_sweep, tmp_path, wrong):
    sections = build_sections(record_of(run_sweep(tmp_path / "made", wrong=wrong, confirm=1, splits=1), tmp_path), MINE)
    assert len(sections) == len(MINE) and "section is missing" not in texts(sections)


def test_a_second_data_set_is_shown(elsewhere_too, half_elsewhere, tmp_path):
    for number, made in enumerate((elsewhere_too, half_elsewhere)):
        (folder := tmp_path / str(number)).mkdir()
        record = record_of(made, folder)
        assert "second-data-set" in {chart.name for chart in comparison(record).charts}
        assert "A second data set" in texts([data_set(record)])


def test_text_of_the_data_stays_text(made, tmp_path):
    record = record_of(made, tmp_path, dict.fromkeys(made.task.names, EVIL))
    page = page_html(PageHeading("made", "finished"), build_sections(record, MINE))
    beginning = page.index("<main>")
    assert page[beginning:].count("<script>") == 2  # Plotly and the figures
    assert "<img src=x" not in page and "alert(1)</script>" not in page
    assert "&lt;/script&gt;" in page


def test_every_chart_is_drawn_for_papers(record):
    sections = build_sections(record, MINE)
    write_pictures(sections, record.workspace.report)
    names = {chart.name for section in sections for chart in section.charts if chart.draw}
    assert names >= {"comparison", "differences", "predictions", "residuals-by-score", "residuals-by-generator"}
    assert names <= {path.stem for path in record.workspace.report.glob("*.png")}


def test_ids_on_the_page_are_unique(two_scores):
    page = page_html(PageHeading("made", "finished"), build_sections(two_scores))
    ids = re.findall(r' id="([^"]+)"', page[page.index("<main>") : page.index("</main>")])
    assert ids and len(ids) == len(set(ids))


def test_rare_generators_are_others():
    styles = generator_styles([f"g{number}" for number in range(12)] + ["g11"] * 3)
    assert len(styles) == 8 and list(styles)[-1] == OTHERS and "g11" in styles
    assert len({style.colour for style in styles.values()}) == len({style.symbol for style in styles.values()}) == 8
    assert OTHERS not in generator_styles(list("abcdefgh"))


def test_the_data_s_parts_and_exclusions(record, tmp_path):
    with (tmp_path / "ratings.csv").open("a", encoding="utf-8") as file:
        file.write("gone.png,images/gone.png,a lost fox,g0,3.0\n")
    section = data_set(record)
    assert "Excluded images" in section.html and "missing image" in section.html
    assert all(f'<th scope="row">{part}</th>' in section.html for part in ("train", "validation", "test"))
    assert {"scores-1", "generators"} == {chart.name for chart in section.charts}
    (histogram, _) = section.charts
    assert all(sum(trace.y[:-1]) == pytest.approx(100, abs=0.1) for trace in histogram.figure.data)
