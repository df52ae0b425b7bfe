"""Fair shares of a cluster's slots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.fair_share import SlotRequest, fair_shares, in_slots_of


@pytest.mark.parametrize(
    ("slots", "requests", "shares"),
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
def test_slots_are_shared_by_priority_up_to_each_request(slots, requests, shares):
    assert fair_shares(slots, requests) == shares


REQUESTS = st.dictionaries(
    st.sampled_from("abcdef"), st.builds(SlotRequest, st.floats(0.01, 1000), st.integers(0, 40)), min_size=1
)


@given(st.integers(0, 60), REQUESTS)
def test_no_requested_slot_is_idle_and_none_is_given_twice(slots, requests):
    shares = fair_shares(slots, requests)
    assert all(min(1, request.wanted) <= shares[name] <= request.wanted for name, request in requests.items())
    least = sum(min(1, request.wanted) for request in requests.values())
    assert sum(shares.values()) == max(least, min(slots, sum(request.wanted for request in requests.values())))
    assert shares == fair_shares(slots, dict(reversed(requests.items())))  # whatever their order


@given(st.integers(1, 60), REQUESTS)
def test_a_higher_priority_never_has_fewer(slots, requests):
    shares = fair_shares(slots, requests)
    for name, request in requests.items():
        for other, theirs in requests.items():
            if request.priority >= theirs.priority and request.wanted >= theirs.wanted:
                assert shares[name] >= shares[other] - (request.priority == theirs.priority)


@pytest.mark.parametrize(
    ("wanted", "their_total", "own_total", "converted"), [(3, 8, 8, 3), (3, 16, 4, 1), (2, 2, 16, 16), (1, 0, 4, 4)]
)
def test_slots_of_another_size_are_converted(wanted, their_total, own_total, converted):
    assert in_slots_of(wanted, their_total, own_total) == converted
