"""Data that a sweep refuses before anything is computed, and data without prompts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.prepare import prepare
from orchestrator.execution.sweep_data import load_sweep_data
from orchestrator.sweeps.fingerprint import check_unchanged, save_fingerprint

ROWS = 60


@pytest.fixture
def spec(tmp_path: Path):
    """Write a table of 60 images, with columns changed or, by None, omitted; return the spec of a sweep on it."""

    def build(cells=None, **given):
        table = {
            "image": [f"{number:02d}.png" for number in range(ROWS)],
            "prompt": [f"thing {number // 2}" for number in range(ROWS)],
            "quality": [number / 10 for number in range(ROWS)],
            "alignment": [(number * 7) % 11 for number in range(ROWS)],
        } | (cells or {})
        for number in range(ROWS):
            pixels = np.full((8, 8, 3), number // 2, np.uint8)  # two images of each content
            Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
        content = {name: column for name, column in table.items() if column is not None}
        pd.DataFrame(content).to_csv(tmp_path / "ratings.csv", index=False)
        return build_spec({"dataset": f"csv:{tmp_path / 'ratings.csv'}", "trials": 2, "splits": 1, **given})

    return build


@pytest.mark.parametrize(
    "cells, given, sentence",
    [
        ({"alignment": 3}, {}, "alignment is 3 in all 60 rows"),
        ({"alignment": "1e39"}, {}, "60 non-finite score"),
        ({"alignment": "inf"}, {}, "60 non-finite score"),
        ({"alignment": [1.0] + [2.0] * 59}, {}, "has the same alignment, 2, in all"),
        ({"alignment": ["good"] * 60}, {}, "line 2, column alignment: 'good' is not a number"),
        ({"quality": "fine"}, {"targets": ("quality",)}, "line 2, column quality: 'fine' is not a number"),
        ({}, {"targets": ("beauty",)}, "has no score 'beauty'; it has quality, alignment"),
        ({"prompt": None}, {}, "has no prompts, and alignment is judged by the prompt"),
        ({"prompt": None}, {"targets": ("quality",)}, "text_hyper reads prompts, and csv:ratings.csv has none"),
        ({"prompt": "a fox"}, {}, "has 1 prompts"),
        ({}, {"columns": ("image=file",)}, "Unknown column 'file'"),
    ],
)
def test_data_that_cannot_be_learned_is_refused_with_what_is_needed(spec, cells, given, sentence):
    with pytest.raises(InputError, match=sentence):
        prepare(spec(cells, **given))


def test_only_learned_scores_decide(spec):
    prepared = prepare(spec({"quality": 3, "rater_age": [31] + [None] * 59}))
    assert prepared.targets == ("alignment",) and len(prepared.dataset) == ROWS


def test_scores_are_found_in_any_case(spec):
    written = spec({"Alignment": list(range(ROWS)), "alignment": None})
    assert load_sweep_data(written)[1] == ("Alignment",)
    assert load_sweep_data(written.model_copy(update={"targets": ("QUALITY",)}))[1] == ("quality",)


def test_quality_is_searched_without_prompts_and_copies_of_an_image_stay_together(spec):
    prepared = prepare(spec({"prompt": None, "alignment": None}, variant="image_hyper"))
    assert prepared.targets == ("quality",) and prepared.dataset.group_count == ROWS // 2
    for split in prepared.splits.values():
        parts = [set(prepared.dataset.prompt_ids[rows]) for rows in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_groups_that_the_user_names_are_not_divided(spec):
    given = {"columns": ("group=scene",), "targets": ("quality",)}
    dataset = prepare(spec({"scene": [f"s{number // 4}" for number in range(ROWS)]}, **given)).dataset
    assert dataset.group_count == 15 and dataset.has_prompts


def test_what_was_assumed_is_kept_with_the_identity_and_does_not_hinder_a_resume(spec, tmp_path):
    written = spec({"quality": [f"{number / 10:.3f}".replace(".", ",") for number in range(ROWS)]})
    prepared = prepare(written)
    assert prepared.dataset.notes == ("Read as: decimal comma in quality.",)
    workspace = Workspace(tmp_path / "sweep")
    save_fingerprint(prepared, workspace)
    assert "decimal comma in quality" in workspace.identity.read_text(encoding="utf-8")
    check_unchanged(prepared, workspace)


def test_a_model_for_all_scores_learns_all_and_an_earlier_sweep_keeps_its_first(spec):
    settings = spec(variant="hybrid_hyper")
    prepared = prepare(settings)
    assert prepared.targets == prepared.spec.targets == ("quality", "alignment")
    assert prepare(settings.model_copy(update={"targets": ("alignment",)})).targets == ("alignment",)
    assert prepare(settings, space=prepared.space).targets == ("quality",), "as an earlier version began it"
