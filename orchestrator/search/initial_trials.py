"""First configurations of a search: those of a file, the best of earlier sweeps, the space's default."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.yaml_reader import read_yaml
from orchestrator.search.enumeration import configuration_key
from orchestrator.search.ledger_trial import best_of
from orchestrator.search.read_ledger import read_studies
from orchestrator.search.space import SearchSpace

WARM_TRIALS = 5
"""Number of an earlier sweep's best configurations that are tried again."""

Params = dict[str, Any]


@dataclass(frozen=True)
class InitialTrials:
    """Configurations by study, in order, as Optuna's flat parameters.

    They are enqueued and trained like any other. Finished trials of an earlier sweep are not added to the study, since
    their objectives belong to other code, data and splits.
    """

    search: tuple[Params, ...]
    control: tuple[Params, ...]

    def save(self, path: Path) -> None:
        """Save the configurations, so that the sweep can be resumed without the file and the earlier sweep."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> InitialTrials:
        """Load saved configurations."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(content["search"]), tuple(content["control"]))


def choose_initial_trials(
    variant: str,
    space: SearchSpace,
    control_space: SearchSpace | None,
    enqueued: Iterable[Params],
    warm_start: Iterable[str],
) -> tuple[InitialTrials, list[str]]:
    """Return the first configurations of both searches, and notes about them for the user.

    Args:
        variant: the searched variant.
        space: space of the variant.
        control_space: space of the control, if there is one.
        enqueued: checked configurations of a file.
        warm_start: folders of earlier sweeps of the same variant.

    Raises:
        InputError: an earlier sweep is of another variant, or none of its trials has a finite score.
    """
    enqueued, notes = list(enqueued), []
    spaces = {"search": space, **({"control": control_space} if control_space else {})}
    chosen = {study: _unique([_restrict(own, params) for params in enqueued]) for study, own in spaces.items()}
    if repeated := len(enqueued) - len(chosen["search"]):
        notes.append(f"{repeated} of the {len(enqueued)} enqueued configurations are there twice; each is tried once.")
    for folder in warm_start:
        earlier = Workspace(Path(folder))
        studies = _studies_of(earlier, variant)
        for study, own in spaces.items():
            best = [own.clamp(trial.params) for trial in best_of(studies.get(study, []), WARM_TRIALS)]
            chosen[study] = _unique([*chosen[study], *(params for params, _ in best)])
            if replaced := sum(count for _, count in best):
                notes.append(
                    f"{replaced} values of the {study}'s configurations of {earlier.name} are outside this space; "
                    "its defaults take their place."
                )
    for study, own in spaces.items():
        chosen[study] = _unique([*chosen[study], own.default_params()])
    return InitialTrials(tuple(chosen["search"]), tuple(chosen.get("control", ()))), notes


def _unique(configurations: list[Params]) -> list[Params]:
    """Return the configurations without those that are trained alike."""
    found: dict[Any, Params] = {}
    for params in configurations:
        found.setdefault(configuration_key(params), params)
    return list(found.values())


def _restrict(space: SearchSpace, params: Params) -> Params:
    names = space.parameter_names()
    return {name: value for name, value in params.items() if name in names}


def _studies_of(earlier: Workspace, variant: str) -> dict[str, Any]:
    spec = load_spec(earlier.spec)
    if spec.variant != variant:
        raise InputError(f"--warm-start {earlier.name}: it searched {spec.variant}, not {variant}.")
    studies = read_studies(earlier)
    if not best_of(studies.get("search", []), 1):
        raise InputError(
            f"--warm-start {earlier.name}: none of its trials has a finite score, so there is nothing to try."
        )
    return studies


def read_enqueued(path: Path | None, space: SearchSpace, source: str | None = None) -> tuple[Params, ...]:
    """Read the configurations of a YAML, JSON or CSV file (one per row); the space's defaults complete them.

    Args:
        path: the file; None for no configuration.
        space: the search space.
        source: beginning of a message about the file; `--enqueue PATH` by default.

    Raises:
        InputError: the file or a configuration is wrong; the message names it and the reason.
    """
    if path is None:
        return ()
    source = source or f"--enqueue {path}"
    return check_configurations(_content(path, source), space, source)


def check_configurations(content: Any, space: SearchSpace, source: str) -> tuple[Params, ...]:
    """Return configurations as Optuna's flat parameters, completed by the space's defaults.

    Args:
        content: a list of mappings.
        space: the search space.
        source: beginning of a message about them.

    Raises:
        InputError: a configuration is wrong.
    """
    if not isinstance(content, list) or not all(isinstance(params, dict) for params in content):
        raise InputError(f"{source}: expected a list of mappings, one a configuration.")
    known = space.parameter_names()
    configurations = []
    for number, given in enumerate(content):
        if unknown := {str(name) for name in given} - known:
            raise InputError(
                f"{source}: configuration {number} sets {', '.join(sorted(unknown))}, which the space "
                f"does not search; it searches {', '.join(sorted(known))}."
            )
        params = {**space.default_params(), **given}
        try:
            space.configuration(params)
        except InputError as error:
            raise InputError(f"{source}: configuration {number}: {error}") from error
        fitted, _ = space.clamp(params)  # "1e-3", which is text to YAML, becomes a number
        if unused := set(given) - set(fitted):
            raise InputError(
                f"{source}: configuration {number} sets {', '.join(sorted(unused))}, which it does not use: "
                f"it uses {', '.join(fitted)}."
            )
        configurations.append(fitted)
    return tuple(configurations)


def _content(path: Path, source: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return [_row(row) for row in csv.DictReader(text.splitlines())]
        return json.loads(text) if path.suffix.lower() == ".json" else read_yaml(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"{source} cannot be read: {reason(error)}.") from error


def _row(row: dict[str | Any, Any]) -> Params:
    """Return a row's cells by column, without empty ones, whose parameters keep their defaults."""
    if None in row:
        raise ValueError(f"a row has more cells than there are columns: {', '.join(row[None])}")
    return {name: _cell(cell) for name, cell in row.items() if cell}


def _cell(cell: str) -> Any:
    """Return a cell as a number or truth value if it looks like one, else as text."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(cell.strip().lower(), cell.strip())
