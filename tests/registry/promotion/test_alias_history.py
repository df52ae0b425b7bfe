import json
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.alias import move_alias, read_history
from orchestrator.registry.promotion.alias_history import LIMIT, AliasHistory, Move


def history(*moves):
    found = AliasHistory()
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
    kept = AliasHistory.loads(text)
    assert len(text) <= LIMIT and kept.earlier + len(kept.moves) == 200
    assert kept.moves == long.moves[-len(kept.moves) :] and len(kept.moves) > 10
    assert kept.since == long.moves[0].when
    assert AliasHistory.loads(kept.with_move(Move(P, 200, 201, "one more")).dumps()).moves[-1].to == 201


def test_a_reason_of_any_length_has_room():
    one = AliasHistory().with_move(Move(P, None, 1, "ä" * 10_000))
    assert AliasHistory.loads(one.dumps()).moves[0].why.endswith("…")


@pytest.mark.parametrize("text", [None, ""])
def test_what_was_never_moved_has_an_empty_history(text):
    assert AliasHistory.loads(text) == AliasHistory()


NO_HISTORIES = ["[]", "{}", "{", json.dumps({"moves": [{"odd": 1}], "earlier": 0, "since": None})]


@pytest.mark.parametrize("text", NO_HISTORIES)
def test_what_is_no_history_is_not_an_empty_one(text):
    with pytest.raises(ValueError):
        AliasHistory.loads(text)


class Registry:
    """An MLflow with one registered model that holds a tag, or that does not answer; counts what is written."""

    def __init__(self, answer):
        self.answer, self.written = answer, []

    def get_registered_model(self, name):
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(tags=self.answer)

    def get_model_version_by_alias(self, name, alias):
        raise MlflowException("none", error_code=RESOURCE_DOES_NOT_EXIST)

    def set_registered_model_alias(self, *args):
        self.written.append(args)

    set_registered_model_tag = set_registered_model_alias


def test_where_there_is_no_model_there_is_no_history():
    gone = Registry(MlflowException("none", error_code=RESOURCE_DOES_NOT_EXIST))
    assert read_history(gone, "text_hyper", "champion") == AliasHistory()


@pytest.mark.parametrize("text", NO_HISTORIES)
def test_what_cannot_be_read_is_not_written_over(text):
    registry = Registry({"history.champion": text})
    with pytest.raises(InputError, match=r"history\.champion of text_hyper in MLflow is not a history"):
        move_alias(registry, "text_hyper", "champion", Move(P, None, 1, "it"))
    assert registry.written == []


def test_an_mlflow_that_does_not_answer_is_not_taken_for_an_empty_history():
    registry = Registry(MlflowException("503", error_code=TEMPORARILY_UNAVAILABLE))
    with pytest.raises(MlflowException, match="503"):
        move_alias(registry, "text_hyper", "champion", Move(P, None, 1, "it"))
    assert registry.written == []
