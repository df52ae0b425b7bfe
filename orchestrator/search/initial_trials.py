"""The configurations that a search begins with: those of a file, the best of earlier sweeps, the space's default."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import load_spec
from orchestrator.core.workspace import Workspace
from orchestrator.search.ledger_trial import best_of
from orchestrator.search.read_ledger import read_studies
from orchestrator.search.space import SearchSpace

WARM_TRIALS = 5
"""So many of an earlier sweep's best configurations are tried again."""

Params = dict[str, Any]


@dataclass(frozen=True)
class InitialTrials:
    """Configurations by study, in order, as Optuna's flat parameters.

    They are enqueued and trained like any other. An earlier sweep's finished trials are not added to the study as
    they are: every trial of a ledger is one that this sweep trained and has a run of in MLflow, and their
    objective is that of their own code, data and split.
    """

    search: tuple[Params, ...]
    control: tuple[Params, ...]

    def save(self, path: Path) -> None:
        """Writes them: a sweep goes on with them although the file or the earlier sweep is gone."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> InitialTrials:
        """Reads them back."""
        content = json.loads(path.read_text())
        return cls(tuple(content["search"]), tuple(content["control"]))


def choose_first(
    variant: str,
    space: SearchSpace,
    control_space: SearchSpace | None,
    enqueued: Iterable[Params],
    warm_start: Iterable[str],
) -> tuple[InitialTrials, list[str]]:
    """What comes first in both searches, and what there is to say about it.

    Args:
        variant: what is searched.
        space: of the variant.
        control_space: of the control, where there is one.
        enqueued: configurations of a file, checked.
        warm_start: folders of earlier sweeps of the same variant.

    Raises:
        InputError: an earlier sweep is of another variant or has no trial that ended well.
    """
    given, notes = list(enqueued), []
    spaces = {"search": space, **({"control": control_space} if control_space else {})}
    found = {study: [_own(own, params) for params in given] for study, own in spaces.items()}
    for folder in warm_start:
        earlier = Workspace(Path(folder))
        studies = _studies_of(earlier, variant)
        for study, own in spaces.items():
            best = [own.fitting(trial.params) for trial in best_of(studies.get(study, []), WARM_TRIALS)]
            found[study] += [params for params, _ in best if params not in found[study]]
            if left_out := sum(count for _, count in best):
                notes.append(
                    f"{left_out} values of the {study}'s configurations of {earlier.name} are outside this space; "
                    "its defaults take their place."
                )
    for study, own in spaces.items():
        default = own.default_params()
        if not warm_start or default not in found[study]:
            found[study].append(default)
    return InitialTrials(tuple(found["search"]), tuple(found.get("control", ()))), notes


def _own(space: SearchSpace, params: Params) -> Params:
    names = space.parameter_names()
    return {name: value for name, value in params.items() if name in names}


def _studies_of(earlier: Workspace, variant: str) -> dict[str, Any]:
    theirs = load_spec(earlier.spec)
    if theirs.variant != variant:
        raise InputError(f"--warm-start {earlier.name}: it searched {theirs.variant}, not {variant}.")
    studies = read_studies(earlier)
    if not best_of(studies.get("search", []), 1):
        raise InputError(f"--warm-start {earlier.name}: none of its trials has ended well, so there is nothing to try.")
    return studies


def read_enqueued(path: Path | None, space: SearchSpace) -> tuple[Params, ...]:
    """The configurations of a file (YAML, JSON or CSV, one a row), completed by the space's defaults.

    Raises:
        InputError: the file, the configuration and the reason.
    """
    if path is None:
        return ()
    content = _content(path)
    if not isinstance(content, list) or not all(isinstance(params, dict) for params in content):
        raise InputError(f"--enqueue {path}: expected a list of mappings, one a configuration.")
    known = space.parameter_names()
    configurations = []
    for number, given in enumerate(content):
        if strange := {str(name) for name in given} - known:
            raise InputError(
                f"--enqueue {path}: configuration {number} sets {', '.join(sorted(strange))}, which the space "
                f"does not search; it searches {', '.join(sorted(known))}."
            )
        params = {**space.default_params(), **given}
        try:
            space.configuration(params)
        except InputError as error:
            raise InputError(f"--enqueue {path}: configuration {number}: {error}") from error
        fitted, _ = space.fitting(params)  # "1e-3", which is text to YAML, becomes a number
        if unused := set(given) - set(fitted):
            raise InputError(
                f"--enqueue {path}: configuration {number} sets {', '.join(sorted(unused))}, which has no part in it: "
                f"it has {', '.join(fitted)}."
            )
        configurations.append(fitted)
    return tuple(configurations)


def _content(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".csv":
            return [_row(row) for row in csv.DictReader(text.splitlines())]
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, csv.Error) as error:
        raise InputError(f"--enqueue {path} cannot be read: {reason(error)}.") from error


def _row(row: dict[str | Any, Any]) -> Params:
    """A row's cells by column; an empty one leaves the parameter to its default."""
    if None in row:
        raise ValueError(f"a row has more cells than there are columns: {', '.join(row[None])}")
    return {name: _cell(cell) for name, cell in row.items() if cell}


def _cell(cell: str) -> Any:
    """A cell as the number or truth value it looks like, else as it is."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(cell.strip().lower(), cell.strip())
