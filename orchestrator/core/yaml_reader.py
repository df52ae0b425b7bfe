"""YAML as people write it: a key given twice is refused, and `1e-4` can be read as a number."""

from __future__ import annotations

import re
from typing import Any

import yaml

_EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)[eE][-+]?[0-9]+$")
"""Numbers that YAML 1.2 has and YAML 1.1, which PyYAML reads, takes for text."""


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key that a mapping has twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node."""
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                first = lines[key.value]
                where = f"line {line}" if first == line else f"lines {first} and {line}"
                raise ValueError(f"the key {key.value} is there twice, in {where}")
            lines[key.value] = line
        return super().construct_mapping(node, deep)


class _Exponents(_UniqueKeys):
    """Loader with unique keys that reads `1e-4` as a number."""


_Exponents.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read_yaml(text: str, exponents: bool = True) -> Any:
    """Return the content of a YAML text.

    Args:
        text: one document.
        exponents: read `1e-4` as a number, as YAML 1.2 does; else as text, as YAML 1.1 does.

    Raises:
        ValueError: the text is not valid YAML or has a key twice; the message has the line and the reason.

    Example:
        >>> read_yaml("lr: 1e-4")
        {'lr': 0.0001}
        >>> read_yaml("lr: 1, lr: 2")
        Traceback (most recent call last):
        ValueError: line 1: mapping values are not allowed here
    """
    try:
        return yaml.load(text, _Exponents if exponents else _UniqueKeys)
    except yaml.YAMLError as error:
        raise ValueError(_reason(error)) from error
    except RecursionError as error:
        raise ValueError("its lists or mappings are nested too deeply") from error
    except (OverflowError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _reason(error: yaml.YAMLError) -> str:
    """Return PyYAML's error as `line N: reason`, without the quoted text."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark or error.context_mark
        problem = f"{error.context or ''} {error.problem}" if error.problem.startswith("but ") else error.problem
        return f"line {mark.line + 1}: {problem.strip()}" if mark else problem
    return " ".join(str(error).split())
