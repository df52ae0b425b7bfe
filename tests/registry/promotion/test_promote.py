"""Promotion after the gates, with an MLflow client that records what is written."""

import json
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from orchestrator.registry.promotion import promote as promote_module
from orchestrator.registry.promotion.alias import AliasMoved
from orchestrator.registry.promotion.choose_candidate import Choice
from orchestrator.registry.promotion.evaluate_gates import CHAMPION, GateResults
from orchestrator.registry.promotion.find_candidate import CandidateQuery
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.registry.promotion.gates import GATES, GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles
from orchestrator.registry.promotion.promote import PromotionOptions, promote_best
from orchestrator.reporting.claims import Claim, Status
from tests.registry.promotion.made import gate_inputs, predictions


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Promotion with fakes: current version, failing gates, and recorded writes and output."""
    made = SimpleNamespace(current=None, refusing=(), aliases=(), moved_before=False, moved=None)
    made.written, made.output, made.inputs = [], StringIO(), gate_inputs()
    made.claims = (Claim("better than plain_head", Status.NOT_SHOWN, "+0.0100, [-0.0100, +0.0300]"),)

    def evaluate(*args, dry_run, require_claims):
        results = tuple(GateResult(gate.name, gate.name not in made.refusing, "so it is") for gate in GATES)
        required = tuple(gate.name for gate in GATES)
        return GateResults(
            made.inputs,
            results,
            made.claims,
            required + tuple(claim.name for claim in made.claims if require_claims),
            made.current,
            LoggedModelFiles("m-1", tmp_path, "d"),
            SimpleNamespace(dataset=1),
        )

    class Registry:
        def get_model_version(self, name, number):
            return SimpleNamespace(aliases=list(made.aliases))

        def set_model_version_tag(self, name, number, key, value):
            made.written.append({key: value})

    def move_alias(*args):
        if made.moved_before:
            raise AliasMoved("the alias was moved before")
        made.moved = args[-1]

    def promote(**options):
        console = Console(file=made.output, width=200)
        wanted, thresholds = CandidateQuery("text_hyper"), GateThresholds()
        return promote_best(
            Registry(), wanted, thresholds, PromotionOptions(**options), tmp_path, tmp_path, console, lambda text: True
        )

    monkeypatch.setattr(promote_module, "find_candidate", lambda *args: Choice(made.inputs.candidate))
    monkeypatch.setattr(promote_module, "evaluate_gates", evaluate)
    version = SimpleNamespace(name="text_hyper", version="4")
    monkeypatch.setattr(promote_module, "register", lambda *args: version)
    monkeypatch.setattr(promote_module, "identity_tags", lambda *args: {})
    monkeypatch.setattr(promote_module, "_encoders", lambda folder: {})
    monkeypatch.setattr(
        promote_module, "model_card", lambda candidate, results, claims, encoders, outcome, hint: outcome
    )
    monkeypatch.setattr(
        promote_module, "describe", lambda client, version, tags, text: made.written.append({**tags, "": text})
    )
    monkeypatch.setattr(promote_module, "move_alias", move_alias)
    made.promote = promote
    return made


@pytest.mark.parametrize("dry_run", [True, False])
def test_promote_best_changes_nothing_if_the_candidate_is_the_champion(world, dry_run):
    world.current = SimpleNamespace(version="3", run_id="confirm-1")
    world.refusing = ("better than the champion",)
    assert world.promote(dry_run=dry_run) == 0
    assert "text_hyper@champion is this model already (version 3)" in world.output.getvalue()


@pytest.mark.parametrize(
    ("aliases", "alias", "refusing", "described"),
    [
        ((), "champion", GATES[0].name, True),
        (("challenger",), "challenger", GATES[0].name, True),
        (("challenger",), CHAMPION, GATES[0].name, False),
        ((CHAMPION,), "challenger", "", False),
        (("challenger",), CHAMPION, "", True),  # the challenger becomes champion
    ],
)
def test_promote_best_keeps_the_description_of_a_version_with_another_alias(world, aliases, alias, refusing, described):
    world.aliases, world.refusing = aliases, (refusing,)
    assert world.promote(alias=alias) == (1 if refusing else 0)
    assert bool(world.written) == described
    assert ("stays that of" in world.output.getvalue()) != described


def test_promote_best_writes_the_reason_only_if_it_forces(world):
    world.promote()
    assert "forced_because" not in world.written[0]
    world.refusing = (GATES[0].name,)
    world.promote()
    assert "forced_because" not in world.written[1]
    assert world.promote(forced_because="to see") == 0 and world.moved.forced
    assert world.written[2]["forced_because"] == "to see" and world.written[2]["verdict"] == "forced"


@pytest.mark.parametrize("current", ["5", None, "4"])
def test_promote_best_tags_a_version_whose_alias_was_not_moved(world, monkeypatch, current):
    version = SimpleNamespace(version=current) if current else None
    monkeypatch.setattr(promote_module, "alias_version", lambda *args: version)
    world.moved_before = True
    assert world.promote() == 1
    assert ({"verdict": "not moved"} in world.written) == (current != "4")


def test_promote_best_states_the_alias_whose_gates_passed(world):
    assert world.promote(alias="Challenger") == 0
    outcome = "Every gate that `Challenger` requires passed. Not shown: better than plain_head."
    assert world.written[0][""] == outcome
    assert world.moved.why == "every gate that Challenger requires passed, from sweep made"


def test_promote_best_states_a_refusal_in_its_first_line_and_registers_without_the_alias(world):
    world.refusing = ("not worse than plain_head", "above the no-pixel baselines")
    assert world.promote() == 1 and world.moved is None
    lines = world.output.getvalue().splitlines()
    first = "Refused by “not worse than plain_head”: so it is (also by “above the no-pixel baselines”)."
    assert (
        lines[0] == first
        and lines[-1] == "It is version 4 of text_hyper, without the alias; champion stays on no version."
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_promote_best_passes_with_a_claim_that_is_not_shown_and_says_so(world, dry_run):
    assert world.promote(dry_run=dry_run) == 0 and (world.moved is None) == dry_run
    assert world.output.getvalue().splitlines()[-1] == "Not shown: better than plain_head."


def test_promote_best_writes_the_claims_as_tags(world):
    world.claims = (*world.claims, Claim("better than ridge regression", Status.REFUTED, "-0.1"))
    world.promote()
    tags = world.written[0]
    assert tags["verdict"] == "passed" and tags["claims_shown"] == ""
    assert (
        tags["claims_not_shown"] == "better than plain_head"
        and tags["claims_refuted"] == "better than ridge regression"
    )
    assert [claim["status"] for claim in json.loads(tags["claims"])] == ["not shown", "refuted"]


def test_promote_best_refuses_a_claim_that_is_not_shown_if_claims_are_required(world):
    assert world.promote(require_claims=True) == 1 and world.moved is None
    first = world.output.getvalue().splitlines()[0]
    assert first == "Refused by “better than plain_head”: not shown: +0.0100, [-0.0100, +0.0300]."
    assert world.written[0]["refused_by"] == "better than plain_head"


def test_promote_best_names_the_command_for_a_control_that_is_better_by_validation(world):
    world.inputs = gate_inputs(control=predictions(0.5, 4), control_validation=0.6)
    world.promote()
    hint = "By validation the control is the better model: SRCC 0.6000, not 0.5000."
    assert f"{hint} Promote it with: python -m orchestrator.promote --sweep made --control" in world.output.getvalue()
