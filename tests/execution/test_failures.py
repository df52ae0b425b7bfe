"""Classification of failures and the decisions after them."""

import errno
from dataclasses import replace
from functools import partial

import pytest
import torch

from orchestrator.cluster.unfit_node_errors import CodeMismatch, TrialDirNotVisible
from orchestrator.core.code_digest import code_digest
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.plugins import SharedPlugins
from orchestrator.execution import trainable
from orchestrator.execution.failures import (
    Failure,
    FailureKind,
    failure_from,
    kind_of,
    outcome_of,
)
from orchestrator.execution.retry_policy import RetryDecision, RetryPolicy
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_job, make_sweep_context

decide = RetryPolicy().decide


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
def test_exception_is_classified(error, kind):
    assert kind_of(error) is kind


def test_refused_allocation_of_torch_is_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert kind_of(caught.value) is FailureKind.MEMORY


def test_signature_is_the_last_line_of_the_traceback():
    try:
        {}["width"]
    except KeyError as error:
        failure = failure_from(error, 3)
    assert failure.signature == "KeyError: 'width'" and failure.epoch == 3 and "Traceback" in failure.text
    assert Failure.from_dict(failure.as_dict()) == failure


@pytest.mark.parametrize("kind", [FailureKind.ERROR, FailureKind.MEMORY])
def test_error_is_not_retried(kind):
    assert decide(failures(kind)) is RetryDecision.END


def test_transient_error_is_retried_but_not_the_same_twice():
    assert decide(failures(FailureKind.TRANSIENT)) is RetryDecision.RETRY
    assert decide(failures(FailureKind.TRANSIENT, FailureKind.TRANSIENT)) is RetryDecision.RETRY
    assert (
        decide(failures(FailureKind.TRANSIENT, FailureKind.DEATH, FailureKind.TRANSIENT, texts=["a", "b", "a"]))
        is RetryDecision.END
    )
    assert decide(failures(*[FailureKind.TRANSIENT] * 5)) is RetryDecision.END


def test_death_is_retried_unless_it_repeats_after_the_same_epoch():
    assert decide(failures(FailureKind.DEATH, FailureKind.DEATH, epochs=[1, 2])) is RetryDecision.RETRY
    twice = failures(FailureKind.DEATH, FailureKind.NODE_LOST, FailureKind.DEATH, epochs=[2, 2, 2])
    assert decide(twice) is RetryDecision.END and outcome_of(twice) is Outcome.INFEASIBLE
    many = failures(*[FailureKind.DEATH] * 6)
    assert decide(many) is RetryDecision.END and outcome_of(many) is Outcome.FAILED


def test_lost_node_is_retried_and_full_disk_stops_the_sweep():
    assert decide(failures(*[FailureKind.NODE_LOST] * 9, epochs=[1] * 9)) is RetryDecision.RETRY
    assert decide(failures(FailureKind.DISK)) is RetryDecision.STOP


def test_unavailable_object_store_stops_the_sweep_at_the_second_failure():
    away = [failure_from(ObjectStoreUnavailable("The storage s3://b does not answer: timeout"), 0)] * 2
    assert decide(away[:1]) is RetryDecision.RETRY and decide(away) is RetryDecision.STOP


def test_hang_is_retried_once():
    assert decide(failures(FailureKind.HANG)) is RetryDecision.RETRY
    twice = failures(FailureKind.HANG, FailureKind.DEATH, FailureKind.HANG)
    assert decide(twice) is RetryDecision.END and outcome_of(twice) is Outcome.FAILED


def test_node_without_the_folder_stops_the_sweep():
    failure = failure_from(TrialDirNotVisible("The node b does not see /sweeps/x/trials"), 0)
    assert decide([failure]) is RetryDecision.STOP and failure.signature.endswith("does not see /sweeps/x/trials")


def test_node_with_other_code_stops_the_sweep(tmp_path):
    steps = partial(trainable._start, make_job())
    with pytest.raises(CodeMismatch, match="is not that with which the sweep began") as raised:
        steps(replace(make_sweep_context(tmp_path), code="0" * 64))
    assert decide([failure_from(raised.value, 0)]) is RetryDecision.STOP
    for code in (None, code_digest()):
        steps(replace(make_sweep_context(tmp_path), code=code)).close()


def test_node_without_a_plugin_or_with_other_code_of_it_stops_the_sweep_and_no_trial(tmp_path):
    steps = partial(trainable._start, make_job())
    absent = SharedPlugins({"made_absent": "0" * 64}, str(tmp_path))
    with pytest.raises(CodeMismatch, match="The node .* lacks a plug-in: The plug-in made_absent is neither") as raised:
        steps(replace(make_sweep_context(tmp_path), plugins=absent))
    assert decide([failure_from(raised.value, 0)]) is RetryDecision.STOP
    assert not (tmp_path / "trials" / make_job().key).exists(), "the job has not begun"


def test_a_sweeps_setting_replaces_the_number_of_retries_of_a_kind():
    policy = RetryPolicy.from_setting(("death=0", "node_lost=2"))
    assert policy == RetryPolicy(death=0, node_lost=2)
    assert policy.decide(failures(FailureKind.DEATH)) is RetryDecision.END
    assert policy.decide(failures(*[FailureKind.NODE_LOST] * 3)) is RetryDecision.END
