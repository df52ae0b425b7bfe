import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.training import FitSettings, Trainer, TrainingData, TrainingState, predict
from orchestrator.training.checkpoint import CheckpointError, Checkpoints, has_checkpoint, load_best
from orchestrator.training.checkpoint_files import drop, sizes

SETTINGS = FitSettings(epochs=4, lr=0.01, batch_size=16, ema=0.9)


def load_checkpoint(folder: Path) -> TrainingState:
    """Load the newest checkpoint; raise CheckpointError if it was passed over."""
    found = Checkpoints(folder).load()
    if found.passed_over:
        raise CheckpointError(found.passed_over[0])
    assert found.state is not None
    return found.state


def save_checkpoint(folder: Path, state: TrainingState) -> None:
    """Save with new `Checkpoints`, like a process that has just started."""
    Checkpoints(folder).save(state)


@pytest.fixture
def training(make_model, data: TrainingData) -> Trainer:
    training = Trainer(make_model(), data, SETTINGS)
    training.run_epoch()
    return training


def test_training_resumes_from_disk_bit_for_bit(
    tmp_path: Path, make_model, data: TrainingData, training: Trainer
) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    resumed = Trainer(make_model(seed=5), data, SETTINGS)
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


def test_the_folder_holds_two_checkpoints_and_what_else_was_there(tmp_path: Path, training: Trainer) -> None:
    (tmp_path / "epochs.jsonl").write_text("{}\n", encoding="utf-8")
    while not training.finished:
        before = training.best
        training.run_epoch()
        save_checkpoint(tmp_path, training.state_dict())
    assert training.best is not None and before is not None
    assert {path.name for path in tmp_path.iterdir()} == {
        "epochs.jsonl",
        "checkpoint.json",
        "checkpoint.previous.json",
        f"last-{SETTINGS.epochs - 1}.safetensors",
        f"last-{SETTINGS.epochs}.safetensors",
        f"best-{before.result.epoch}.safetensors",
        f"best-{training.best.result.epoch}.safetensors",
    }


