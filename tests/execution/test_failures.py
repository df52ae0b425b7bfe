"""What is done about a failure."""

import errno
from dataclasses import replace
from functools import partial

import pytest
import torch

from orchestrator.core.code_digest import code_digest
from orchestrator.core.object_store import StorageAway
from orchestrator.execution import trainable
from orchestrator.execution.failures import (
    Failure,
    FolderUnseen,
    Kind,
    OtherCode,
    Verdict,
    failure_from,
    judge,
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
        (ValueError("no"), Kind.ERROR),
        (FileNotFoundError(errno.ENOENT, "no such file"), Kind.ERROR),
        (OSError(errno.ENOSPC, "full"), Kind.DISK),
        (StorageAway("The storage s3://b does not answer: timeout"), Kind.STORAGE),
        (OSError(errno.EDQUOT, "quota"), Kind.DISK),
        (OSError(errno.ESTALE, "stale file handle"), Kind.TRANSIENT),
        (ConnectionResetError("gone"), Kind.TRANSIENT),
        (TimeoutError("late"), Kind.TRANSIENT),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), Kind.TRANSIENT),
        (RuntimeError("size mismatch"), Kind.ERROR),
        (MemoryError(), Kind.MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), Kind.MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), Kind.MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), Kind.MEMORY),
    ],
)
def test_kinds(error, kind):
    assert kind_of(error) is kind


def test_an_allocation_that_torch_refuses_is_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert kind_of(caught.value) is Kind.MEMORY


def test_the_signature_is_what_the_traceback_ends_with():
    try:
        {}["width"]
    except KeyError as error:
        failure = failure_from(error, 3)
    assert failure.signature == "KeyError: 'width'" and failure.epoch == 3 and "Traceback" in failure.text
    assert Failure.from_dict(failure.as_dict()) == failure


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.MEMORY])
def test_what_would_come_again_is_not_tried_again(kind):
    assert judge(failures(kind)) is Verdict.END


def test_transient_errors_are_tried_again_but_not_the_same_twice():
    assert judge(failures(Kind.TRANSIENT)) is Verdict.RETRY
    assert judge(failures(Kind.TRANSIENT, Kind.TRANSIENT)) is Verdict.RETRY
    assert judge(failures(Kind.TRANSIENT, Kind.DEATH, Kind.TRANSIENT, texts=["a", "b", "a"])) is Verdict.END
    assert judge(failures(*[Kind.TRANSIENT] * 5)) is Verdict.END


def test_deaths():
    assert judge(failures(Kind.DEATH, Kind.DEATH, epochs=[1, 2])) is Verdict.RETRY
    twice = failures(Kind.DEATH, Kind.NODE_LOST, Kind.DEATH, epochs=[2, 2, 2])
    assert judge(twice) is Verdict.END and outcome_of(twice) is Outcome.INFEASIBLE
    many = failures(*[Kind.DEATH] * 6)
    assert judge(many) is Verdict.END and outcome_of(many) is Outcome.FAILED


def test_lost_machines_cost_nothing_and_a_full_disk_stops_the_sweep():
    assert judge(failures(*[Kind.NODE_LOST] * 9, epochs=[1] * 9)) is Verdict.RETRY
    assert judge(failures(Kind.DISK)) is Verdict.STOP


def test_a_storage_that_is_away_again_stops_the_sweep_and_ends_no_trial():
    away = [failure_from(StorageAway("The storage s3://b does not answer: timeout"), 0)] * 2
    assert judge(away[:1]) is Verdict.RETRY and judge(away) is Verdict.STOP


def test_a_hang_is_tried_once_more():
    assert judge(failures(Kind.HANG)) is Verdict.RETRY
    twice = failures(Kind.HANG, Kind.DEATH, Kind.HANG)
    assert judge(twice) is Verdict.END and outcome_of(twice) is Outcome.FAILED


def test_a_node_that_does_not_see_the_folder_stops_the_sweep_and_no_trial():
    failure = failure_from(FolderUnseen("The node b does not see /sweeps/x/trials"), 0)
    assert judge([failure]) is Verdict.STOP and failure.signature.endswith("does not see /sweeps/x/trials")


def test_a_node_with_other_code_stops_the_sweep_and_no_trial(tmp_path):
    steps = partial(trainable._steps, make_job())
    with pytest.raises(OtherCode, match="is not that with which the sweep began") as raised:
        steps(replace(make_task(tmp_path), code="0" * 64))
    assert judge([failure_from(raised.value, 0)]) is Verdict.STOP
    for code in (None, code_digest()):
        steps(replace(make_task(tmp_path), code=code)).close()
