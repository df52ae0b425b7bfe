"""Installed packages against the project's requirements, whose lower bounds exclude versions with published holes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.version import Version

from orchestrator.doctor.finding import Finding, fail, ok, warn

PROJECT = "hyperassess"


def check_packages(installed: Callable[[str], str | None] | None = None) -> list[Finding]:
    """Return a finding for each package that is missing or outside its range; one if there is none.

    Args:
        installed: returns a package's version, None if it is missing; by default, of this environment.
    """
    find = installed or _installed
    requirements = _requirements()
    if not requirements:
        said = f"{PROJECT} is not installed, so its requirements are unknown"
        return [warn("packages", said, "python -m pip install --editable . in its folder")]
    versions = [(requirement, find(requirement.name)) for requirement in requirements]
    unmet = [
        fail(
            "packages",
            f"{requirement.name} {number or 'is missing'}; required is {requirement}",
            f"python -m pip install '{requirement}'",
        )
        for requirement, number in versions
        if number is None or not requirement.specifier.contains(number, prereleases=True)
    ]
    return unmet or [ok("packages", f"all {len(versions)} requirements are met")]


def minimum_version(package: str) -> Version | None:
    """Return the lowest version of a package that the project accepts; None if it sets no bound."""
    for requirement in _requirements():
        if requirement.name == package:
            return max((Version(part.version) for part in requirement.specifier if part.operator == ">="), default=None)
    return None


def _requirements() -> list[Requirement]:
    """Return the requirements without those of extras."""
    try:
        found = [Requirement(text) for text in requires(PROJECT) or []]
    except PackageNotFoundError:
        return []
    return [
        requirement for requirement in found if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    ]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
