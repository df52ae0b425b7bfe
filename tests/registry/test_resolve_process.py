"""The process that asks MLflow for a model next to the command score."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.registry.resolve import find_in_mlflow, resolve_model
from orchestrator.registry.resolve_process import find_in_process


def test_the_process_finds_the_same_model_while_this_one_works(made, tmp_path):
    folders = [tmp_path / "process", tmp_path / "here"]
    for folder in folders:
        folder.mkdir()
    called = []
    found = find_in_process("text_hyper@champion", made.uri, folders[0], lambda: called.append(True))
    expected = find_in_mlflow("text_hyper@champion", made.uri, folders[1])
    assert called == [True] and found is not None
    assert found.verify() == expected.verify() == found.sha256
    moved = {key: folders[1] / getattr(found, key).relative_to(folders[0]) for key in ("folder", "predictions")}
    assert replace(found, **moved) == expected


def test_an_error_of_the_process_is_the_same_sentence(made):
    sentence = r"text_hyper has no /9: it has @champion and the versions 1\."
    missing = resolve_model("text_hyper/9", Path("sweeps"), made.uri, lambda: None)
    with pytest.raises(InputError, match=sentence), missing:
        pass


def test_this_process_asks_mlflow_if_the_other_fails(made, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with resolve_model("text_hyper@champion", Path("sweeps"), made.uri, lambda: None) as model:
        assert model.about["registered"] == "text_hyper/1"
