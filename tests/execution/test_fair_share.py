"""Who gets how many slots of a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.fair_share import SlotRequest, fair_shares, in_slots_of


@pytest.mark.parametrize(
    ("slots", "claims", "wanted"),
    [
        (4, {"a": SlotRequest(1, 9)}, {"a": 4}),
        (4, {"a": SlotRequest(1, 9), "b": SlotRequest(1, 9)}, {"a": 2, "b": 2}),
        (5, {"a": SlotRequest(1, 9), "b": SlotRequest(1, 9)}, {"a": 3, "b": 2}),
        (6, {"a": SlotRequest(2, 9), "b": SlotRequest(1, 9)}, {"a": 4, "b": 2}),
        (8, {"a": SlotRequest(1, 2), "b": SlotRequest(1, 9)}, {"a": 2, "b": 6}),
        (8, {"a": SlotRequest(1, 0), "b": SlotRequest(1, 9)}, {"a": 0, "b": 8}),
        (2, {"a": SlotRequest(1, 9), "b": SlotRequest(1, 9), "c": SlotRequest(9, 9)}, {"a": 1, "b": 1, "c": 1}),
        (10, {"a": SlotRequest(1, 3), "b": SlotRequest(1, 2)}, {"a": 3, "b": 2}),
    ],
)
def test_by_priority_among_those_that_want_any(slots, claims, wanted):
    assert fair_shares(slots, claims) == wanted


CLAIMS = st.dictionaries(
    st.sampled_from("abcdef"), st.builds(SlotRequest, st.floats(0.01, 1000), st.integers(0, 40)), min_size=1
)


@given(st.integers(0, 60), CLAIMS)
def test_no_slot_is_idle_that_anybody_wants_and_none_is_given_twice(slots, claims):
    given_away = fair_shares(slots, claims)
    assert all(min(1, claim.wanted) <= given_away[name] <= claim.wanted for name, claim in claims.items())
    ones = sum(min(1, claim.wanted) for claim in claims.values())
    assert sum(given_away.values()) == max(ones, min(slots, sum(claim.wanted for claim in claims.values())))
    assert given_away == fair_shares(slots, dict(reversed(claims.items())))  # whoever counts


@given(st.integers(1, 60), CLAIMS)
def test_a_higher_priority_never_has_fewer(slots, claims):
    given_away = fair_shares(slots, claims)
    for name, claim in claims.items():
        for other, theirs in claims.items():
            if claim.priority >= theirs.priority and claim.wanted >= theirs.wanted:
                assert given_away[name] >= given_away[other] - (claim.priority == theirs.priority)


@pytest.mark.parametrize(
    ("wanted", "theirs", "mine", "counted"), [(3, 8, 8, 3), (3, 16, 4, 1), (2, 2, 16, 16), (1, 0, 4, 4)]
)
def test_slots_of_another_size(wanted, theirs, mine, counted):
    assert in_slots_of(wanted, theirs, mine) == counted
