"""What is done with a judgement, with an MLflow that counts what is written."""

from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from orchestrator.registry.promotion import promote as promote_module
from orchestrator.registry.promotion.alias import AliasMoved
from orchestrator.registry.promotion.evaluate_gates import CHAMPION, CandidateQuery, GateResults
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.registry.promotion.gates import GATES, GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles
from orchestrator.registry.promotion.promote import PromotionOptions, promote_best
from tests.registry.promotion.made import case


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Everything around a promotion: who holds the alias, which gates refuse, and what is written and said."""
    made = SimpleNamespace(held=None, refusing=(), aliases=(), quicker=False, moved=None)
    made.written, made.said, made.case = [], StringIO(), case()

    def judge(*args):
        verdicts = tuple(GateResult(gate.name, gate.name not in made.refusing, "so it is") for gate in GATES)
        asked = tuple(gate.name for gate in GATES)
        return GateResults(
            made.case, verdicts, asked, made.held, LoggedModelFiles("m-1", tmp_path, "d"), SimpleNamespace(dataset=1)
        )

    class Registry:
        def get_model_version(self, name, number):
            return SimpleNamespace(aliases=list(made.aliases))

        def set_model_version_tag(self, name, number, key, value):
            made.written.append({key: value})

    def move_alias(*args):
        if made.quicker:
            raise AliasMoved("somebody was quicker")
        made.moved = args[-1]

    def promote(**wish):
        console = Console(file=made.said, width=200)
        wanted, rules = CandidateQuery("text_hyper"), GateThresholds()
        return promote_best(
            Registry(), wanted, rules, PromotionOptions(**wish), tmp_path, tmp_path, console, lambda text: True
        )

    monkeypatch.setattr(promote_module, "find_candidate", lambda *args: made.case.candidate)
    monkeypatch.setattr(promote_module, "evaluate_gates", judge)
    version = SimpleNamespace(name="text_hyper", version="4")
    monkeypatch.setattr(promote_module, "register", lambda *args: version)
    monkeypatch.setattr(promote_module, "identity_tags", lambda *args: {})
    monkeypatch.setattr(promote_module, "_encoders", lambda folder: {})
    monkeypatch.setattr(promote_module, "model_card", lambda candidate, verdicts, encoders, outcome: outcome)
    monkeypatch.setattr(
        promote_module, "describe", lambda client, version, tags, text: made.written.append({**tags, "": text})
    )
    monkeypatch.setattr(promote_module, "move_alias", move_alias)
    made.promote = promote
    return made


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_present_champion_stays_what_it_is_and_a_dry_run_says_the_same(world, dry_run):
    world.held = SimpleNamespace(version="3", run_id="confirm-1")
    world.refusing = ("better than the champion",)
    assert world.promote(dry_run=dry_run) == 0
    assert "text_hyper@champion is this model already (version 3)" in world.said.getvalue()


@pytest.mark.parametrize(
    ("aliases", "alias", "refusing", "described"),
    [
        ((), "champion", GATES[0].name, True),
        (("challenger",), "challenger", GATES[0].name, True),
        (("challenger",), CHAMPION, GATES[0].name, False),
        ((CHAMPION,), "challenger", "", False),
        (("challenger",), CHAMPION, "", True),  # it moves up
    ],
)
def test_what_another_alias_stands_on_keeps_its_words(world, aliases, alias, refusing, described):
    world.aliases, world.refusing = aliases, (refusing,)
    assert world.promote(alias=alias) == (1 if refusing else 0)
    assert bool(world.written) == described
    assert ("stays that of" in world.said.getvalue()) != described


def test_why_it_was_forced_is_not_taken_away_by_another_judgement(world):
    world.promote()
    assert "forced_because" not in world.written[0]
    world.refusing = (GATES[0].name,)
    world.promote()
    assert "forced_because" not in world.written[1]
    assert world.promote(forced_because="to see") == 0 and world.moved.forced
    assert world.written[2]["forced_because"] == "to see" and world.written[2]["verdict"] == "forced"


@pytest.mark.parametrize("there", ["5", None, "4"])
def test_who_was_not_moved_does_not_say_that_it_passed(world, monkeypatch, there):
    on = SimpleNamespace(version=there) if there else None
    monkeypatch.setattr(promote_module, "alias_version", lambda *args: on)
    world.quicker = True
    assert world.promote() == 1
    assert ({"verdict": "not moved"} in world.written) == (there != "4")


def test_which_gates_passed_is_said_with_the_alias_that_asks_for_them(world):
    assert world.promote(alias="Challenger") == 0
    assert world.written[0][""] == "Every gate that `Challenger` asks for passed."
    assert world.moved.why == "every gate that Challenger asks for passed, from sweep made"
