"""Source files of this project and their digest, by which two hosts check that they run the same code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from orchestrator.core.module_shadowing import PACKAGES


def source_files() -> dict[str, Path]:
    """Return `package/path` → file of every package of this project, sorted by name."""
    found = {}
    for package in PACKAGES:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            for path in Path(place).rglob("*"):
                inside = path.relative_to(place)
                if path.is_file() and path.suffix in {".py", ".yaml"} and "__pycache__" not in inside.parts:
                    found[f"{package}/{inside.as_posix()}"] = path
    return dict(sorted(found.items()))


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the hexadecimal SHA-256 of named contents in their order."""
    code = hashlib.sha256()
    for name, content in files.items():
        code.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
    return code.hexdigest()


@cache
def code_digest() -> str:
    """Return the digest of the code that trains, as it was at the first call in this process.

    Search spaces do not count, since the driver reads them and sends the values drawn.
    """
    files = {name: path for name, path in source_files().items() if name.endswith(".py") and "/." not in name}
    return digest_of({name: path.read_bytes() for name, path in files.items() if not name.startswith("search_spaces/")})
