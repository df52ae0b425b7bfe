"""A sweep's budget is raised."""

import json
import os

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps.budget import check_budget, check_splits, is_met, set_budget
from tests.execution.fakes import SPACE


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "sweeps" / "mine")
    made.root.mkdir(parents=True)
    SweepSpec(name="mine", trials=12).save(made.spec)
    return made


def finish(workspace, search, control):
    counts = {"complete": search - 1, "failed": 1}
    content = {"counts": counts, "control_counts": {"complete": control} if control is not None else None}
    workspace.result.write_text(json.dumps(content), encoding="utf-8")


def test_met_is_a_matter_of_both_searches(workspace):
    assert not is_met(workspace, 1)
    finish(workspace, 12, 11)
    assert is_met(workspace, 11) and not is_met(workspace, 12)
    finish(workspace, 12, None)
    assert is_met(workspace, 12) and not is_met(workspace, 13)


def test_fewer_than_there_are_is_refused(workspace):
    ledger = Ledger(open_journal(workspace.ledger), "search", SPACE)
    ledger.finish(ledger.ask().number, Outcome.FAILED)
    ledger.ask()
    with pytest.raises(InputError, match="mine has 2 trials already: --trials 1 is fewer"):
        check_budget(workspace, 1)
    check_budget(workspace, 2)


def test_the_earlier_result_is_kept_and_the_sweep_is_unfinished(workspace):
    finish(workspace, 12, 12)
    before = load_spec(workspace.spec)
    text = workspace.result.read_text(encoding="utf-8")
    set_budget(workspace, before, 200)
    assert load_spec(workspace.spec) == before.model_copy(update={"trials": 200})
    assert not workspace.result.exists() and workspace.earlier_result(12).read_text(encoding="utf-8") == text
    assert not is_met(workspace, 200)


def test_a_kill_between_the_two_steps_leaves_a_sweep_that_can_be_extended_again(workspace, monkeypatch):
    finish(workspace, 12, 12)

    def killed(self, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(SweepSpec, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        set_budget(workspace, load_spec(workspace.spec), 200)
    monkeypatch.undo()
    assert load_spec(workspace.spec).trials == 12 and not is_met(workspace, 200)
    set_budget(workspace, load_spec(workspace.spec), 200)
    assert load_spec(workspace.spec).trials == 200 and workspace.earlier_result(12).exists()


def test_a_spec_is_replaced_whole(workspace, monkeypatch):
    before = workspace.spec.read_text(encoding="utf-8")

    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        load_spec(workspace.spec).model_copy(update={"trials": 99}).save(workspace.spec)
    assert workspace.spec.read_text(encoding="utf-8") == before


def test_splits_are_raised_and_never_reduced(workspace):
    finish(workspace, 12, 12)
    before = load_spec(workspace.spec)
    set_budget(workspace, before, 12, before.splits + 2)
    assert load_spec(workspace.spec) == before.model_copy(update={"splits": before.splits + 2})
    assert not workspace.result.exists() and workspace.earlier_result(12).exists()
    check_splits(before, load_spec(workspace.spec))
    with pytest.raises(InputError, match=r"confirms on 7 splits already: --splits 5 is fewer"):
        check_splits(load_spec(workspace.spec), before)
    with pytest.raises(InputError, match="--confirm 0"):
        unconfirmed = before.model_copy(update={"confirm": 0})
        check_splits(unconfirmed, unconfirmed.model_copy(update={"splits": 9}))


def test_each_earlier_result_is_kept_when_only_the_splits_are_raised(workspace):
    finish(workspace, 12, 12)
    first = workspace.result.read_text(encoding="utf-8")
    spec = load_spec(workspace.spec)
    set_budget(workspace, spec, 12, spec.splits + 2)
    finish(workspace, 12, 12)
    raised = load_spec(workspace.spec)
    set_budget(workspace, raised, 12, raised.splits + 2)
    assert workspace.earlier_result(12).read_text(encoding="utf-8") == first
    assert workspace.earlier_result(12, raised.splits).is_file()
