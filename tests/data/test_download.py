import zipfile
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import list_datasets
from orchestrator.data.download import fetch_dataset
from orchestrator.data.registry import dataset_source


class Hub:
    """A hub in a dictionary; counts what it is asked for."""

    def __init__(self, repository: str, **files: bytes) -> None:
        self.repository, self.files = repository, files
        self.asked = 0

    def __call__(self, repository: str, folder: Path) -> None:
        assert repository == self.repository
        self.asked += 1
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def _zip(path: Path, **members: bytes) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


def test_a_data_set_is_copied_and_its_archives_are_unpacked_once(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "made.zip", **{"allimg/0.png": b"zero", "allimg/1.png": b"one"})
    hub = Hub("IntMeGroup/AIGCIQA2023", **{"allimg.zip": archive, "README.md": b"read me"})
    folder = tmp_path / "data" / "aigciqa2023"
    fetch_dataset("aigciqa2023", folder, hub)
    assert (folder / "allimg" / "1.png").read_bytes() == b"one"
    (folder / "allimg" / "1.png").write_bytes(b"mine")
    (folder / "allimg" / "0.png").unlink()
    fetch_dataset("aigciqa2023", folder, hub)
    assert hub.asked == 2
    assert (folder / "allimg" / "0.png").read_bytes() == b"zero"
    assert (folder / "allimg" / "1.png").read_bytes() == b"mine"


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    hub = Hub("strawhat/agiqa-3k", **{"images.zip": _zip(tmp_path / "made.zip", **{"../../escaped.png": b"x"})})
    fetch_dataset("agiqa3k", tmp_path / "data" / "agiqa3k", hub)
    assert {path.name for path in tmp_path.rglob("escaped.png")} == {"escaped.png"}
    assert not (tmp_path / "escaped.png").exists()


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="images.zip cannot be unpacked: .* fetch again"):
        fetch_dataset("agiqa3k", tmp_path / "data", Hub("strawhat/agiqa-3k", **{"images.zip": b"half"}))


def test_a_broken_network_is_one_sentence_with_the_other_way(tmp_path: Path) -> None:
    def broken(repository: str, folder: Path) -> None:
        raise ConnectionError("no route to host\nTraceback …")

    with pytest.raises(InputError, match="no route to host.* or take agiqa3k from GitHub, .* MIT") as refused:
        fetch_dataset("agiqa3k", tmp_path / "data", broken)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name, message",
    [
        ("agiqa1k", "take it from GitHub, lcysyzxdxc/AGIQA-1k-Database"),
        ("aigiqa20k", "take it from ModelScope, lcysyzxdxc/AIGCQA-30K-Image"),
        ("pku_aigiqa4k", "take it from GitHub, jiquan123/AIGIQA4K"),
        ("shapes", "nothing to fetch"),
        ("csv", "nothing to fetch"),
        ("agiqa", "did you mean agiqa"),
    ],
)
def test_what_is_not_fetched_says_where_it_is(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch_dataset(name, tmp_path / "data", lambda repository, folder: pytest.fail("nothing may be fetched"))


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        fetch_dataset("agiqa3k", tmp_path / "file", Hub("strawhat/agiqa-3k"))


def test_every_data_set_that_needs_a_folder_says_where_it_is_published() -> None:
    names = {spec.partition(":")[0].partition("[")[0] for spec in list_datasets()}
    published = {name for name in names if dataset_source(name) is not None}
    assert published == names - {"csv", "shapes"}
    assert all(dataset_source(name).licence for name in published)
