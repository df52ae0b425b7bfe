"""Description of a job's run in MLflow: tags to filter by, the file `provenance.json`, and the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.execution.machine_tags import device_name
from orchestrator.tracking.provenance import filter_tags, provenance, public_settings

if TYPE_CHECKING:
    from orchestrator.core.spec import SweepSpec
    from orchestrator.data import Split
    from orchestrator.execution.job import Job
    from orchestrator.execution.prepare import PreparedSweep


@dataclass(frozen=True)
class RunDetails:
    """Description of a job's run, in addition to its place in the sweep.

    Attributes:
        tags: tags that people filter runs by.
        provenance: content of the file `provenance.json`; empty for none.
        dataset: data of the event `dataset`; empty for none.
    """

    tags: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)


def run_details(
    spec: SweepSpec,
    data_hash: str,
    splits: Mapping[int, str],
    encoders: Mapping[str, str],
    device: str,
    datasets: Mapping[int, Mapping[str, Any]] | None = None,
) -> Callable[[Job], RunDetails]:
    """Return a function from a job to the description of its run.

    The provenance, with the sweep's space and splits, allows a rerun of the training.

    Args:
        spec: the sweep's settings.
        data_hash: hash of its data set.
        splits: index → hash of the split.
        encoders: kind → identity of the encoder, with its weights' hash.
        device: "cpu" or "cuda".
        datasets: index → data of the event `dataset`; None for none.
    """
    tags = {**filter_tags(), "device": device_name(device)}
    common = {
        **provenance(),
        "device": device_name(device),
        "data_hash": data_hash,
        **{f"encoder.{kind}": identity for kind, identity in encoders.items()},
    }
    settings = public_settings(spec)

    def details(job: Job) -> RunDetails:
        own = {"split_hash": splits[job.split], "job": job.as_dict(), "spec": settings}
        return RunDetails(tags, {**common, **own}, (datasets or {}).get(job.split, {}))

    return details


def dataset_event(prepared: PreparedSweep, split: Split) -> dict[str, Any]:
    """Return the data of the event `dataset` for a run that trains on a split of the sweep's data set."""
    spec, dataset = prepared.spec, prepared.dataset
    return {
        "name": dataset.name.replace("csv:", ""),
        "digest": dataset.data_hash,
        "rows": len(dataset),
        "source": str(spec.data_root or spec.dataset),
        "columns": [("image", "string"), ("prompt", "string"), *((target, "double") for target in prepared.targets)],
        "split": {
            "protocol": spec.protocol,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "quarantined": len(dataset.quarantined),
        },
    }
