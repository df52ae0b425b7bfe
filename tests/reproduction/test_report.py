"""Rows of a reproduction, from results as a sweep writes them."""

import csv
import math

import pytest

from orchestrator.core.errors import InputError
from orchestrator.reproduction.paper_claims import CLAIMS, choose_claims
from orchestrator.reproduction.report import collect_rows, notes, write_report
from orchestrator.reproduction.rows import HEADER, Conditions
from orchestrator.reproduction.runner import PaperReproduction, _paper_space, _spec
from orchestrator.search.space import load_space

CONDITIONS = Conditions("agiqa3k", 10, {"paper": 30, "shipped": 15})


def figures(srcc, targets=("alignment", "quality")):
    own = {"srcc": srcc, "plcc": srcc + 0.1, "interval": [srcc - 0.05, srcc + 0.05]}
    return {**own, "interval": None, "targets": {t: {**own, "srcc": srcc + n / 100} for n, t in enumerate(targets)}}


def result(srcc):
    none = {"srcc": None, "plcc": None, "reason": "unseen"}
    return {
        "best": {"test": figures(srcc)},
        "control": {"test": figures(srcc - 0.01)},
        "baselines": {"ridge": figures(0.3), "generator_mean": figures(0.2), "prompt_mean": none},
        "comparisons": [
            {"against": "control", "target": "quality", "srcc_difference": 0.01, "interval": [-0.02, 0.04]},
            {"against": "ridge", "target": "quality", "srcc_difference": 0.3, "interval": [0.2, 0.4]},
        ],
    }


@pytest.fixture
def rows():
    reproduction = PaperReproduction(dataset="agiqa3k", name="made", tables=("III", "VII"))
    results = {run: result(0.5 if run.form == "paper" else 0.6) for run in reproduction.runs}
    return collect_rows(reproduction.claims, reproduction.runs_of, results)


def test_a_run_is_used_for_every_row_it_has_figures_for():
    reproduction = PaperReproduction(dataset="agiqa3k", name="made")
    assert len(reproduction.runs) == 6 * 2 * 2, "six systems, two protocols, two forms; the hybrid has two rows"
    slots = PaperReproduction(dataset="aigciqa2023", name="made", tables=("V",), forms=("paper",))
    assert [run.protocol for run in slots.runs] == ["slots", "random"]


def test_a_row_has_the_figures_of_its_target(rows):
    quoted, *hybrid = rows
    assert quoted.claim.variant is None and not quoted.ours and quoted.claim.corrected == (0.7472, 0.8529)
    assert [(row.claim.target, row.protocol) for row in hybrid] == [
        ("alignment", "own"),
        ("alignment", "random"),
        ("quality", "own"),
        ("quality", "random"),
    ]
    assert [row.ours["shipped"].srcc for row in hybrid] == [0.6, 0.6, 0.61, 0.61]
    assert hybrid[2].control == {"paper": (0.01, -0.02, 0.04), "shipped": (0.01, -0.02, 0.04)}
    assert not hybrid[0].control
    assert hybrid[2].ridge is not None and hybrid[2].ridge.srcc == 0.31
    assert set(hybrid[2].no_pixel) == {"generator"}
    assert hybrid[2].best_without_pixel == pytest.approx(0.21)


def test_the_report_has_the_papers_the_corrected_and_our_figures(rows, tmp_path):
    write_report(rows, CONDITIONS, tmp_path)
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert "medians over 10 splits; image encoder frozen, 30 epochs in the paper's form and 15 epochs in" in text
    assert "fine-tune" not in text
    assert "0.7472 / 0.7058 | 0.7472 / 0.8529" in text and "optimistic" in text
    assert "0.6131 / 0.7998" in text and "0.6000 [0.550, 0.650] / 0.7000" in text
    with (tmp_path / "reproduction.csv").open() as file:
        table = list(csv.reader(file))
    assert tuple(table[0]) == HEADER and len(table) == 1 + len(rows)
    assert (tmp_path / "reproduction.png").stat().st_size > 10_000


def test_rows_with_swapped_scores_are_marked_as_not_recoverable():
    reproduction = PaperReproduction(dataset="aigciqa2023", name="made", tables=("VIII",), protocols=("own",))
    made = {run: result(0.5) for run in reproduction.runs}
    rows = collect_rows(reproduction.claims, reproduction.runs_of, made)
    assert [row.cells()[4] for row in rows] == ["not recoverable"] * 3
    assert sum("no relabelling" in note for note in notes(rows)) == 1


