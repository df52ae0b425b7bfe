"""Check that every text file is read and written with a named encoding, whatever the machine's locale is.

Ruff's PLW1514 sees only calls whose object it can infer. This check judges by the method's name.

    python .ci/check_encoding.py          list the calls without an encoding
    python .ci/check_encoding.py --fix    add encoding="utf-8" to them
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("orchestrator", "models", "search_spaces", "tests", "benchmarks", "docs", "docker", ".ci")

_TEXT_METHODS = {"read_text", "write_text"}
_OPENERS = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "TextIOWrapper"}
_TEXT_MODES = set("rwax+t")


def calls_without_encoding(source: str) -> Iterator[ast.Call]:
    """Yield the calls that read or write text with the locale's encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(keyword.arg in {"encoding", None} for keyword in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if (
            (name in _TEXT_METHODS and owner and not (name == "read_text" and node.args))
            or (name in _OPENERS and owner not in {"os", "tarfile"} and _opens_text(node, name, bool(owner)))
            or (name == "fdopen" and _opens_text(node, name, bool(owner)))
            or name == "FileHandler"
            or (owner == "subprocess" and _is_true(node, "text"))
        ):
            yield node


def _opens_text(node: ast.Call, name: str, method: bool) -> bool:
    """Return whether a call opens a file as text; without a mode only the built-in `open` is known to."""
    named = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    position = 0 if name in {"NamedTemporaryFile", "TemporaryFile"} or (method and name == "open") else 1
    mode = named[0] if named else node.args[position] if len(node.args) > position else None
    if mode is None:
        return name == "TextIOWrapper" or (name == "open" and not method)
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= _TEXT_MODES


def _is_true(node: ast.Call, argument: str) -> bool:
    values = [keyword.value for keyword in node.keywords if keyword.arg == argument]
    return any(isinstance(value, ast.Constant) and value.value is True for value in values)


def add_encoding(source: str) -> str:
    """Return the source with `encoding="utf-8"` as the last argument of every call that lacks it."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    ends = [(node.end_lineno or 0, node.end_col_offset or 0) for node in calls_without_encoding(source)]
    for number, column in sorted(ends, reverse=True):
        line = lines[number - 1]
        before = b"".join(lines[: number - 1]) + line[: column - 1]
        comma = b"" if before.rstrip().endswith((b"(", b",")) else b", "
        lines[number - 1] = line[: column - 1] + comma + b'encoding="utf-8"' + line[column - 1 :]
    return b"".join(lines).decode()


def main() -> int:
    """Check all files of Python, or fix them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fix", action="store_true", help="add the encoding")
    fix = parser.parse_args().fix
    found = 0
    for file in sorted(path for folder in FOLDERS for path in Path(folder).rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        calls = list(calls_without_encoding(source))
        found += len(calls)
        if fix and calls:
            file.write_text(add_encoding(source), encoding="utf-8")
        for call in calls if not fix else ():
            print(f'{file}:{call.lineno}: encoding is not named; write encoding="utf-8"')
    print(f"{found} calls without an encoding{' fixed' if fix else ''}")
    return 1 if found and not fix else 0


if __name__ == "__main__":
    raise SystemExit(main())
