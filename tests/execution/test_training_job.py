"""Training job in its worker without Ray: complete, killed at any moment, failed."""

import errno
import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats

from models.encoders import MissingWeightsError
from models.encoders.base import ComposedEncoder, ImageEncoder, JointEncoder, PromptEncoder
from orchestrator.core.training_files import PREDICTIONS
from orchestrator.execution import trainable as worker_module
from orchestrator.execution import training_job
from orchestrator.execution.baselines_job import REASONS
from orchestrator.execution.prediction_metrics import flat_agreement
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.training_job import TrainingJob
from orchestrator.scoring import ModelLoadError, load_scorer
from tests.execution.contexts import PER_PROMPT, ROWS, SHAPES, MadeFeatures, make_job, make_sweep_context

pytestmark = pytest.mark.integration


@pytest.fixture
def context(tmp_path):
    return make_sweep_context(tmp_path)


def start(job, context) -> JobTrainable:
    """Return the trainable as Tune creates it, but in this process."""
    worker = JobTrainable.__new__(JobTrainable)
    worker.setup(job.as_config(), context)
    return worker


def die(worker) -> None:
    """Release the lock as the operating system does for a dead worker."""
    worker.cleanup()


def finish(worker) -> list[dict]:
    messages = []
    while True:
        result = worker.step()
        messages += result["message"]
        if result["done"]:
            return messages
        assert len(messages) < 50


def epochs_of(messages):
    return [epoch for message in messages for epoch in message["epochs"]]


def numbers(messages):
    """Return the epochs without times and places, which differ if a worker was killed."""
    timed = {"seconds", "epoch_seconds", "time", "place"}
    return [
        {k: v for k, v in {**epoch, **epoch["metrics"]}.items() if k not in timed | {"metrics"}}
        for epoch in epochs_of(messages)
    ]


def test_job_reports_an_epoch_per_step_and_the_best_at_the_end(context):
    messages = finish(start(make_job(), context))
    assert [[epoch["number"] for epoch in message["epochs"]] for message in messages] == [[1], [2], [3]]
    last = messages[-1]
    objectives = [epoch["objective"] for epoch in epochs_of(messages)]
    assert last["outcome"] == "complete" and last["final"]["best_val_srcc"] == max(objectives)
    assert last["final"]["best_epoch"] == objectives.index(max(objectives)) + 1
    assert not any(key.startswith("test_") for key in last["final"]) and "outcome" not in messages[0]
    assert not (context.trials / "trial-0000" / PREDICTIONS).exists(), "a searched trial never sees test"
    assert json.dumps(messages) and all(epoch["seconds"] > 0 for epoch in epochs_of(messages))


def test_place_is_reported_once_per_process(context):
    job = make_job()
    worker = start(job, context)
    first, second = (worker.step()["message"][0]["epochs"][0] for _ in range(2))
    assert first["place"].keys() == {"host", "cpus", "device"} and first["place"]["device"].startswith("cpu: ")
    assert second["place"] == {}
    die(worker)
    again, third, *_ = epochs_of(finish(start(job, context)))[1:]
    assert (again["number"], third["number"], third["place"]) == (2, 3, first["place"])


def test_job_is_deterministic(context, tmp_path):
    one = finish(start(make_job(), context))
    assert numbers(finish(start(make_job(), make_sweep_context(tmp_path / "again")))) == numbers(one)
    other = finish(start(make_job(seed=4), make_sweep_context(tmp_path / "other")))
    assert numbers(other) != numbers(one)


@pytest.mark.parametrize("test", [False, True], ids=["trial", "confirm"])
@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_job_killed_after_any_epoch_repeats_its_history_and_resumes(context, tmp_path, killed_after, test):
    whole = finish(start(make_job(test=test), make_sweep_context(tmp_path / "whole")))
    job = make_job(test=test)
    worker, before = start(job, context), []
    for _ in range(killed_after):
        before += worker.step()["message"]
    die(worker)
    after = finish(start(job, context))
    assert numbers(after) == numbers(whole)
    assert after[-1]["final"] == whole[-1]["final"]
    if killed_after:
        assert [epoch["number"] for epoch in after[0]["epochs"]] == list(range(1, killed_after + 1))
        # With the original times: MLflow ignores a repeated point only if its time is equal.
        assert epochs_of(after)[:killed_after] == epochs_of(before)