def test_a_run_without_a_result_leaves_its_cell_empty(tmp_path):
    reproduction = PaperReproduction(dataset="agiqa3k", name="made", tables=("V",), forms=("paper",))
    nothing = {"best": None, "control": None, "baselines": {}, "comparisons": []}
    rows = collect_rows(reproduction.claims, reproduction.runs_of, dict.fromkeys(reproduction.runs, nothing))
    assert all(not row.ours and row.cells()[5] == "" for row in rows)
    write_report(rows, CONDITIONS, tmp_path)


def test_only_systems_whose_controls_read_images_are_fine_tuned(tmp_path):
    """The text hypernet and the control of image_text_hyper see no image in the paper's form."""
    made = {"dataset": "agiqa3k", "name": "made", "protocols": ("random",), "backbone": "finetune", "epochs": 3}
    reproduction = PaperReproduction(**made, splits=1)
    trained = {form: {run.variant for run in reproduction.runs if run.form == form} for form in ("paper", "shipped")}
    assert trained["paper"] == {"image_hyper", "semantic_hyper", "hybrid_hyper"}
    assert trained["shipped"] == trained["paper"] | {"image_text_hyper", "text_hyper"}
    assert all(
        run.name.endswith("-finetune") and _spec(reproduction, run, tmp_path).epochs == 3 for run in reproduction.runs
    )
    assert {_spec(reproduction, run, tmp_path).backbone for run in reproduction.runs} == {"finetune"}

    rows = collect_rows(reproduction.claims, reproduction.runs_of, dict.fromkeys(reproduction.runs, result(0.5)))
    head = next(row for row in rows if row.claim.variant == "imagereward_head")
    assert not head.ours and head.claim.srcc > 0
    write_report(rows, reproduction.conditions, tmp_path)
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert "of one split; image encoder fine-tuned, 3 epochs in the paper's form and 3 epochs in the shipped" in text
    assert "ridge reads features of the frozen encoder" in text and "nothing to fine-tune" in text
    assert not any("nothing to fine-tune" in note for note in notes([row for row in rows if len(row.ours) == 2], True))

    with pytest.raises(InputError, match="no chosen system reads arrays of images"):
        PaperReproduction(**made, tables=("V",), forms=("paper",))


def test_the_whole_encoder_is_tuned_in_the_papers_form(tmp_path):
    """The rate is that of the author's code for everything but the hypernet."""
    space = load_space(_paper_space("image_hyper", tmp_path, finetune=True))
    assert space.finetuning(load_space("finetune")) == space, "the shipped overlay changes nothing of it"
    chosen = space.configuration(space.default_params())
    assert chosen.backbone == {"frozen_parts": 0, "test_crops": 1, "flips": True}
    assert (chosen.training["backbone_lr_ratio"], chosen.training["batch_size"]) == (1.0, 12)
    assert load_space(_paper_space("image_hyper", tmp_path)).backbone == {}


def test_every_claim_is_of_a_registered_variant_and_in_range():
    from models import list_variants

    for claim in CLAIMS:
        assert all(0 < figure < 1 and math.isfinite(figure) for figure in (claim.srcc, claim.plcc))
        assert claim.variant is None or (claim.variant in list_variants() and claim.target in claim.trained_on)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "shapes"}, "there are agiqa3k, aigciqa2023"),
        ({"tables": ("II",)}, "no table II on agiqa3k; it has I, III-A, III, IV, V, VI, VII"),
        ({"protocols": ("won",)}, "did you mean own"),
        ({"forms": ()}, "--forms names none"),
        ({"backbone": "finetuned"}, "did you mean finetune"),
        ({"variants": ("image_hyper",), "tables": ("IV",)}, "did you mean image_text_hyper or imagereward_head"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(given, message):
    with pytest.raises(InputError, match=message):
        PaperReproduction(**{"dataset": "agiqa3k", "name": "made", **given})


def test_tables_are_chosen_in_the_papers_order():
    assert [claim.table for claim in choose_claims("agiqa3k", ("VII", "V"))] == ["V", "VII", "VII"]
    (head,) = choose_claims("agiqa3k", (), ("imagereward_head",))
    assert head.what == "ImageReward's head"


@pytest.mark.parametrize("variant", sorted({claim.variant for claim in CLAIMS if claim.variant}))
def test_the_papers_form_has_the_defaults_and_the_authors_settings(variant, tmp_path):
    from models import variant_info
    from orchestrator.training import FitSettings

    space = load_space(_paper_space(variant, tmp_path))
    chosen = space.configuration(space.default_params())
    expected = {k: list(v) if isinstance(v, tuple) else v for k, v in variant_info(variant).parameters.items()}
    assert chosen.model == expected
    settings = FitSettings.from_dict({**chosen.training, "epochs": 30})
    assert (settings.batch_size, settings.loss, settings.weight_decay) == (12, "l1", 5e-4)
