from pathlib import Path

import pytest

from orchestrator.data.cache import cache_dir, write_atomically


def test_the_environment_chooses_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPERASSESS_CACHE", "here")
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("HYPERASSESS_CACHE")
    assert cache_dir().name == "hyperassess"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "note.json"
    write_atomically(path, "first")

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomically(path, "second")
    assert path.read_text() == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["note.json"]
