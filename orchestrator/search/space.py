"""Search spaces: a validated YAML file per variant, from which Optuna samples configurations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from orchestrator.core.errors import InputError, reason
from orchestrator.core.validation_reason import first_reason, shown
from orchestrator.core.yaml_reader import read_yaml
from orchestrator.search.conditions import check_conditions, without_removed
from orchestrator.search.corners import corner_values
from orchestrator.search.fixed_values import TAGS, TrainingValue, Value
from orchestrator.search.optuna_internals import contains
from orchestrator.search.parameters import Parameter, WidthsParameter

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

Section = Literal["model", "hypernet", "training", "backbone"]
SECTIONS: tuple[Section, ...] = ("model", "hypernet", "training", "backbone")
FINETUNE = "finetune"
"""Name of the shipped space whose values override a variant's if the backbone is fine-tuned."""


@dataclass(frozen=True)
class Configuration:
    """A point of a space: keyword arguments of the variant, of the training and, if fine-tuned, of the backbone."""

    model: dict[str, Any]
    training: dict[str, Any]
    backbone: dict[str, Any] = field(default_factory=dict)


class SearchSpace(BaseModel):
    """A search space in three sections, and a fourth if the backbone is fine-tuned.

    - `model` is for the target net and its inputs.
    - `hypernet` is for the net that generates the weights; the control has none.
    - `training` is for the optimiser, the loss and the batches.
    - `backbone` is for the training of the image encoder.

    A value that is not a mapping is fixed. In `training`, so is a mapping of names to numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: dict[str, Value] = {}
    hypernet: dict[str, Value] = {}
    training: dict[str, TrainingValue] = {}
    backbone: dict[str, Value] = {}

    @field_validator(*SECTIONS, mode="before")
    @classmethod
    def _named_by_text(cls, section: Any) -> Any:
        for name in section if isinstance(section, Mapping) else ():
            if not isinstance(name, str):
                raise ValueError(
                    f"the key {shown(name)} is not text: write it in quotes, as YAML reads on and yes as true"
                )
        return {} if section is None else section

    @model_validator(mode="after")
    def _consistent(self) -> SearchSpace:
        if sum(isinstance(value, WidthsParameter) for value in self.parameters().values()) > 1:
            raise ValueError("only one parameter of type widths is possible")
        seen: set[str] = set()
        flat: set[str] = set()
        for name, value in self.items():
            names = value.flat_names(name) if isinstance(value, Parameter) else {name}
            if repeated := flat & names:
                raise ValueError(f"{min(repeated)} appears twice")
            flat |= names
            if isinstance(value, Parameter) and (unknown := set(value.when) - seen):
                raise ValueError(f"{name}: its `when` names {', '.join(sorted(unknown))}, not a parameter above it")
            seen.add(name)
        return self

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield every name and its parameter or fixed value, in the order of the file."""
        for section in SECTIONS:
            yield from getattr(self, section).items()

    def parameters(self) -> dict[str, Parameter]:
        """Return the searched parameters by name, in the order of the file."""
        return {name: value for name, value in self.items() if isinstance(value, Parameter)}

    def fixed_at(self, params: Mapping[str, Any]) -> SearchSpace:
        """Return the space with each searched value fixed at that of Optuna's flat `params`.

        A parameter that does not exist with them stays as it is, and its condition is never met.

        Raises:
            InputError: a parameter is missing.
        """
        chosen = self.configuration(params, in_range=False)
        values = {**chosen.model, **chosen.training, **chosen.backbone}
        return SearchSpace(
            **{
                section: {name: values.get(name, value) for name, value in getattr(self, section).items()}
                for section in SECTIONS
            }
        )

    def without_hypernet(self) -> SearchSpace:
        """Return the control's space: the same without the keys of the hypernet, and what exists only with them."""
        training = {key: value for key, value in self.training.items() if not key.startswith("hypernet_")}
        kept: dict[str, dict[str, Any]] = {"model": self.model, "training": training, "backbone": self.backbone}
        removed = {*self.hypernet, *(set(self.training) - set(training))}
        return SearchSpace(**without_removed(kept, removed))

    def finetuning(self, overlay: SearchSpace) -> SearchSpace:
        """Return this space if it has a section `backbone`, else a copy whose values `overlay` overrides.

        Raises:
            InputError: a name is in two sections then.
        """
        if self.backbone:
            return self
        return _combined(**{section: getattr(self, section) | getattr(overlay, section) for section in SECTIONS})

    def frozen(self) -> SearchSpace:
        """Return the space without the section `backbone`."""
        return self.model_copy(update={"backbone": {}})

    def filled_from(self, shipped: SearchSpace) -> SearchSpace:
        """Return this space with fixed values for all that only the shipped space names: the defaults there.

        Raises:
            InputError: a name is in two sections then.
        """
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
        return _combined(**sections)

    def suggest(self, trial: BaseTrial) -> Configuration:
        """Suggest every value from `trial`, an Optuna trial or a `FixedTrial` with known parameters."""
        return self._walk(lambda name, parameter: parameter.suggest(trial, name))

    def configuration(self, params: Mapping[str, Any], in_range: bool = True) -> Configuration:
        """Return the configuration of Optuna's flat `params`.

        Args:
            params: by name.
            in_range: refuse numbers outside their ranges, which a trial may have that began before they changed.

        Raises:
            InputError: a parameter is missing or out of range.
        """
        from optuna.trial import FixedTrial

        trial = FixedTrial(dict(params))

        def known(name: str, parameter: Parameter) -> Any:
            try:
                with warnings.catch_warnings(action="ignore"):  # out of range is only a warning to Optuna
                    value = parameter.suggest(trial, name)
            except (ValueError, OverflowError) as error:
                raise InputError(f"These parameters do not fit the search space: {name}: {error}") from error
            for flat, distribution in trial.distributions.items() if in_range else ():
                if not contains(distribution, distribution.to_internal_repr(params[flat])):
                    raise InputError(f"These parameters do not fit the search space: {flat} is {params[flat]!r}.")
            return value

        return self._walk(known)

    def distributions_of(self, params: Mapping[str, Any]) -> dict[str, BaseDistribution] | None:
        """Return Optuna's distribution of each flat parameter of a configuration; None if it lies outside the space."""
        from optuna.trial import FixedTrial

        trial = FixedTrial(dict(params))
        try:
            with warnings.catch_warnings(action="ignore"):
                self.suggest(trial)
        except (ValueError, OverflowError):
            return None
        found = trial.distributions
        inside = all(contains(found[name], found[name].to_internal_repr(params[name])) for name in found)
        return found if inside and found.keys() == params.keys() else None

    def clamp(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return flat parameters with the allowed values of `params` and defaults for the rest.

        The second result is the number of values that are not allowed.
        """
        from orchestrator.search.clamped_trial import ClampedTrial

        trial = ClampedTrial(params, self.default_params())
        self._walk(lambda name, parameter: parameter.suggest(trial, name))
        return trial.params, len(set(params) - trial.kept)

    def default_params(self) -> dict[str, Any]:
        """Return the defaults as Optuna's flat parameters, for the first trial of a search."""
        params: dict[str, Any] = {}

        def default(name: str, parameter: Parameter) -> Any:
            params.update(parameter.flat_default(name))
            return parameter.default  # type: ignore[attr-defined]

        self._walk(default)
        return params

    def parameter_names(self) -> set[str]:
        """Return the names of all flat parameters that a trial of this space may have."""
        names: set[str] = set()
        for name, value in self.items():
            if isinstance(value, Parameter):
                names |= value.flat_names(name)
        return names

    def corners(self, largest: bool) -> Iterator[Configuration]:
        """Yield candidates for the smallest or largest model: numbers at their bounds, choices as `corner_values`."""
        for values in corner_values(self.parameters(), self.default_choices(), largest):
            yield self._walk(lambda name, parameter, values=values: values[name])

    def default_choices(self) -> dict[str, Any]:
        """Return the default of every parameter by name, also of those that do not exist with the others' defaults."""
        return {name: parameter.default for name, parameter in self.parameters().items()}  # type: ignore[attr-defined]

    def configuration_of(self, values: Mapping[str, Any]) -> Configuration:
        """Return the configuration of a value for every parameter by name, with widths as a list."""
        return self._walk(lambda name, parameter: values[name])

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


def load_space(source: str | Path, begun: bool = False) -> SearchSpace:
    """Load a space from a YAML file, or the shipped space of a variant by the variant's name.

    Args:
        source: the file or the name.
        begun: the file is of a sweep that has begun with it, perhaps under a version that checked less.

    Raises:
        InputError: the file is missing or wrong; the message names the file, the key and the reason.
    """
    path = _locate(source)
    try:
        content = read_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"There is no search-space file {path}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable as YAML: {reason(error)}.") from error
    try:
        space = SearchSpace.model_validate({} if content is None else content)
    except ValidationError as error:
        raise InputError(f"{path}: {space_reason(error)}") from error
    if not any(True for _ in space.items()):
        raise InputError(f"{path}: the space is empty, so there is nothing to search")
    if not begun and (wrong := check_conditions({section: getattr(space, section) for section in SECTIONS})):
        raise InputError(f"{path}: {wrong}")
    return space


