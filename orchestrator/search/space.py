"""Search-space files: a YAML per variant, validated, walked by Optuna, by the dry run and by whoever reads it."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from orchestrator.core.errors import InputError
from orchestrator.search.optuna_internals import contains
from orchestrator.search.parameters import AnyParameter, Fixed, FixedByName, Parameter, WidthsParameter

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Section = Literal["model", "hypernet", "training", "backbone"]
SECTIONS: tuple[Section, ...] = ("model", "hypernet", "training", "backbone")
FINETUNE = "finetune"
"""Name of the shipped space that is laid over any variant's where the backbone is fine-tuned."""


@dataclass(frozen=True)
class Configuration:
    """One point of a space: keyword arguments for the variant, the training and, fine-tuned, the backbone."""

    model: dict[str, Any]
    training: dict[str, Any]
    backbone: dict[str, Any] = field(default_factory=dict)


class SearchSpace(BaseModel):
    """What a sweep may vary, in three sections, and a fourth where the backbone is fine-tuned.

    `model`: the target net and what feeds it; `hypernet`: what makes its weights, which the control, having no
    hypernet, goes without; `training`: optimiser, loss, batches; `backbone`: how the image encoder is trained. A
    value that is no mapping is held fixed, and in `training` a mapping of names to numbers is, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: dict[str, AnyParameter | Fixed] = {}
    hypernet: dict[str, AnyParameter | Fixed] = {}
    training: dict[str, AnyParameter | Fixed | FixedByName] = {}
    backbone: dict[str, AnyParameter | Fixed] = {}

    @model_validator(mode="after")
    def _consistent(self) -> SearchSpace:
        searched = [(name, value) for name, value in self.items() if isinstance(value, Parameter)]
        if not searched:
            raise ValueError("the space is empty: every value is fixed, so there is nothing to search")
        if sum(isinstance(value, WidthsParameter) for _, value in searched) > 1:
            raise ValueError("only one parameter of type widths is possible")
        seen: set[str] = set()
        flat: set[str] = set()
        for name, value in self.items():
            names = value.flat_names(name) if isinstance(value, Parameter) else {name}
            if twice := flat & names:
                raise ValueError(f"{min(twice)} appears twice")
            flat |= names
            if isinstance(value, Parameter) and (unknown := set(value.when) - seen):
                raise ValueError(f"{name}: its `when` names {', '.join(sorted(unknown))}, not a parameter above it")
            seen.add(name)
        return self

    def items(self) -> Iterator[tuple[str, AnyParameter | Fixed | FixedByName]]:
        """Every name and its parameter, in the order of the file."""
        for section in SECTIONS:
            yield from getattr(self, section).items()

    def without_hypernet(self) -> SearchSpace:
        """The control's space: the same, less the hypernet's own keys."""
        training = {key: value for key, value in self.training.items() if not key.startswith("hypernet_")}
        return SearchSpace(model=self.model, training=training, backbone=self.backbone)

    def finetuning(self, overlay: SearchSpace) -> SearchSpace:
        """Itself where it says how the backbone is trained, else with `overlay`'s values laid over its own."""
        if self.backbone:
            return self
        return SearchSpace(**{section: getattr(self, section) | getattr(overlay, section) for section in SECTIONS})

    def frozen(self) -> SearchSpace:
        """The same without the section that only a fine-tuned backbone has."""
        return self.model_copy(update={"backbone": {}})

    def filled_from(self, shipped: SearchSpace) -> SearchSpace:
        """This space, with the default of everything that only the shipped one names held fixed."""
        named = {name for name, _ in self.items()}
        default = shipped.configuration(shipped.default_params())
        known = {**default.model, **default.training}
        sections = {
            section: {
                **getattr(self, section),
                **{name: known[name] for name in getattr(shipped, section) if name in known and name not in named},
            }
            for section in SECTIONS
        }
        return SearchSpace.model_validate(sections)

    def suggest(self, trial: BaseTrial) -> Configuration:
        """Asks `trial` (a live Optuna trial, or a `FixedTrial` of known parameters) for every value."""
        return self._walk(lambda name, parameter: parameter.suggest(trial, name))

    def configuration(self, params: Mapping[str, Any]) -> Configuration:
        """The configuration that Optuna's flat `params` stand for; raises InputError where one is missing or out."""
        from optuna.trial import FixedTrial

        trial = FixedTrial(dict(params))

        def known(name: str, parameter: Parameter) -> Any:
            try:
                with warnings.catch_warnings(action="ignore"):  # out of range is only a warning to Optuna
                    value = parameter.suggest(trial, name)
            except ValueError as error:
                raise InputError(f"These parameters do not fit the search space: {name}: {error}") from error
            for flat, distribution in trial.distributions.items():
                if not contains(distribution, distribution.to_internal_repr(params[flat])):
                    raise InputError(f"These parameters do not fit the search space: {flat} is {params[flat]!r}.")
            return value

        return self._walk(known)

    def fitting(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """A configuration with those of `params` that this space allows, and how many of them it does not.

        The default stands in for what is missing or not allowed.
        """
        from orchestrator.search.clamped_trial import ClampedTrial

        trial = ClampedTrial(params, self.default_params())
        self._walk(lambda name, parameter: parameter.suggest(trial, name))
        return trial.params, len(set(params) - trial.taken)

    def default_params(self) -> dict[str, Any]:
        """The file's defaults as Optuna's flat parameters: the first trial of every search."""
        params: dict[str, Any] = {}

        def default(name: str, parameter: Parameter) -> Any:
            params.update(parameter.flat_default(name))
            return parameter.default  # type: ignore[attr-defined]

        self._walk(default)
        return params

    def parameter_names(self) -> set[str]:
        """Every flat parameter that a trial of this space may have."""
        names: set[str] = set()
        for name, value in self.items():
            if isinstance(value, Parameter):
                names |= value.flat_names(name)
        return names

    def corners(self, largest: bool) -> Iterator[Configuration]:
        """Candidates for the smallest or largest model: numbers at their end, every mix of the categories."""
        names = [name for name, value in self.items() if isinstance(value, Parameter)]
        ends = [value.ends()[largest] for _, value in self.items() if isinstance(value, Parameter)]
        for mix in itertools.product(*ends):
            values = dict(zip(names, mix, strict=True))
            yield self._walk(lambda name, parameter, values=values: values[name])

    def _walk(self, choose: Any) -> Configuration:
        chosen: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for section in SECTIONS:
            for name, value in getattr(self, section).items():
                if isinstance(value, Parameter):
                    if any(chosen.get(key) not in allowed for key, allowed in value.when.items()):
                        continue
                    chosen[name] = choose(name, value)
                else:
                    chosen[name] = value
                parts[section][name] = chosen[name]
        return Configuration({**parts["model"], **parts["hypernet"]}, parts["training"], parts["backbone"])


def load_space(source: str | Path) -> SearchSpace:
    """Reads a space from a YAML file, or the shipped one of a variant by the variant's name.

    Raises:
        InputError: with the file, the key and the reason, where the file is missing or wrong.
    """
    path = _locate(source)
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"There is no search-space file {path}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from error
    try:
        return SearchSpace.model_validate(content or {})
    except ValidationError as error:
        raise InputError(f"{path}: {first_reason(error)}") from error


def _locate(source: str | Path) -> Path:
    if isinstance(source, Path):
        return source
    return Path(str(files("search_spaces").joinpath(f"{source}.yaml")))


def first_reason(error: ValidationError) -> str:
    """The first thing pydantic found, as `key: reason` in one line."""
    first = error.errors()[0]
    inside_unions = {"float", "int", "categorical", "widths"}
    inside = [part for part in first["loc"][2:] if part not in inside_unions and "[" not in str(part)]
    key = ".".join(map(str, (*first["loc"][:2], *inside)))
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
