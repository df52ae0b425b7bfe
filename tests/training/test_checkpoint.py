import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.training import FitSettings, Training, TrainingData, predict
from orchestrator.training.checkpoint import (
    CheckpointError,
    has_checkpoint,
    load_best,
    load_checkpoint,
    save_checkpoint,
)

SETTINGS = FitSettings(epochs=4, lr=0.01, batch_size=16, ema=0.9)


@pytest.fixture
def training(make_model, data: TrainingData) -> Training:
    training = Training(make_model(), data, SETTINGS)
    training.run_epoch()
    return training


def test_a_training_goes_on_from_disk_bit_for_bit(
    tmp_path: Path, make_model, data: TrainingData, training: Training
) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    resumed = Training(make_model(seed=5), data, SETTINGS)
    resumed.load_state_dict(load_checkpoint(tmp_path))
    while not training.finished:
        one, other = training.run_epoch(), resumed.run_epoch()
        assert replace(one, seconds=0) == replace(other, seconds=0)
        save_checkpoint(tmp_path, training.state_dict())
    whole, again = training.state_dict(), resumed.state_dict()
    assert all(torch.equal(whole.tensors[name], again.tensors[name]) for name in whole.tensors)
    loaded = load_checkpoint(tmp_path)
    assert all(torch.equal(whole.best[name], loaded.best[name]) for name in whole.best)
    assert loaded.meta == whole.meta


def test_the_folder_holds_one_checkpoint_and_what_else_was_there(tmp_path: Path, training: Training) -> None:
    (tmp_path / "epochs.jsonl").write_text("{}\n")
    while not training.finished:
        training.run_epoch()
        save_checkpoint(tmp_path, training.state_dict())
    assert training.best is not None
    assert {path.name for path in tmp_path.iterdir()} == {
        "epochs.jsonl",
        "checkpoint.json",
        f"last-{SETTINGS.epochs}.safetensors",
        f"best-{training.best.result.epoch}.safetensors",
    }


@pytest.mark.parametrize("calls_before_death", range(3))
def test_a_save_cut_off_anywhere_leaves_a_whole_checkpoint(
    tmp_path: Path, training: Training, monkeypatch: pytest.MonkeyPatch, calls_before_death: int
) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    before = training.epoch
    training.run_epoch()
    assert training.best is not None
    replaced = []

    def dying_replace(source: Path, destination: Path, os_replace=os.replace) -> None:
        if len(replaced) == calls_before_death:
            raise KeyboardInterrupt
        replaced.append(destination)
        os_replace(source, destination)

    monkeypatch.setattr("orchestrator.training.checkpoint.os.replace", dying_replace)
    try:
        save_checkpoint(tmp_path, training.state_dict())
    except KeyboardInterrupt:
        assert load_checkpoint(tmp_path).meta["epoch"] == before
    else:
        assert load_checkpoint(tmp_path).meta["epoch"] == training.epoch
    monkeypatch.undo()
    save_checkpoint(tmp_path, training.state_dict())
    assert load_checkpoint(tmp_path).meta["epoch"] == training.epoch


def test_the_best_epoch_scores_as_it_did_when_it_was_measured(
    tmp_path: Path, make_model, two_targets: TrainingData
) -> None:
    training = Training(make_model(2), two_targets, SETTINGS)
    while not training.finished:
        training.run_epoch()
    save_checkpoint(tmp_path, training.state_dict())
    state, scale, meta = load_best(tmp_path)
    model = make_model(2, seed=8)
    model.load_state_dict(state)
    found = predict(model, two_targets.features, two_targets.validation, scale)
    training.restore_best()
    np.testing.assert_array_equal(found, training.predict(two_targets.validation))
    assert training.best is not None
    assert meta["best"]["epoch"] == training.best.result.epoch
    assert meta["targets"] == ["quality", "alignment"]


def test_a_best_epoch_is_written_once(tmp_path: Path, training: Training) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    (best,) = tmp_path.glob("best-*.safetensors")
    written = best.stat().st_mtime_ns, best.stat().st_ino
    state = training.state_dict()
    save_checkpoint(tmp_path, replace(state, meta={**state.meta, "epoch": 2}))
    assert (best.stat().st_mtime_ns, best.stat().st_ino) == written
    assert not (tmp_path / "last-1.safetensors").exists()


def test_a_training_without_a_best_epoch_is_kept(tmp_path: Path, make_model, data: TrainingData) -> None:
    save_checkpoint(tmp_path, Training(make_model(), data, SETTINGS).state_dict())
    state = load_checkpoint(tmp_path)
    assert state.best == {} and state.meta["best"] is None
    with pytest.raises(CheckpointError, match="no best epoch"):
        load_best(tmp_path)


def test_damage_is_found(tmp_path: Path, training: Training) -> None:
    assert not has_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, training.state_dict())
    assert has_checkpoint(tmp_path)
    tensors, index = tmp_path / "last-1.safetensors", tmp_path / "checkpoint.json"
    whole, listed = tensors.read_bytes(), json.loads(index.read_text())

    tensors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(tmp_path)
    tensors.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path)
    tensors.write_bytes(whole)
    for wrong, message in (
        (json.dumps({**listed, "schema_version": 0}), "schema version 0"),
        (json.dumps({**listed, "files": {}}), "lacks 'last'"),
        (json.dumps([1]), "schema version None"),
        (index.read_text()[:50], "cannot be read"),
    ):
        index.write_text(wrong)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["last", "best"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, -1])
def test_a_truncated_file_is_found(tmp_path: Path, training: Training, kind: str, kept: float) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    path = tmp_path / f"{kind}-1.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=f"{kind}-1.safetensors"):
        load_checkpoint(tmp_path)


def test_a_damaged_best_epoch_is_mended_by_the_next_save(tmp_path: Path, training: Training) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    (tmp_path / "best-1.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load_best(tmp_path)
    save_checkpoint(tmp_path, training.state_dict())
    assert load_best(tmp_path)[0].keys() == training.model.state_dict().keys()