@pytest.mark.parametrize("torn", ["", '{"number": 2, "obj', '{"number": 2}\n'])
def test_job_killed_between_history_and_checkpoint_resumes(context, tmp_path, torn, monkeypatch):
    """The epoch is in the history but not in the checkpoint; then it is killed once more, later."""
    whole = finish(start(make_job(epochs=4), make_sweep_context(tmp_path / "whole")))
    worker = start(make_job(epochs=4), context)
    worker.step()
    history = context.trials / "trial-0000" / "epochs.jsonl"
    if torn:
        history.open("a", encoding="utf-8").write(torn)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(training_job.Checkpoints, "save", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                worker.step()
    die(worker)
    second = start(make_job(epochs=4), context)
    second.step()
    second.step()
    die(second)
    assert numbers(finish(start(make_job(epochs=4), context))) == numbers(whole)


def test_short_epochs_share_a_checkpoint_and_a_killed_job_repeats_them(context, tmp_path):
    whole = finish(start(make_job(epochs=4), make_sweep_context(tmp_path / "whole")))
    context = replace(context, checkpoint_seconds=1000.0)
    worker = start(make_job(epochs=4), context)
    reported = [worker.step()["message"][0] for _ in range(3)]
    folder = context.trials / "trial-0000"
    assert numbers(reported) == numbers(whole)[:3] and not (folder / "checkpoint.json").exists()
    die(worker)
    after = finish(start(make_job(epochs=4), context))
    assert numbers(after) == numbers(whole) and after[-1]["final"] == whole[-1]["final"]
    assert json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["meta"]["epoch"] == 4


def test_worker_runs_one_job_after_another(context, tmp_path):
    worker = start(make_job(0), context)
    first = finish(worker)
    assert worker.reset_config(make_job(1, seed=9).as_config()) is True
    second = finish(worker)
    assert numbers(second) == numbers(finish(start(make_job(1, seed=9), make_sweep_context(tmp_path / "alone"))))
    assert numbers(second) != numbers(first)


class TestGoneWrong:
    def test_error_is_a_failure_with_its_traceback(self, context):
        (message,) = finish(start(make_job(model={"wings": 2}), context))
        failure = message["failure"]
        assert failure["kind"] == "error" and message["epochs"] == [] and "outcome" not in message
        assert "Traceback" in failure["text"] and "wings" in failure["text"]

    @pytest.mark.parametrize("error", [MemoryError("no"), torch.OutOfMemoryError("CUDA out of memory")])
    def test_out_of_memory_is_reported_as_memory(self, context, monkeypatch, error):
        def greedy(*arguments):
            raise error

        monkeypatch.setattr(training_job.Trainer, "run_epoch", greedy)
        (message,) = finish(start(make_job(), context))
        assert message["failure"]["kind"] == "memory" and type(error).__name__ in message["failure"]["text"]

    def test_failure_names_its_epoch(self, context, monkeypatch):
        worker = start(make_job(), context)
        worker.step()
        monkeypatch.setattr(training_job.Trainer, "run_epoch", lambda training: 1 / 0)
        assert finish(worker)[-1]["failure"]["epoch"] == 1

    def test_transient_error_is_reported_after_a_pause(self, context, monkeypatch):
        slept = []
        monkeypatch.setattr(worker_module.time, "sleep", slept.append)

        def away(training):
            raise ConnectionResetError("the file server")

        monkeypatch.setattr(training_job.Trainer, "run_epoch", away)
        (message,) = finish(start(make_job(), context))
        assert message["failure"]["kind"] == "transient" and slept == [worker_module.PAUSE]

    def test_error_that_corrupts_the_process_is_raised(self, context, monkeypatch):
        def spoilt(training):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

        monkeypatch.setattr(training_job.Trainer, "run_epoch", spoilt)
        with pytest.raises(RuntimeError, match="illegal memory"):
            start(make_job(), context).step()

    def test_nan_is_diverged_and_ends_the_job(self, context):
        job = make_job(epochs=9, training={"lr": 1e30, "batch_size": 16, "epochs": 9, "clip_norm": 0.0})
        messages = finish(start(job, context))
        assert epochs_of(messages)[-1]["diverged"] and math.isnan(epochs_of(messages)[-1]["objective"])
        assert len(epochs_of(messages)) < 9
        again = finish(start(job, context))
        assert epochs_of(again)[-1]["diverged"] and len(epochs_of(again)) == len(epochs_of(messages))

    def test_long_traceback_is_cut_to_its_end(self, context, monkeypatch):
        def wordy(training):
            raise RuntimeError("x" * 20000 + "the end")

        monkeypatch.setattr(training_job.Trainer, "run_epoch", wordy)
        (message,) = finish(start(make_job(), context))
        text = message["failure"]["text"]
        assert len(text) <= 8000 and text.rstrip().endswith("the end")


def notes_of(messages):
    return [note for message in messages for note in message.get("notes", [])]


def flip(path: Path) -> None:
    """Invert one bit of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


class TestDamage:
    @pytest.fixture
    def whole(self, tmp_path):
        return finish(start(make_job(epochs=5), make_sweep_context(tmp_path / "whole")))

    @pytest.fixture
    def folder(self, context):
        """Folder of a job killed after its third epoch."""
        worker = start(make_job(epochs=5), context)
        for _ in range(3):
            worker.step()
        die(worker)
        return context.trials / "trial-0000"

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: flip(folder / "last-3.safetensors"),
            lambda folder: (folder / "last-3.safetensors").unlink(),
            lambda folder: os.truncate(folder / "checkpoint.json", 40),
            lambda folder: (folder / "checkpoint.json").unlink(),
            lambda folder: flip(folder / "checkpoint.json"),
        ],
        ids=["a bit of the tensors", "no tensors", "torn index", "no index", "a bit of the index"],
    )
    def test_job_resumes_from_the_previous_checkpoint_with_a_note(self, context, folder, whole, damage):
        damage(folder)
        after = finish(start(make_job(epochs=5), context))
        assert [epoch["number"] for epoch in after[0]["epochs"]] == [1, 2]
        assert numbers(after) == numbers(whole) and after[-1]["final"] == whole[-1]["final"]
        (note,) = notes_of(after)
        assert note.startswith("trial-0000 resumed from epoch 2: ") and str(folder) in note

    def test_job_restarts_if_both_checkpoints_are_damaged(self, context, folder, whole):
        flip(folder / "last-3.safetensors")
        flip(folder / "last-2.safetensors")
        after = finish(start(make_job(epochs=5), context))
        assert numbers(after) == numbers(whole)
        (note,) = notes_of(after)
        assert note.startswith("trial-0000 restarted from the first epoch: ") and note.count("SHA-256 differs") == 2

    @pytest.mark.parametrize(("line", "epoch"), [(3, 2), (2, 0)])
    def test_damaged_line_of_the_history_removes_the_following_lines(self, context, folder, whole, line, epoch):
        history = folder / "epochs.jsonl"
        lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[line - 1] = lines[line - 1].replace("0.", "1.", 1)
        history.write_text("".join(lines), encoding="utf-8")
        after = finish(start(make_job(epochs=5), context))
        assert numbers(after) == numbers(whole)
        action = "resumed from epoch 2" if epoch else "restarted from the first epoch"
        assert action in notes_of(after)[0] and f"whole to epoch {line - 1} only" in notes_of(after)[0]
        assert len(history.read_text(encoding="utf-8").splitlines()) == 5

    def test_damaged_checkpoint_does_not_become_the_previous_one(self, context, folder, whole):
        flip(folder / "last-3.safetensors")
        worker = start(make_job(epochs=5), context)
        worker.step()
        worker.step()
        die(worker)
        flip(folder / "last-3.safetensors")
        after = finish(start(make_job(epochs=5), context))
        assert "resumed from epoch 2" in notes_of(after)[0] and numbers(after) == numbers(whole)

    def test_job_without_damage_has_no_note(self, context, folder):
        assert notes_of(finish(start(make_job(epochs=5), context))) == []


class TestAnotherConfiguration:
    @pytest.mark.parametrize(
        "changes", [{"seed": 4}, {"split": 2}, {"training": {"lr": 1e-2, "batch_size": 16, "epochs": 3}}], ids=str
    )
    def test_files_of_another_configuration_are_set_aside(self, context, tmp_path, changes):
        worker = start(make_job(**changes), context)
        worker.step()
        die(worker)
        after = finish(start(make_job(), context))
        assert numbers(after) == numbers(finish(start(make_job(), make_sweep_context(tmp_path / "alone"))))
        assert "trial-0000.aside-1" in notes_of(after)[0]
        assert (context.trials / "trial-0000.aside-1" / "last-1.safetensors").is_file()

    def test_checkpoint_of_another_training_is_recognised_without_a_job_file(self, context, tmp_path):
        worker = start(make_job(model={"widths": [16], "rank": 1, "condition_width": 4}), context)
        worker.step()
        die(worker)
        (context.trials / "trial-0000" / "job.json").unlink()
        after = finish(start(make_job(), context))
        assert numbers(after) == numbers(finish(start(make_job(), make_sweep_context(tmp_path / "alone"))))
        assert "another training" in notes_of(after)[0] and "trial-0000.aside-1" in notes_of(after)[0]

    def test_newer_settings_at_their_defaults_do_not_matter(self, context):
        worker = start(make_job(), context)
        worker.step()
        die(worker)
        folder = context.trials / "trial-0000"
        index = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
        del index["meta"]["settings"]["ema"], index["sha256"]
        (folder / "checkpoint.json").write_text(json.dumps(index), encoding="utf-8")
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        del job["backbone"]
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        after = finish(start(make_job(), context))
        assert len(after[0]["epochs"]) == 1 and notes_of(after) == []


class TestFullDisk:
    def steps(self, context, job, free):
        return TrainingJob(job, context, free=lambda folder: free[0])

    def run(self, steps):
        messages = [steps.step()]
        while "outcome" not in messages[-1]:
            messages.append(steps.step())
        return messages

    def test_checkpoints_pause_below_the_watermark_and_resume(self, context):
        context, free = replace(context, min_free=1000), [10**9]
        steps = self.steps(context, make_job(epochs=5), free)
        folder, messages, there = context.trials / "trial-0000", [], []
        for free[0] in (10**9, 999, 999, 10**9):
            messages.append(steps.step())
            there.append(json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["meta"]["epoch"])
        assert there == [1, 1, 1, 4]
        assert notes_of(messages) == [f"Disk nearly full (999 bytes free at {context.trials}): checkpoints are paused."]
        assert [epoch["number"] for epoch in epochs_of(messages)] == [1, 2, 3, 4]

    def test_checkpoint_needs_twice_its_size(self, context):
        free = [10**9]
        steps = self.steps(context, make_job(epochs=3), free)
        steps.step()
        free[0] = sum(path.stat().st_size for path in (context.trials / "trial-0000").glob("*.safetensors"))
        assert notes_of([steps.step()])

    def test_job_killed_while_paused_resumes_from_the_last_checkpoint(self, context, tmp_path):
        whole = finish(start(make_job(epochs=5), make_sweep_context(tmp_path / "whole")))
        free = [10**9]
        steps = self.steps(replace(context, min_free=1000), make_job(epochs=5), free)
        steps.step()
        free[0] = 0
        steps.step()
        steps.step()
        steps.close()
        after = finish(start(make_job(epochs=5), context))
        assert len(after[0]["epochs"]) == 1 and numbers(after) == numbers(whole)

    @pytest.mark.parametrize("which", ["safetensors", "checkpoint", "epochs"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_failed_write_loses_no_epoch(self, context, tmp_path, monkeypatch, which, code):
        whole = self.run(TrainingJob(make_job(epochs=4), make_sweep_context(tmp_path / "whole")))
        full = [False]

        def refuse(path: Path) -> None:
            if full[0] and which in path.name and context.trials in path.parents:
                raise OSError(code, os.strerror(code), str(path))

        real_bytes, real_text, real_open = Path.write_bytes, Path.write_text, Path.open

        def write_bytes(path, data):
            real_bytes(path, data[: len(data) // 2])  # what fits
            refuse(path)
            return real_bytes(path, data)

        def write_text(path, data):
            refuse(path)
            return real_text(path, data)

        def open_(path, mode="r", *arguments, **options):
            file = real_open(path, mode, *arguments, **options)
            if mode == "ab" and full[0] and which in path.name:
                file.write(b'{"number": 2, "torn')
                file.close()
                refuse(path)
            return file

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        monkeypatch.setattr(Path, "write_text", write_text)
        monkeypatch.setattr(Path, "open", open_)
        steps, folder = TrainingJob(make_job(epochs=4), context), context.trials / "trial-0000"
        messages = [steps.step()]
        full[0] = True
        messages += [steps.step(), steps.step()]
        assert not list(folder.glob(".*.partial")) and not list(folder.glob("*.draft"))
        assert json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["meta"]["epoch"] == 1
        full[0] = False
        messages += [steps.step()]
        assert numbers(messages) == numbers(whole) and len(notes_of(messages)) == 1
        again = TrainingJob(make_job(epochs=4), context).step()
        assert epochs_of([again]) == epochs_of(messages), "the history has every epoch, once"

    def test_other_write_error_is_a_failure(self, context, monkeypatch):
        def broken(*arguments):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(training_job.Checkpoints, "save", broken)
        (message,) = finish(start(make_job(), context))
        assert message["failure"]["kind"] == "transient" and "Input/output" in message["failure"]["text"]


class TestConfirm:
    @pytest.mark.parametrize("targets", [("alignment",), ("quality", "alignment")], ids=len)
    def test_confirm_run_writes_predictions_and_metrics(self, tmp_path, targets):
        context = make_sweep_context(tmp_path, targets)
        final = finish(start(make_job(5, test=True), context))[-1]["final"]
        table = pd.read_csv(context.trials / "confirm-0005" / PREDICTIONS)
        split = context.splits[1]
        names = [context.names[row] for row in (*split.validation, *split.test)]
        assert list(table["name"]) == names and set(table["part"]) == {"validation", "test"}
        assert list(table["generator"]) == [f"g{int(name[:3]) % 3}" for name in names]
        test = table[table["part"] == "test"]
        for column, target in enumerate(targets):
            np.testing.assert_allclose(test[target], context.scores[split.test, column], rtol=1e-12)
        srcc = [stats.spearmanr(test[f"predicted_{t}"], test[t]).statistic for t in targets]
        plcc = [stats.pearsonr(test[f"predicted_{t}"], test[t]).statistic for t in targets]
        assert final["test_srcc"] == pytest.approx(np.mean(srcc), abs=1e-6)
        assert final["test_plcc"] == pytest.approx(np.mean(plcc), abs=1e-5)
        validation = table[table["part"] == "validation"]
        val = np.mean([stats.spearmanr(validation[f"predicted_{t}"], validation[t]).statistic for t in targets])
        assert final["best_val_srcc"] == pytest.approx(val, abs=1e-6), "the best epoch's weights predict"
        if len(targets) > 1:
            assert final["test_srcc_quality"] == pytest.approx(srcc[0], abs=1e-6)

    def test_control_trains_without_a_hypernet(self, context):
        job = make_job(1, test=True, variant="plain_head", control_of="text_hyper", model={"widths": [8]})
        finish(start(job, context))
        card = json.loads((context.trials / "confirm-0001" / "model" / "model.json").read_text(encoding="utf-8"))
        assert card["variant"] == "plain_head" and card["parameters"] == {"widths": [8], "of": "text_hyper"}

    def test_baselines_job_scores_a_split(self, context):
        job = make_job(2, test=True, variant="", model={}, source=None, training={"epochs": 1}, params={})
        (message,) = finish(start(job, context))
        folder = context.trials / "confirm-0002"
        assert message["outcome"] == "complete" and message["epochs"][0]["number"] == 1
        whole, split = pd.read_csv(folder / "ridge.csv"), context.splits[1]
        assert list(whole["name"]) == [context.names[row] for row in (*split.validation, *split.test)]
        ridge, validation = (whole[whole["part"] == part] for part in ("test", "validation"))
        assert len(ridge) == len(split.test) and len(validation) == len(split.validation)
        srcc = stats.spearmanr(ridge["predicted_alignment"], ridge["alignment"]).statistic
        assert message["final"]["ridge_test_srcc"] == pytest.approx(srcc)
        assert message["final"] == pytest.approx(
            {
                **flat_agreement(whole, context.targets, "ridge_test_"),
                **flat_agreement(pd.read_csv(folder / "generator_mean.csv"), context.targets, "generator_mean_test_"),
            },
            nan_ok=True,
        )
        assert message["final"]["ridge_test_plcc_fitted"] > 0.3
        reasons = pd.read_csv(folder / REASONS, index_col="baseline")["reason"]
        assert "prompt_mean" in reasons and not (folder / "prompt_mean.csv").exists()


class LookUp:
    """Encoders that know the made features by an image's grey and by a prompt's number."""

    tensors = MadeFeatures({}, {}).tensors()


class MadeImages(LookUp, ImageEncoder):
    identity = "made image 1"  # type: ignore[assignment]
    shapes = {"statistics": SHAPES["image.statistics"], "row": (1,)}

    def preprocess(self, image: Image.Image) -> np.ndarray:
        return np.full((3, 1, 1), image.convert("L").getpixel((0, 0)), np.uint8)

    def encode(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = pixels[:, 0, 0, 0].long()
        return {"statistics": self.tensors["image.statistics"][rows].float(), "row": rows[:, None].float()}


class MadePrompts(LookUp, PromptEncoder):
    identity = "made prompt 1"  # type: ignore[assignment]

    def encode(self, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        rows = torch.tensor([int(prompt.split()[1]) for prompt in prompts])
        return {"embedding": self.tensors["prompt.embedding"][rows].float()}


class MadeBoth(LookUp, ComposedEncoder):
    identity = "made image_prompt 1"  # type: ignore[assignment]
    needs = ("image.row",)

    def shapes_for(self, image, prompt):
        return {"embedding": SHAPES["image_prompt.embedding"]}

    def compose(self, image, prompt):
        return {"embedding": self.tensors["image_prompt.embedding"][image["row"][:, 0].long()].float()}


class SeenTogether(LookUp, JointEncoder):
    identity = MadeBoth.identity
    shapes = {"embedding": SHAPES["image_prompt.embedding"]}
    preprocess = MadeImages.preprocess

    def encode(self, pixels, prompts):
        rows = pixels[:, 0, 0, 0].long()
        assert [row // PER_PROMPT for row in rows.tolist()] == [int(prompt.split()[1]) for prompt in prompts]
        return {"embedding": self.tensors["image_prompt.embedding"][rows].float()}


@pytest.fixture
def made_encoders(monkeypatch):
    kinds = {"made_image": MadeImages, "made_prompt": MadePrompts, "made_image_prompt": MadeBoth}
    monkeypatch.setattr("models.encoders.build_encoder", lambda name: kinds[name]())


@pytest.fixture
def confirmed(context, monkeypatch) -> Path:
    """A confirm run whose prompts each have an embedding of their own, as the encoder gives them."""
    tensors = MadeFeatures({}, {}).tensors()
    tensors["prompt.embedding"] = tensors["prompt.embedding"][torch.arange(ROWS) // PER_PROMPT]
    monkeypatch.setattr(MadeFeatures, "tensors", lambda self: tensors)
    finish(start(make_job(5, test=True), context))
    return context.trials / "confirm-0005"


class TestScorer:
    def test_saved_model_returns_the_same_scores(self, confirmed, made_encoders, tmp_path):
        table = pd.read_csv(confirmed / PREDICTIONS)
        rows = [int(name[:3]) for name in table["name"]]
        images = [tmp_path / name for name in table["name"]]
        for row, path in zip(rows, images, strict=True):
            Image.new("RGB", (2, 2), (row, row, row)).save(path)
        scored = load_scorer(confirmed / "model")(images, [f"prompt {row // PER_PROMPT}" for row in rows])
        np.testing.assert_allclose(scored["alignment"], table["predicted_alignment"], rtol=1e-5)
        assert list(scored["image"]) == [str(path) for path in images]

    def test_joint_encoder_receives_images_with_their_prompts(self, confirmed, made_encoders, tmp_path, monkeypatch):
        images = [tmp_path / f"{row}.png" for row in (3, 0, 9)]
        for path in images:
            Image.new("RGB", (2, 2), (int(path.stem),) * 3).save(path)
        prompts = [f"prompt {int(path.stem) // PER_PROMPT}" for path in images]
        composed = load_scorer(confirmed / "model")(images, prompts)
        kinds = {"made_image": MadeImages, "made_prompt": MadePrompts, "made_image_prompt": SeenTogether}
        monkeypatch.setattr("models.encoders.build_encoder", lambda name: kinds[name]())
        pd.testing.assert_frame_equal(load_scorer(confirmed / "model")(images, prompts), composed)

    def test_missing_weights_raise_a_sentence(self, confirmed, made_encoders, monkeypatch):
        def identity(self):
            raise MissingWeightsError("made", "a file", "made.pth", "no network")

        monkeypatch.setattr(MadePrompts, "identity", property(identity))
        with pytest.raises(ModelLoadError, match="weights of made are not on this machine"):
            load_scorer(confirmed / "model")

    def test_scorer_accepts_no_images(self, confirmed, made_encoders):
        scored = load_scorer(confirmed / "model")([], [])
        columns = ["image", "prompt", "alignment", "alignment_percentile", "reason"]
        marks = ["alignment_out_of_range", "prompt_unlike_training"]
        marks.insert(1, "image_unlike_training")
        assert list(scored.columns) == [*columns, *marks] and len(scored) == 0

    def test_scorer_refuses_unequal_numbers_of_prompts_and_images(self, confirmed, made_encoders):
        with pytest.raises(ValueError, match="1 images but 2 prompts"):
            load_scorer(confirmed / "model")(["a.png"], ["a", "b"])

    def test_other_encoders_are_refused(self, confirmed, made_encoders, monkeypatch):
        monkeypatch.setattr(MadePrompts, "identity", "made prompt 2")
        with pytest.raises(ModelLoadError, match="prompt encoder is not the one"):
            load_scorer(confirmed / "model")

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: (folder / "model.json").unlink(),
            lambda folder: (folder / "model.json").write_text("{", encoding="utf-8"),
            lambda folder: (folder / "model.json").write_text("{}", encoding="utf-8"),
            lambda folder: (folder / "model.json").write_text('{"schema_version": 99}', encoding="utf-8"),
            lambda folder: (folder / "model.safetensors").unlink(),
            lambda folder: (folder / "model.safetensors").write_bytes(b"torn"),
        ],
    )
    def test_damaged_folder_is_refused_in_a_sentence(self, confirmed, made_encoders, damage):
        damage(confirmed / "model")
        with pytest.raises(ModelLoadError, match="holds no model that can be read"):
            load_scorer(confirmed / "model")

    def test_model_folder_contains_no_code(self, confirmed):
        assert {path.suffix for path in (confirmed / "model").iterdir()} == {".json", ".safetensors"}


def test_job_repeats_its_result_from_its_folder(context):
    """Report a confirm run's result again after its worker died."""
    first = finish(start(make_job(5, test=True), context))[-1]
    again = TrainingJob(make_job(5, test=True), context).step()
    assert again["outcome"] == "complete" and again["final"] == first["final"]
