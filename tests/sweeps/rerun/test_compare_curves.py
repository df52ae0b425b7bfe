"""Two curves side by side."""

import io
import json
import math

import pytest
from rich.console import Console

from orchestrator.sweeps.rerun.compare_curves import CurveComparison
from orchestrator.sweeps.rerun.original_run import FINAL

THEN = {1: {"val_srcc": 0.25, "train_loss": 1.5}, 2: {"val_srcc": math.nan}, FINAL: {"best_val_srcc": 0.25}}


def compare(now, changed=()):
    return CurveComparison("mine/trial-0003", THEN, now, changed)


def shown(comparison):
    stream = io.StringIO()
    comparison.show(Console(file=stream, width=120))
    return stream.getvalue()


def test_the_same_bit_for_bit():
    now = {epoch: {**figures, "epoch_seconds": 3.0} for epoch, figures in THEN.items()}
    found = compare(now)
    assert found.same and found.first_difference is None and "the same bit for bit" in shown(found)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["same"] is True


@pytest.mark.parametrize(
    "epoch, name, value, said",
    [
        (1, "train_loss", math.nextafter(1.5, 2), "epoch 1: train_loss was 1.5, now 1.5000000000000002"),
        (2, "val_srcc", 0.1, "epoch 2: val_srcc was nan, now 0.1"),
        (FINAL, "best_val_srcc", 0.5, "in the end: best_val_srcc was 0.25, now 0.5"),
    ],
)
def test_the_last_bit_of_any_figure_counts(epoch, name, value, said):
    now = {number: dict(figures) for number, figures in THEN.items()}
    now[epoch][name] = value
    found = compare(now)
    assert not found.same and found.first_difference == said
    assert said in shown(found) and "different" in shown(found)


def test_what_did_not_come_out_is_a_difference():
    found = compare({1: THEN[1]})
    assert found.first_difference == "epoch 2: val_srcc was nan, now missing"


def test_what_changed_is_said_although_the_curve_is_the_same():
    assert "Not as it was then: torch was 1, now 2" in shown(compare(THEN, ("torch was 1, now 2",)))
