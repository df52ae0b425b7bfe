import json
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.alias import move_alias, read_history
from orchestrator.registry.promotion.alias_history import LIMIT, AliasHistory, Move


def history(*moves):
    result = AliasHistory()
    for kind, from_version, to in moves:
        result = result.with_move(Move(kind, from_version, to, "because"))
    return result


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
        ([(P, None, 1), (P, 1, 2)], 7, 2),  # moved by hand
        ([(P, None, 1), (P, 6, 2)], 2, 6),
        ([], 4, None),
    ],
)
def test_previous_returns_one_earlier_version_after_each_rollback(moves, current, before):
    assert history(*moves).previous(current, range(10)) == before


def test_previous_skips_deleted_versions():
    assert history((P, None, 1), (P, 1, 2), (P, 2, 3)).previous(3, [1, 3]) == 1


def test_dumps_fits_the_tag_and_counts_the_moves_without_room():
    long = history(*((P, number or None, number + 1) for number in range(200)))
    text = long.dumps()
    kept = AliasHistory.loads(text)
    assert len(text) <= LIMIT and kept.earlier + len(kept.moves) == 200
    assert kept.moves == long.moves[-len(kept.moves) :] and len(kept.moves) > 10
    assert kept.since == long.moves[0].when
    assert AliasHistory.loads(kept.with_move(Move(P, 200, 201, "one more")).dumps()).moves[-1].to == 201


def test_dumps_shortens_a_long_reason():
    one = AliasHistory().with_move(Move(P, None, 1, "ä" * 10_000))
    assert AliasHistory.loads(one.dumps()).moves[0].why.endswith("…")


@pytest.mark.parametrize("text", [None, ""])
def test_loads_returns_an_empty_history_for_a_missing_tag(text):
    assert AliasHistory.loads(text) == AliasHistory()


INVALID = ["[]", "{}", "{", json.dumps({"moves": [{"odd": 1}], "earlier": 0, "since": None})]


@pytest.mark.parametrize("text", INVALID)
def test_loads_raises_for_a_text_that_is_not_a_history(text):
    with pytest.raises(ValueError):
        AliasHistory.loads(text)


class Registry:
    """MLflow client with one registered model, or one that fails; records what is written."""

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


def test_read_history_returns_an_empty_history_if_the_model_is_missing():
    registry = Registry(MlflowException("none", error_code=RESOURCE_DOES_NOT_EXIST))
    assert read_history(registry, "text_hyper", "champion") == AliasHistory()


@pytest.mark.parametrize("text", INVALID)
def test_move_alias_does_not_overwrite_an_unreadable_history(text):
    registry = Registry({"history.champion": text})
    with pytest.raises(InputError, match=r"history\.champion of text_hyper in MLflow is not a history"):
        move_alias(registry, "text_hyper", "champion", Move(P, None, 1, "it"))
    assert registry.written == []


def test_move_alias_does_not_write_if_mlflow_fails_to_return_the_history():
    registry = Registry(MlflowException("503", error_code=TEMPORARILY_UNAVAILABLE))
    with pytest.raises(MlflowException, match="503"):
        move_alias(registry, "text_hyper", "champion", Move(P, None, 1, "it"))
    assert registry.written == []