def _combined(**sections: Any) -> SearchSpace:
    """Return a space made of two, whose names may collide."""
    try:
        return SearchSpace(**sections)
    except ValidationError as error:
        raise InputError(f"The search space does not fit the variant's: {space_reason(error)}.") from error


def _locate(source: str | Path) -> Path:
    if isinstance(source, Path):
        return source
    shipped = Path(str(files("search_spaces").joinpath(f"{source}.yaml")))
    return shipped if shipped.is_file() else _next_to_variant(source) or shipped


def has_space(variant: str) -> bool:
    """Return whether a variant has a search space: a shipped one, or a file next to the module of its plug-in."""
    return _locate(variant).is_file()


def _next_to_variant(variant: str) -> Path | None:
    """Return the place of the search space of a plug-in's variant, None if there is no such variant."""
    from models.registry import VARIANTS, variant_file

    return variant_file(variant).with_name(f"{variant}.yaml") if variant in VARIANTS else None


def space_reason(error: ValidationError) -> str:
    """Return pydantic's first error on a space as `section.entry: reason`."""
    text = first_reason(error, skipped={*TAGS, "float", "int", "categorical", "widths"})
    sections = f"a section; sections are {', '.join(SECTIONS)}"
    return text.replace("is not a key here", f"is not {sections}") if len(error.errors()[0]["loc"]) == 1 else text
