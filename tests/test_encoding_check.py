"""`.ci/check_encoding.py`: text files are read and written with a named encoding."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_encoding", ROOT / ".ci" / "check_encoding.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("path.read_text()", 'path.read_text(encoding="utf-8")'),
        ('path.write_text("ü")', 'path.write_text("ü", encoding="utf-8")'),
        ('path.open("w", newline="")', 'path.open("w", newline="", encoding="utf-8")'),
        ("open(path)", 'open(path, encoding="utf-8")'),
        ('os.fdopen(1, "w")', 'os.fdopen(1, "w", encoding="utf-8")'),
        ("logging.FileHandler(log)", 'logging.FileHandler(log, encoding="utf-8")'),
        ("subprocess.run(a, text=True,\n)", 'subprocess.run(a, text=True,\nencoding="utf-8")'),
        ("a.write_text(b.read_text())", 'a.write_text(b.read_text(encoding="utf-8"), encoding="utf-8")'),
    ],
)
def test_a_call_without_an_encoding_is_found_and_fixed(check: ModuleType, before: str, after: str) -> None:
    assert check.add_encoding(before) == after
    assert not list(check.calls_without_encoding(after))


@pytest.mark.parametrize(
    "call",
    [
        'path.open("rb")',
        'open(path, "ab")',
        "os.open(path, os.O_RDONLY)",
        "Image.open(path)",
        "array.open()",
        'tarfile.open(path, "w")',
        'os.fdopen(1, "wb")',
        "path.open(*arguments, **options)",
    ],
)
def test_binary_files_and_other_openers_are_not_found(check: ModuleType, call: str) -> None:
    assert not list(check.calls_without_encoding(call))


def test_every_text_file_of_this_project_has_an_encoding(check: ModuleType) -> None:
    files = [path for folder in check.FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 400
    assert [path for path in files if list(check.calls_without_encoding(path.read_text(encoding="utf-8")))] == []
