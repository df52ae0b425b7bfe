import pytest

from orchestrator.tracking.model_digest import folder_digest


def _write(folder, **files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_equal_folders_have_the_same_digest_anywhere(tmp_path):
    one = _write(tmp_path / "one", a="1", b="2")
    other = _write(tmp_path / "other" / "place", b="2", a="1")
    assert folder_digest(one) == folder_digest(other)


@pytest.mark.parametrize("files", [{"a": "1", "b": "3"}, {"a": "1"}, {"a": "1", "c": "2"}, {"a": "2", "b": "1"}])
def test_a_changed_byte_name_or_file_changes_the_digest(tmp_path, files):
    before = folder_digest(_write(tmp_path / "one", a="1", b="2"))
    assert folder_digest(_write(tmp_path / "other", **files)) != before


def test_an_empty_or_missing_folder_has_no_digest(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError):
            folder_digest(folder)
