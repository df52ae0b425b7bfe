from pathlib import Path

import pytest

from orchestrator.core.atomic_files import is_draft, replacing, write_file


@pytest.mark.parametrize("concurrent", [False, True])
def test_failed_write_leaves_the_earlier_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrent: bool
) -> None:
    path = tmp_path / "new" / "note.json"
    write_file(path, "first", concurrent=concurrent)

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no"):
        write_file(path, b"second", concurrent=concurrent)
    assert path.read_text(encoding="utf-8") == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["note.json"]


def test_reader_sees_the_earlier_content_until_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_file(path, "first")
    with replacing(path) as draft:
        draft.write_text("second", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "first" and is_draft(draft) and not is_draft(path)
    assert path.read_text(encoding="utf-8") == "second" and not draft.exists()


@pytest.mark.parametrize("name", [".last-9.safetensors.partial", "progress.draft", ".spec.yaml.draft"])
def test_drafts_of_this_and_of_the_earlier_version_are_known(name: str) -> None:
    assert is_draft(name)
