"""Published holes of the packages that sweeps stand on, and the version that closed each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from orchestrator.doctor.finding import Finding, fail, ok, warn


@dataclass(frozen=True)
class Advisory:
    """A hole.

    Attributes:
        package: of the package index.
        fixed: the first version without it.
        source: where it is published.
        what: it lets whom do, in a few words.
        reached: whether this project uses what is broken; where not, a warning is enough.
        since: the first version with it; None where all earlier ones have it.
    """

    package: str
    fixed: str
    source: str
    what: str
    reached: bool = True
    since: str | None = None


ADVISORIES = (
    Advisory("ray", "2.52.0", "CVE-2025-62593, GHSA-q279-jhrf-cc6v", "a web page that is visited runs code on Ray"),
    Advisory("ray", "2.54.0", "CVE-2026-27482, GHSA-q5fh-2hc8-f6rq", "a web page deletes jobs through the dashboard"),
    Advisory("ray", "2.56.0", "CVE-2026-57516, GHSA-hhrp-gw25-jr43", "a WebDataset that is read runs code", False),
    Advisory("mlflow", "3.15.0", "CVE-2026-64849, GHSA-7gwp-5pfp-969j", "anybody reads what the server can reach"),
    Advisory("torch", "2.6.0", "CVE-2025-32434", "a checkpoint runs code, weights_only or not"),
    Advisory("torch", "2.10.0", "CVE-2026-24747", "a checkpoint corrupts memory, weights_only or not"),
    Advisory("pillow", "12.1.1", "CVE-2026-25990", "a PSD image writes beyond its buffer", since="10.3.0"),
    Advisory("pillow", "12.2.0", "CVE-2026-40192", "a small FITS image fills the memory"),
    Advisory("transformers", "5.3.0", "CVE-2026-4372", "a model's configuration runs code when it is loaded"),
)


def check_packages(installed: Callable[[str], str | None] | None = None) -> list[Finding]:
    """A line for each hole of an installed package; one line where there is none.

    Args:
        installed: tells a package's version; by default, of this environment.
    """
    find = installed or _installed
    versions = {name: number for name in {one.package for one in ADVISORIES} if (number := find(name))}
    found = [_finding(one, versions[one.package]) for one in open_holes(versions.items())]
    shown = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    return found or [ok("packages", f"no hole known here of {shown}")]


def open_holes(versions: Iterable[tuple[str, str]]) -> list[Advisory]:
    """The holes that packages of these versions have."""
    from packaging.version import Version

    holes = []
    for package, text in versions:
        for one in ADVISORIES:
            since = Version(one.since) if one.since else None
            here = Version(text)
            if one.package == package and here < Version(one.fixed) and (since is None or here >= since):
                holes.append(one)
    return holes


def _finding(one: Advisory, found: str) -> Finding:
    said = f"{one.package} {found} has a known hole: {one.what} ({one.source})"
    mend = f"python -m pip install '{one.package}>={one.fixed}'"
    return (fail if one.reached else warn)("packages", said, mend)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
