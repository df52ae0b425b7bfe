"""Sentences about the result of a sweep, from the content of `result.json`."""

from __future__ import annotations

import math

from orchestrator.execution.cross_test_set import article
from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.reporting.claims import Status, bounds_text, status_of
from orchestrator.reporting.result_rows import Result

_VERDICTS = {
    Status.SHOWN: "is better than",
    Status.NOT_SHOWN: "cannot be distinguished from",
    Status.REFUTED: "is worse than",
}
"""Answer of an interval to the claim that one model is better than another → words for it."""


def title_line(result: Result) -> str:
    """Return the heading of the result table: variant, data set, targets and protocol."""
    marked = " — OPTIMISTIC: epochs and configurations were chosen on the test images"
    return (
        f"{result['variant']} on {result['dataset']}: {', '.join(result['targets'])} ({protocol_line(result)})"
        f"{marked if result['optimistic'] else ''}"
    )


def protocol_line(result: Result) -> str:
    """Return the protocol and the number of splits in a few words."""
    if not result["confirm"]:
        return f"protocol {result['protocol']}, split 0, not confirmed on test"
    return f"protocol {result['protocol']}, medians over {result['splits']} splits"


def cross_line(result: Result) -> str:
    """Return the heading of the table of a second data set; empty without one."""
    cross = result.get("cross")
    if not cross:
        return ""
    targets = cross["targets"]
    several = f", mean of {' and '.join(targets)}" if len(targets) > 1 else f", {targets[0]}"
    excluded = " and ".join(
        f"{count} that share {article(why.removeprefix('shared '))}"
        for why, count in cross["left_out"].items()
        if why.startswith("shared ")
    )
    return (
        f"The same on {cross['dataset']}{several}: {cross['images']} images of {cross['prompts']} prompts"
        f"{f', {excluded} with the training data excluded' if excluded else ''}; nothing was trained or chosen on it"
    )


def summary_line(result: Result) -> str:
    """Return the best configuration's figures in one sentence."""
    best = result["best"]
    if best is None:
        return "No trial has a finite score."
    part, figures = ("test", best["test"]) if best["test"] else ("validation", best["val"])
    srcc, plcc = ("–" if figures[name] is None else f"{figures[name]:.4f}" for name in ("srcc", "plcc"))
    return f"Best: trial {best['trial']}, {part} SRCC {srcc}, PLCC {plcc}."


def conclusions(result: Result) -> list[str]:
    """Return one sentence for each paired comparison and each baseline without figures."""
    best, exhausted = result["best"], result.get("exhausted_sentences", {}).values()
    if best is None:
        none = "No trial has a finite score, so there is nothing to report: see the outcomes above."
        return [none, *exhausted]
    sentences = []
    for comparison in result.get("comparisons", ()):
        against, difference, (low, high) = (comparison[key] for key in ("against", "srcc_difference", "interval"))
        if difference is None:
            continue
        name = "the control (plain_head)" if against == "control" else BASELINES.get(against, against)
        of = f" of {comparison['target']}" if len(result["targets"]) > 1 else ""
        verdict = _VERDICTS[status_of(*(math.nan if bound is None else bound for bound in (low, high)))]
        interval = f"paired 95 % interval {bounds_text(low, high)}"
        sentences.append(f"Trial {best['trial']} {verdict} {name}: test SRCC{of} {difference:+.4f}, {interval}.")
    for name, baseline in result.get("baselines", {}).items():
        if baseline.get("reason"):
            sentences.append(f"No figure for the {BASELINES.get(name, name)}: {baseline['reason']}.")
    return [*sentences, *exhausted]
