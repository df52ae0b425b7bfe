"""The code of this project as it runs here: its files, and a digest by which two hosts tell that theirs is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("models", "orchestrator", "search_spaces")


def source_files() -> dict[str, Path]:
    """`package/path` → file, of every package of this project that is imported here, by name."""
    found = {}
    for package in _PACKAGES:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            for path in Path(place).rglob("*"):
                inside = path.relative_to(place)
                if path.is_file() and path.suffix in {".py", ".yaml"} and "__pycache__" not in inside.parts:
                    found[f"{package}/{inside.as_posix()}"] = path
    return dict(sorted(found.items()))


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 of named contents in their order, hexadecimal."""
    code = hashlib.sha256()
    for name, content in files.items():
        code.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
    return code.hexdigest()


@cache
def code_digest() -> str:
    """The digest of the code that trains, as this process found it when it first asked.

    Search spaces are not of it: the driver reads them and sends what was drawn.
    """
    files = {name: path for name, path in source_files().items() if name.endswith(".py") and "/." not in name}
    return digest_of({name: path.read_bytes() for name, path in files.items() if not name.startswith("search_spaces/")})
