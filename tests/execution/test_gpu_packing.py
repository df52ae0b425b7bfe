"""Number of trials that share a GPU: real trainings, measured on a simulated GPU."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import ray
import torch

from orchestrator.cluster.session import require_slots, slots_on
from orchestrator.core.errors import InputError
from orchestrator.execution import gpu_packing
from orchestrator.execution.gpu_memory_limit import CONTEXT_BYTES, limit_gpu_memory
from orchestrator.execution.gpu_packing import (
    GpuProbe,
    ResourceShare,
    pack,
    share_of,
    trials_per_gpu,
)
from orchestrator.execution.plan import Arm
from orchestrator.execution.resources import largest_jobs
from orchestrator.search.space import load_space
from tests.execution.contexts import make_sweep_context

GB = 10**9


def node(cpus: float, gpus: float = 0, alive: bool = True) -> dict:
    return {"Alive": alive, "Resources": {"CPU": cpus, **({"GPU": gpus} if gpus else {})}}


@pytest.mark.parametrize(
    ("peak", "cpus_per_gpu", "cpus", "concurrency", "wanted"),
    [
        (10 * GB, 16, None, None, 7),  # 72 GB of 80 are promised
        (8 * GB, 16, None, None, 9),
        (1 * GB, 16, None, None, 16),  # a CPU each
        (1 * GB, 16, 4.0, None, 4),
        (1 * GB, 16, 0.5, None, 32),
        (1 * GB, 16, None, 3, 3),
        (50 * GB, 16, None, None, 1),
        (79 * GB, 16, None, None, 1),  # it fits by itself, without a margin
        (1 * GB, 0.5, None, None, 1),
    ],
)
def test_trials_per_gpu_are_limited_by_memory_cpus_and_concurrency(peak, cpus_per_gpu, cpus, concurrency, wanted):
    assert trials_per_gpu(GpuProbe("H", 80 * GB, peak), cpus_per_gpu, cpus, concurrency) == wanted


def test_trial_that_does_not_fit_alone_is_not_packed():
    assert trials_per_gpu(GpuProbe("H", 80 * GB, 5 * GB, fits=False), 16, None, None) == 1


@pytest.mark.parametrize("per_gpu", [1, 3, 7, 9, 16])
def test_shares_fill_a_gpu_without_room_for_one_more(per_gpu):
    share = share_of(per_gpu, 16, None)
    assert slots_on([node(64, 2)], 1.0, share.gpus) == 2 * per_gpu
    assert share.cpus == 16 // per_gpu
    assert share_of(per_gpu, 16, 2.0).cpus == 2.0


def test_slots_are_counted_per_node_and_gpu():
    assert slots_on([node(3), node(3)], 2, 0) == 2
    assert slots_on([node(8, 4)], 1, 0.3) == 8
    assert slots_on([node(32, 4)], 1, 0.3) == 12
    assert slots_on([node(32, 4), node(32, 4, alive=False)], 1, 2) == 2
    with pytest.raises(InputError, match="asks for 3 CPUs and 0 GPUs; the cluster's largest node has 2 CPUs"):
        require_slots([node(2), node(2)], 3, 0)
    assert slots_on([node(2), node(2)], 3, 0) == 0


@pytest.fixture
def gpu(monkeypatch):
    """Simulated GPU of 80 GB, with 3 GB reserved by PyTorch and 1 GB by the rest of the process."""
    seen = SimpleNamespace(fraction=None, peak=3 * GB)
    fakes = {
        "get_device_properties": lambda index: SimpleNamespace(name="Made 80", total_memory=80 * GB),
        "max_memory_reserved": lambda: seen.peak,
        "memory_reserved": lambda: 2 * GB,
        "mem_get_info": lambda: (77 * GB, 80 * GB),
        "empty_cache": lambda: None,
        "set_per_process_memory_fraction": lambda fraction: setattr(seen, "fraction", fraction),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return seen


@pytest.fixture
def arms():
    return [
        Arm("search", "text_hyper", None, load_space("text_hyper"), None),  # type: ignore[arg-type]
        Arm("control", "plain_head", "text_hyper", load_space("plain_head"), None),  # type: ignore[arg-type]
    ]


def test_probe_trains_the_largest_model_of_every_search(gpu, arms, tmp_path, monkeypatch):
    context = make_sweep_context(tmp_path)
    jobs = largest_jobs(arms, context, seed=0)
    assert [job.variant for job in jobs] == ["text_hyper", "plain_head"]
    assert jobs[0].model["widths"] == [256, 256, 256]
    assert [(job.training["batch_size"], job.training["ema"]) for job in jobs] == [(128, 0.98)] * 2
    trained = []
    build = gpu_packing._short_training
    monkeypatch.setattr(
        gpu_packing, "_short_training", lambda context, job: (trained.append(job.variant), build(context, job))
    )
    assert gpu_packing.measure(context, jobs) == GpuProbe("Made 80", 80 * GB, 4 * GB)
    assert trained == ["text_hyper", "plain_head"]
    assert not list(context.trials.iterdir())  # the probe leaves no files


def test_probe_tries_the_least_and_the_most_frozen_backbone(arms, tmp_path):
    space = arms[0].space.model_copy(update={"backbone": load_space("finetune").backbone})
    jobs = largest_jobs([replace(arms[0], space=space)], make_sweep_context(tmp_path), seed=0)
    assert {job.backbone["frozen_parts"] for job in jobs} == {0, 4} and len(jobs) == 2


def test_probe_reports_a_model_that_does_not_fit(gpu, arms, tmp_path, monkeypatch):
    def too_large(context, job):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu_packing, "_short_training", too_large)
    context = make_sweep_context(tmp_path)
    assert not gpu_packing.measure(context, largest_jobs(arms, context, seed=0)).fits


@pytest.mark.parametrize(
    ("gpus", "wanted"), [(0.25, 0.25 - CONTEXT_BYTES / (80 * GB)), (0.01, 0.005), (1.0, None), (2.0, None)]
)
def test_trial_s_gpu_memory_is_limited_to_its_share(gpu, gpus, wanted):
    limit_gpu_memory(gpus)
    assert gpu.fraction == (None if wanted is None else pytest.approx(wanted))


class TestPack:
    """Resource choice on a simulated cluster with a simulated probe."""

    @pytest.fixture
    def cluster(self, monkeypatch):
        made = SimpleNamespace(nodes=[node(16, 1), node(4)], found=GpuProbe("Made 80", 80 * GB, 9 * GB), error=None)
        made.waits, made.cancelled = 0.0, []

        def probe(context, jobs):
            assert context.device == "cuda"
            return made.found

        def get(found):
            if made.error:
                raise made.error
            return found

        monkeypatch.setattr(ray, "nodes", lambda: made.nodes)
        monkeypatch.setattr(ray, "remote", lambda **_: lambda _: SimpleNamespace(remote=probe))
        monkeypatch.setattr(ray, "get", get)
        monkeypatch.setattr(ray, "wait", lambda calls, timeout: (calls, []) if made.waits < timeout else ([], calls))
        monkeypatch.setattr(ray, "cancel", lambda call, force: made.cancelled.append(call))
        return made

    def test_pack_returns_a_sentence_about_the_measurement(self, cluster, tmp_path):
        share, said = pack(make_sweep_context(tmp_path), [], None, None, print)
        assert share == ResourceShare(cpus=2.0, gpus=0.125)
        assert said == "The largest trial takes 9.0 GB of a Made 80 (80.0 GB): 8 trials a GPU, 2 CPUs each."

    def test_pack_uses_cpus_without_a_gpu(self, cluster, tmp_path):
        cluster.nodes = [node(4), node(8, 1, alive=False)]
        assert pack(make_sweep_context(tmp_path), [], None, None, print) == (
            ResourceShare(1.0, 0.0),
            "The cluster has no GPU: trials run on CPUs.",
        )

    def test_pack_reports_a_model_that_does_not_fit(self, cluster, tmp_path):
        cluster.found = replace(cluster.found, fits=False)
        share, said = pack(make_sweep_context(tmp_path), [], None, None, print)
        assert share.gpus == 1.0 and "does not fit in a Made 80" in said and "infeasible" in said

    def test_pack_refuses_with_a_hint_if_the_probe_fails(self, cluster, tmp_path):
        cluster.error = RuntimeError("no driver")
        with pytest.raises(InputError, match=r"the probe of a GPU failed \(.*no driver.*\); name a number"):
            pack(make_sweep_context(tmp_path), [], None, None, print)

    @pytest.mark.parametrize(("waits", "given_up"), [(30.0, False), (300.0, False), (3000.0, True)])
    def test_pack_reports_that_it_waits_and_then_refuses_if_no_gpu_is_free(self, cluster, tmp_path, waits, given_up):
        cluster.waits, said = waits, []
        if given_up:
            with pytest.raises(InputError, match="no GPU was free to measure the largest trial on; name a number"):
                pack(make_sweep_context(tmp_path), [], None, None, said.append)
        else:
            assert pack(make_sweep_context(tmp_path), [], None, None, said.append)[0].gpus == 0.125
        assert len(cluster.cancelled) == given_up and len(said) == (waits > 60)
