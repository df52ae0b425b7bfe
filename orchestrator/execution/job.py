"""Jobs of a sweep, their steps in a worker, and the reports that the worker returns."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Study = Literal["search", "control", "confirm"]
"""Studies of a sweep's ledger: the variant's search, its control's search, and the confirm runs."""

KEY_PREFIX: dict[Study, str] = {"search": "trial", "control": "control", "confirm": "confirm"}

_NAME = re.compile(rf"(?:({'|'.join(KEY_PREFIX.values())})[- ]?)?(\d{{1,9}})")


def job_key(study: Study, number: int) -> str:
    """Return the name of a trial's folder and of its run: `trial-0007`, `control-0003`, `confirm-0012`.

    Example:
        >>> job_key("search", 7)
        'trial-0007'
    """
    return f"{KEY_PREFIX[study]}-{number:04d}"


def parse_key(text: str) -> str | None:
    """Return the key of a run that a user names by number or by study and number; None for another text.

    Example:
        >>> parse_key("7"), parse_key("control-3"), parse_key("confirm 12"), parse_key("best")
        ('trial-0007', 'control-0003', 'confirm-0012', None)
    """
    found = _NAME.fullmatch(text.strip())
    return f"{found[1] or KEY_PREFIX['search']}-{int(found[2]):04d}" if found else None


@dataclass(frozen=True)
class Job:
    """Training of one configuration, or the baselines of one split.

    Attributes:
        study: its study in the ledger.
        number: the trial's number in that study.
        variant: a registered variant; empty for baselines.
        control_of: the compared variant, if `variant` is the control.
        model: keyword arguments of the variant.
        training: settings of the training.
        backbone: settings of `Finetuning`, if the sweep fine-tunes the backbone.
        split: index of the split it trains on.
        seed: of initialisation, batches and dropout.
        test: whether the test rows are scored at the end.
        source: key of the searched trial that a confirm run retrains.
    """

    study: Study
    number: int
    variant: str
    control_of: str | None
    model: dict[str, Any]
    training: dict[str, Any]
    split: int
    seed: int
    test: bool
    source: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    backbone: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of its folder and of its run: `trial-0007`, `control-0003`, `confirm-0012`."""
        return job_key(self.study, self.number)

    @property
    def title(self) -> str:
        """Name for tables and messages."""
        if not self.variant:
            return f"baselines, split {self.split}"
        if self.source:
            study, number = self.source.rsplit("-", 1)
            return f"confirm {study} {int(number)}, split {self.split}"
        return f"{KEY_PREFIX[self.study]} {self.number}"

    def as_config(self) -> dict[str, Any]:
        """Return the job as a configuration of a Tune trial."""
        return {"job": self.as_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Job:
        """Read the job from a configuration of a Tune trial."""
        return cls.from_dict(config["job"])

    def as_dict(self) -> dict[str, Any]:
        """Return the job for JSON: in a run's tag `job` and in Tune's configuration."""
        content = asdict(self)
        return {"of" if key == "control_of" else key: value for key, value in content.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Job:
        """Read what `as_dict` returned."""
        return cls(**{"control_of" if key == "of" else key: value for key, value in content.items()})


@dataclass(frozen=True)
class EpochReport:
    """Metrics of one epoch of a job, sent from worker to driver.

    Attributes:
        number: counted from 1.
        objective: mean validation SRCC over targets; NaN if it diverged or all its scores were the same.
        metrics: all metrics of the epoch, by name.
        seconds: time the worker spent on it, checkpoint included.
        time: seconds since 1970 when it ended.
        diverged: the loss or a prediction was not finite; the job ends here.
        place: tags of its host and device; empty if an earlier epoch of this worker has them.
    """

    number: int
    objective: float
    metrics: dict[str, float]
    seconds: float
    time: float
    diverged: bool = False
    place: dict[str, str] = field(default_factory=dict)


class JobRunner(Protocol):
    """A job that runs in steps, each of which returns a message for the controller."""

    @property
    def folder(self) -> Path:
        """Folder that the job writes to."""

    def step(self) -> dict[str, Any]:
        """Run a step; return a message with `epochs`, at the end `outcome` and `final`, and optional `notes`."""

    def close(self) -> None:
        """Release the job's folder; there is no further step."""
