"""Choice of the configuration to promote, by validation only and on common ground."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core.cli_options import SWEEPS
from orchestrator.core.errors import InputError
from orchestrator.core.shown_commands import resume_command
from orchestrator.data.splits import keeps_test_apart
from orchestrator.registry.promotion.candidate import Arm, Candidate, best_of
from orchestrator.registry.promotion.compare_on_common_splits import common_ground, common_splits, difference
from orchestrator.registry.promotion.sweep_results import SweepResults
from orchestrator.training.bootstrap import Metric

_NAMED = 3
"""Number of other sweeps that the sentence about the choice names."""


@dataclass(frozen=True)
class Choice:
    """A chosen candidate, and the sweeps that it was not compared with.

    Attributes:
        candidate: the best configuration by validation.
        excluded: a sentence for each reason why sweeps were not compared.
    """

    candidate: Candidate
    excluded: tuple[str, ...] = ()


def choose(sweeps: Iterable[SweepResults], metric: Metric, study: Arm = "search") -> Choice | None:
    """Return the best configuration by validation, with the run of median validation score; None if there is none.

    Each sweep proposes its best configuration. Sweeps are compared only if data hash, protocol and targets are those of
    the newest; the others are excluded with a sentence. A protocol that validates on test
    images has scores that are too high. It is used only if there is no other; a gate then refuses it.

    Args:
        sweeps: finished sweeps of one variant, the newest first.
        metric: correlation that decides.
        study: the variant's configurations, or its control's.

    Raises:
        InputError: the sweeps have no common ground, or predictions are missing.
    """
    proposed = [one for results in sweeps if (one := best_of(results, metric, study)) is not None]
    if not proposed:
        return None
    newest = next((one for one in proposed if keeps_test_apart(one.results.spec.protocol)), proposed[0])
    compared: list[Candidate] = []
    excluded: dict[str, list[str]] = {}
    for one in proposed:
        if reason := difference(one.results, newest.results):
            excluded.setdefault(reason, []).append(one.results.name)
        else:
            compared.append(one)
    sentences = tuple(f"Not compared: {', '.join(names)} ({reason})." for reason, names in excluded.items())
    if len(compared) == 1:
        return Choice(newest, sentences)
    ground = common_ground(compared, metric)
    if ground is None:
        raise InputError(_no_common_ground(compared, metric))
    (value, best), *rest = sorted(zip(ground.values, compared, strict=True), key=_rank)
    others = ", ".join(f"{one.results.name} {number:.4f}" for number, one in rest[:_NAMED])
    others += f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
    sentence = f"Chosen by validation {metric.upper()} {ground.description}: {best.results.name} {value:.4f}; {others}."
    return Choice(replace(best, compared=sentence), sentences)


def _rank(pair: tuple[float, Candidate]) -> float:
    return -pair[0] if math.isfinite(pair[0]) else math.inf


def _no_common_ground(compared: list[Candidate], metric: Metric) -> str:
    """Return the sentence with the command that confirms the sweep with the fewest splits on those of the others."""
    most = max(one.results.spec.splits for one in compared)
    fewest = min(compared, key=lambda one: len(one.runs)).results
    names = " and ".join(one.results.name for one in compared[:3]) + (" and others" if len(compared) > 3 else "")
    number = len(common_splits(compared, metric))
    problem = f"{names} have {number} split{'' if number == 1 else 's'} in common, too few to compare"
    if fewest.spec.splits >= most:
        return f"{problem}: give --sweep."
    where = fewest.workspace.root.parent if fewest.workspace else SWEEPS.absolute()
    command = f"{resume_command(fewest.name, where)} --splits {most}"
    return f"{problem}. Confirm {fewest.name} on the same splits, or give --sweep: {command}"