@pytest.mark.parametrize("calls_before_death", range(5))
def test_a_save_cut_off_anywhere_leaves_a_whole_checkpoint(
    tmp_path: Path, training: Trainer, monkeypatch: pytest.MonkeyPatch, calls_before_death: int
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

    monkeypatch.setattr("orchestrator.training.checkpoint_files.os.replace", dying_replace)
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
    training = Trainer(make_model(2), two_targets, SETTINGS)
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


def test_a_best_epoch_is_written_once(tmp_path: Path, training: Trainer) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    (best,) = tmp_path.glob("best-*.safetensors")
    written = best.stat().st_mtime_ns, best.stat().st_ino
    state = training.state_dict()
    checkpoints = Checkpoints(tmp_path)
    checkpoints.load()
    for epoch in (2, 3):
        checkpoints.save(replace(state, meta={**state.meta, "epoch": epoch}))
        assert (best.stat().st_mtime_ns, best.stat().st_ino) == written
    assert {path.name for path in tmp_path.glob("last-*")} == {"last-2.safetensors", "last-3.safetensors"}
    assert checkpoints.size == sum(path.stat().st_size for path in (best, tmp_path / "last-3.safetensors"))


def test_a_training_without_a_best_epoch_is_kept(tmp_path: Path, make_model, data: TrainingData) -> None:
    save_checkpoint(tmp_path, Trainer(make_model(), data, SETTINGS).state_dict())
    state = load_checkpoint(tmp_path)
    assert state.best == {} and state.meta["best"] is None
    with pytest.raises(CheckpointError, match="no best epoch"):
        load_best(tmp_path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def rewrite(**changes: object) -> Callable[[Path], None]:
    """Return a function that changes fields of the index."""

    def damage(folder: Path) -> None:
        index = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
        (folder / "checkpoint.json").write_text(json.dumps({**index, **changes}), encoding="utf-8")

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the tensors": (lambda folder: flip(folder / "last-2.safetensors"), "SHA-256"),
    "no tensors": (lambda folder: (folder / "last-2.safetensors").unlink(), "cannot be read"),
    "a torn index": (lambda folder: os.truncate(folder / "checkpoint.json", 50), "cannot be read"),
    "no index": (lambda folder: (folder / "checkpoint.json").unlink(), "holds no checkpoint"),
    "another version": (rewrite(schema_version=0), "schema version 0"),
    "no list": (lambda folder: (folder / "checkpoint.json").write_text("[1]", encoding="utf-8"), "schema version None"),
    "another meta": (rewrite(meta={"epoch": 9, "best": None}), "SHA-256"),
    "no meta": (rewrite(meta={}), "SHA-256"),
    "no digest and no meta": (rewrite(meta={}, sha256=None), "SHA-256"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_detected_and_the_previous_checkpoint_is_used(
    tmp_path: Path, training: Trainer, damage: Callable[[Path], object], message: str
) -> None:
    assert not has_checkpoint(tmp_path) and Checkpoints(tmp_path).load().state is None
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(training.state_dict())
    first = training.state_dict()
    training.run_epoch()
    checkpoints.save(training.state_dict())
    damage(tmp_path)
    assert has_checkpoint(tmp_path)
    found = Checkpoints(tmp_path).load()
    assert found.state is not None and found.state.meta == first.meta
    assert all(torch.equal(first.tensors[name], found.state.tensors[name]) for name in first.tensors)
    assert len(found.passed_over) == 1 and message in found.passed_over[0]
    again = Checkpoints(tmp_path).load()
    assert again.passed_over == () and again.state is not None, "it is the newest from now on"


def test_unusable_checkpoint_is_passed_over_with_the_reason(tmp_path: Path, training: Trainer) -> None:
    checkpoints = Checkpoints(tmp_path)
    for _ in range(2):
        checkpoints.save(training.state_dict())
        training.run_epoch()
    found = Checkpoints(tmp_path).load(lambda meta: "too far" if meta["epoch"] > 1 else None)
    assert found.state is not None and found.state.meta["epoch"] == 1
    assert "too far" in found.passed_over[0]
    found = Checkpoints(tmp_path).load(lambda meta: "too far")
    assert found.state is None and len(found.passed_over) == 1 and not has_checkpoint(tmp_path)


@pytest.mark.parametrize("fails", range(3))
def test_a_full_disk_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, training: Trainer, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(training.state_dict())
    training.run_epoch()
    writes = 0

    def write_bytes(path: Path, data: bytes, real: Callable[..., int] = Path.write_bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > fails:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    training.best = replace(training.best, result=replace(training.best.result, epoch=2))  # type: ignore
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(OSError, match="No space"):
            checkpoints.save(training.state_dict())
    assert {path.name for path in tmp_path.iterdir()} - {"checkpoint.previous.json"} == {
        "checkpoint.json",
        "last-1.safetensors",
        "best-1.safetensors",
    }
    assert load_checkpoint(tmp_path).meta["epoch"] == 1
    checkpoints.save(training.state_dict())
    assert load_checkpoint(tmp_path).meta["epoch"] == 2


@pytest.mark.parametrize("parts", [(), ("last",), ("best",), ("last", "best")], ids=str)
def test_parts_of_an_ended_training_are_dropped(
    tmp_path: Path, make_model, data: TrainingData, parts: tuple[str, ...]
) -> None:
    training, checkpoints = Trainer(make_model(), data, SETTINGS), Checkpoints(tmp_path)
    while not training.finished:
        training.run_epoch()
        checkpoints.save(training.state_dict())
    (tmp_path / ".last-9.safetensors.partial").write_bytes(b"torn")
    before, there = sizes(tmp_path), sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    assert sum(before.values()) == there + 4 and set(before) == {"last", "best", "spare"}
    assert drop(tmp_path, parts) == before["spare"] + sum(before[part] for part in parts)  # type: ignore
    assert sizes(tmp_path) == {part: size for part, size in before.items() if part not in (*parts, "spare")}
    assert drop(tmp_path, parts) == 0
    assert has_checkpoint(tmp_path) == (len(parts) < 2)
    if "best" not in parts:
        assert load_best(tmp_path)[0].keys() == training.model.state_dict().keys()
    if not parts:
        assert load_checkpoint(tmp_path).meta["epoch"] == SETTINGS.epochs


@pytest.mark.parametrize("kind", ["last", "best"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, -1])
def test_a_truncated_file_is_found(tmp_path: Path, training: Trainer, kind: str, kept: float) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    path = tmp_path / f"{kind}-1.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=f"{kind}-1.safetensors"):
        load_checkpoint(tmp_path)


def test_next_save_rewrites_a_damaged_best_epoch(tmp_path: Path, training: Trainer) -> None:
    save_checkpoint(tmp_path, training.state_dict())
    (tmp_path / "best-1.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load_best(tmp_path)
    save_checkpoint(tmp_path, training.state_dict())
    assert load_best(tmp_path)[0].keys() == training.model.state_dict().keys()
