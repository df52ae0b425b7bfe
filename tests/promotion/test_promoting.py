"""What is done with a judgement, with an MLflow that counts what is written."""

from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from orchestrator.promotion import promoting
from orchestrator.promotion.case import Rules
from orchestrator.promotion.gates import GATES, Verdict
from orchestrator.promotion.judging import Judged, Wanted
from orchestrator.promotion.promoting import Wish, promote_best
from orchestrator.promotion.saved_model import SavedModel
from tests.promotion.made import case


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Everything around a promotion: who holds the alias, which gates refuse, and what is written and said."""
    made = SimpleNamespace(held=None, refusing=(), written=[], said=StringIO(), case=case())

    def judge(*args):
        verdicts = tuple(Verdict(gate.name, gate.name not in made.refusing, "so it is") for gate in GATES)
        asked = tuple(gate.name for gate in GATES)
        return Judged(made.case, verdicts, asked, made.held, SavedModel("m-1", tmp_path, "d"), SimpleNamespace())

    def promote(**wish):
        console = Console(file=made.said, width=200)
        wanted, rules = Wanted("text_hyper"), Rules()
        return promote_best(None, wanted, rules, Wish(**wish), tmp_path, tmp_path, console, lambda text: True)

    monkeypatch.setattr(promoting, "find_candidate", lambda *args: made.case.candidate)
    monkeypatch.setattr(promoting, "judge", judge)
    made.promote = promote
    return made


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_present_champion_stays_what_it_is_and_a_dry_run_says_the_same(world, dry_run):
    world.held = SimpleNamespace(version="3", run_id="confirm-1")
    world.refusing = ("better than the champion",)
    assert world.promote(dry_run=dry_run) == 0
    assert "text_hyper@champion is this model already (version 3)" in world.said.getvalue()
