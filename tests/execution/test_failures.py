"""What is done about a failure."""

import errno
from dataclasses import replace
from functools import partial

import pytest
import torch

from orchestrator.cluster.node_errors import CodeMismatch, TrialDirNotVisible
from orchestrator.core.code_digest import code_digest
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.plugins import SharedPlugins
from orchestrator.execution import trainable
from orchestrator.execution.failures import (
    Failure,
    FailureKind,
    RetryDecision,
    decide_retry,
    failure_from,
    kind_of,
    outcome_of,
)
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_job, make_task


def failures(*kinds, epochs=None, texts=None):
    epochs = epochs or range(len(kinds))
    texts = texts or [f"error {n}" for n in range(len(kinds))]
    return [Failure(*values) for values in zip(kinds, epochs, texts, strict=False)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no"), FailureKind.ERROR),
        (FileNotFoundError(errno.ENOENT, "no such file"), FailureKind.ERROR),
        (OSError(errno.ENOSPC, "full"), FailureKind.DISK),
        (ObjectStoreUnavailable("The storage s3://b does not answer: timeout"), FailureKind.STORAGE),
        (OSError(errno.EDQUOT, "quota"), FailureKind.DISK),
        (OSError(errno.ESTALE, "stale file handle"), FailureKind.TRANSIENT),
        (ConnectionResetError("gone"), FailureKind.TRANSIENT),
        (TimeoutError("late"), FailureKind.TRANSIENT),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), FailureKind.TRANSIENT),
        (RuntimeError("size mismatch"), FailureKind.ERROR),
        (MemoryError(), FailureKind.MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), FailureKind.MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            FailureKind.MEMORY,
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            FailureKind.MEMORY,
        ),
    ],
)
def test_kinds(error, kind):
    assert kind_of(error) is kind


def test_an_allocation_that_torch_refuses_is_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert kind_of(caught.value) is FailureKind.MEMORY


def test_the_signature_is_what_the_traceback_ends_with():
    try:
        {}["width"]
    except KeyError as error:
        failure = failure_from(error, 3)
    assert failure.signature == "KeyError: 'width'" and failure.epoch == 3 and "Traceback" in failure.text
    assert Failure.from_dict(failure.as_dict()) == failure


@pytest.mark.parametrize("kind", [FailureKind.ERROR, FailureKind.MEMORY])
def test_what_would_come_again_is_not_tried_again(kind):
    assert decide_retry(failures(kind)) is RetryDecision.END


def test_transient_errors_are_tried_again_but_not_the_same_twice():
    assert decide_retry(failures(FailureKind.TRANSIENT)) is RetryDecision.RETRY
    assert decide_retry(failures(FailureKind.TRANSIENT, FailureKind.TRANSIENT)) is RetryDecision.RETRY
    assert (
        decide_retry(failures(FailureKind.TRANSIENT, FailureKind.DEATH, FailureKind.TRANSIENT, texts=["a", "b", "a"]))
        is RetryDecision.END
    )
    assert decide_retry(failures(*[FailureKind.TRANSIENT] * 5)) is RetryDecision.END


def test_deaths():
    assert decide_retry(failures(FailureKind.DEATH, FailureKind.DEATH, epochs=[1, 2])) is RetryDecision.RETRY
    twice = failures(FailureKind.DEATH, FailureKind.NODE_LOST, FailureKind.DEATH, epochs=[2, 2, 2])
    assert decide_retry(twice) is RetryDecision.END and outcome_of(twice) is Outcome.INFEASIBLE
    many = failures(*[FailureKind.DEATH] * 6)
    assert decide_retry(many) is RetryDecision.END and outcome_of(many) is Outcome.FAILED


def test_lost_machines_cost_nothing_and_a_full_disk_stops_the_sweep():
    assert decide_retry(failures(*[FailureKind.NODE_LOST] * 9, epochs=[1] * 9)) is RetryDecision.RETRY
    assert decide_retry(failures(FailureKind.DISK)) is RetryDecision.STOP


def test_a_storage_that_is_away_again_stops_the_sweep_and_ends_no_trial():
    away = [failure_from(ObjectStoreUnavailable("The storage s3://b does not answer: timeout"), 0)] * 2
    assert decide_retry(away[:1]) is RetryDecision.RETRY and decide_retry(away) is RetryDecision.STOP


def test_a_hang_is_tried_once_more():
    assert decide_retry(failures(FailureKind.HANG)) is RetryDecision.RETRY
    twice = failures(FailureKind.HANG, FailureKind.DEATH, FailureKind.HANG)
    assert decide_retry(twice) is RetryDecision.END and outcome_of(twice) is Outcome.FAILED


def test_a_node_that_does_not_see_the_folder_stops_the_sweep_and_no_trial():
    failure = failure_from(TrialDirNotVisible("The node b does not see /sweeps/x/trials"), 0)
    assert decide_retry([failure]) is RetryDecision.STOP and failure.signature.endswith("does not see /sweeps/x/trials")


def test_a_node_with_other_code_stops_the_sweep_and_no_trial(tmp_path):
    steps = partial(trainable._steps, make_job())
    with pytest.raises(CodeMismatch, match="is not that with which the sweep began") as raised:
        steps(replace(make_task(tmp_path), code="0" * 64))
    assert decide_retry([failure_from(raised.value, 0)]) is RetryDecision.STOP
    for code in (None, code_digest()):
        steps(replace(make_task(tmp_path), code=code)).close()


def test_node_without_a_plugin_or_with_other_code_of_it_stops_the_sweep_and_no_trial(tmp_path):
    steps = partial(trainable._steps, make_job())
    absent = SharedPlugins({"made_absent": "0" * 64}, str(tmp_path))
    with pytest.raises(CodeMismatch, match="The node .* lacks a plug-in: The plug-in made_absent is neither") as raised:
        steps(replace(make_task(tmp_path), plugins=absent))
    assert decide_retry([failure_from(raised.value, 0)]) is RetryDecision.STOP
    assert not (tmp_path / "trials" / make_job().key).exists(), "the job has not begun"
