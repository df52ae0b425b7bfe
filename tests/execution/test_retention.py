"""Removable checkpoints: properties over generated sweeps, and examples."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.job import KEY_PREFIX
from orchestrator.execution.retention import RetentionPolicy, TopK, TrialCheckpoint, removable
from orchestrator.search.outcome import Outcome

RULES = ["all", "last", "none", "best:1", "best:3"]
PARTS = ["last", "best", "spare", "model"]


@st.composite
def holdings(draw) -> list[TrialCheckpoint]:
    studies = draw(st.lists(st.sampled_from(sorted(KEY_PREFIX)), max_size=12))
    return [
        TrialCheckpoint(
            key=f"{study}-{number}",
            study=study,
            number=number,
            outcome=draw(st.none() | st.sampled_from(list(Outcome))),
            objective=draw(st.none() | st.floats(-1, 1)),
            params={"lr": draw(st.integers(0, 3)), "widths": [8]},
            needed=draw(st.booleans()),
            sizes=draw(st.dictionaries(st.sampled_from(PARTS), st.integers(1, 100))),
        )
        for number, study in enumerate(studies)
    ]


rules = st.sampled_from(RULES).map(RetentionPolicy.parse)
budgets = st.none() | st.integers(0, 2000)


def flat(going) -> set[tuple[str, str]]:
    return {(key, part) for key, parts in going.items() for part in parts}


def without(there, going) -> list[TrialCheckpoint]:
    return [
        TrialCheckpoint(**{**vars(h), "sizes": {p: s for p, s in h.sizes.items() if p not in going.get(h.key, ())}})
        for h in there
    ]


@given(holdings(), rules, budgets)
def test_needed_parts_are_never_removed(there, rule, budget):
    going = removable(there, rule, budget)
    for holding in there:
        parts = going.get(holding.key, frozenset())
        assert parts <= set(holding.sizes)
        assert not (holding.outcome is None and parts), "a resume needs all of an unfinished trial"
        assert not (holding.needed and "model" in parts), "a confirmed or registered model"


@given(holdings(), rules, st.integers(0, 2000), st.integers(0, 2000))
def test_smaller_budget_removes_no_less(there, rule, one, other):
    small, large = sorted((one, other))
    by_rule = flat(removable(there, rule))
    assert by_rule <= flat(removable(there, rule, large)) <= flat(removable(there, rule, small))


@given(holdings(), rules, budgets)
def test_second_pass_removes_nothing(there, rule, budget):
    assert removable(without(there, removable(there, rule, budget)), rule, budget) == {}


@given(holdings(), rules, st.integers(0, 2000))
def test_budget_is_met_if_possible(there, rule, budget):
    left = without(there, removable(there, rule, budget))
    total = sum(sum(h.sizes.values()) for h in left)
    must = [h for h in left if h.outcome is None]
    kept = sum(sum(h.sizes.values()) for h in must)
    kept += sum(h.sizes.get("model", 0) for h in left if h.outcome is not None and h.needed)
    assert total <= max(budget, kept)


@given(holdings(), budgets, st.integers(1, 5))
def test_larger_k_keeps_no_less(there, budget, k):
    assert flat(removable(there, RetentionPolicy("best", k + 1))) <= flat(removable(there, RetentionPolicy("best", k)))


def trial(number: int, objective: float | None, outcome=Outcome.COMPLETE, study="search", **more) -> TrialCheckpoint:
    sizes = {"last": 30, "best": 10, "spare": 40}
    return TrialCheckpoint(
        f"{KEY_PREFIX[study]}-{number:04d}", study, number, outcome, objective, {"n": number}, sizes=sizes, **more
    )


def test_best_trials_of_each_study_keep_their_best_epoch():
    there = [trial(n, value) for n, value in enumerate([0.1, 0.5, 0.3])]
    there += [trial(3, 0.9, Outcome.PRUNED), trial(4, None, Outcome.FAILED), trial(5, None, None)]
    there += [trial(n, value, study="control") for n, value in enumerate([0.2, 0.1])]
    kept = {h.key for h in without(there, removable(there, RetentionPolicy.parse("best:2"))) if "best" in h.sizes}
    # A pruned trial comes after every complete one, as where configurations are chosen.
    assert kept == {"trial-0001", "trial-0002", "trial-0005", "control-0000", "control-0001"}


def test_equal_configurations_count_once():
    there = [
        TrialCheckpoint(f"t{n}", "search", n, Outcome.COMPLETE, 0.9 - n / 10, {"lr": n // 2}, sizes={"best": 1})
        for n in range(4)
    ]
    assert flat(removable(there, RetentionPolicy.parse("best:2"))) == {("t1", "best"), ("t3", "best")}


@pytest.mark.parametrize(
    ("rule", "kept"), [("all", {"last", "best"}), ("last", {"last"}), ("best:1", {"best"}), ("none", set())]
)
def test_rule_keeps_its_parts(rule, kept):
    (left,) = without([trial(0, 0.5)], removable([trial(0, 0.5)], RetentionPolicy.parse(rule)))
    assert set(left.sizes) == kept


def test_budget_removes_last_states_before_best_models_and_worst_trials_first():
    there = [trial(n, value) for n, value in enumerate([0.1, 0.5, 0.3])]
    order = []
    for budget in range(120, -1, -10):
        gone = flat(removable(there, RetentionPolicy("all"), budget)) - {(h.key, "spare") for h in there}
        order += sorted(gone - set(order))
    assert order == [
        *(("trial-0000", "last"), ("trial-0002", "last"), ("trial-0001", "last")),
        *(("trial-0000", "best"), ("trial-0002", "best"), ("trial-0001", "best")),
    ]


@pytest.mark.parametrize("wrong", ["", "best", "best:", "best:0", "best:-1", "best:x", "most", "best:3 "])
def test_unknown_rule_is_refused(wrong):
    with pytest.raises(ValueError, match="best:K"):
        RetentionPolicy.parse(wrong)


def test_trial_without_an_objective_has_no_rank():
    there = [trial(0, None, Outcome.DIVERGED), trial(1, -math.inf)]
    assert {h.key for h in without(there, removable(there, RetentionPolicy("best", 1))) if "best" in h.sizes} == {
        "trial-0001"
    }


@given(holdings(), st.integers(1, 3))
def test_top_k_has_room_for_trials_whose_best_epoch_is_kept(there, k):
    top, ended = TopK(k), []
    for one in [holding for holding in there if holding.study == "search"]:
        ended.append(TrialCheckpoint(**{**vars(one), "sizes": {"best": 1}}))
        asked_before = top.has_room_for(one)
        top.add(one)
        kept = [h.key for h in ended if "best" not in removable(ended, RetentionPolicy("best", k)).get(h.key, ())]
        if one.outcome is not None:
            assert asked_before == top.has_room_for(one) == (one.key in kept)
        assert [h.key for h in ended if h.outcome and top.has_room_for(h)] == [
            key for key in kept if next(h for h in ended if h.key == key).outcome
        ]
