import json

import pytest

from orchestrator.promotion.history import LIMIT, History, Move


def history(*moves):
    found = History()
    for kind, of, to in moves:
        found = found.with_move(Move(kind, of, to, "because"))
    return found


P, R = "promote", "rollback"


@pytest.mark.parametrize(
    ("moves", "current", "before"),
    [
        ([(P, None, 1)], 1, None),
        ([(P, None, 1), (P, 1, 2)], 2, 1),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3)], 3, 2),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3), (R, 3, 2)], 2, 1),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3), (R, 3, 2), (R, 2, 1)], 1, None),
        ([(P, None, 1), (P, 1, 2), (R, 2, 1), (P, 1, 3)], 3, 1),
        ([(P, None, 1), (P, 1, 2)], 7, 2),  # somebody moved it by hand
        ([(P, None, 1), (P, 6, 2)], 2, 6),
        ([], 4, None),
    ],
)
def test_a_rollback_goes_back_one_more_each_time(moves, current, before):
    assert history(*moves).previous(current, range(10)) == before


def test_versions_that_were_deleted_are_passed_over():
    assert history((P, None, 1), (P, 1, 2), (P, 2, 3)).previous(3, [1, 3]) == 1


def test_it_fits_its_tag_and_says_how_much_is_only_counted():
    long = history(*((P, number or None, number + 1) for number in range(200)))
    text = long.dumps()
    kept = History.loads(text)
    assert len(text) <= LIMIT and kept.earlier + len(kept.moves) == 200
    assert kept.moves == long.moves[-len(kept.moves) :] and len(kept.moves) > 10
    assert kept.since == long.moves[0].when
    assert History.loads(kept.with_move(Move(P, 200, 201, "one more")).dumps()).moves[-1].to == 201


def test_a_reason_of_any_length_has_room():
    one = History().with_move(Move(P, None, 1, "ä" * 10_000))
    assert History.loads(one.dumps()).moves[0].why.endswith("…")


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", json.dumps({"moves": [{"odd": 1}], "earlier": 0, "since": None})]
)
def test_what_is_no_history_is_an_empty_one(text):
    assert History.loads(text) == History()
