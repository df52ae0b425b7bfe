import unicodedata
from pathlib import Path

import pytest

from orchestrator.data.image_paths import is_url, locate_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "img/b.png", "img/c.png", "other/c.png", "zürich.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "written, found",
    [
        ("a.png", "a.png"),
        ("img/b.png", "img/b.png"),
        ("img\\b.png", "img/b.png"),
        (".\\img\\b.png", "img/b.png"),
        ("C:\\Users\\me\\data\\img\\b.png", "img/b.png"),
        ("\\\\server\\share\\img\\b.png", "img/b.png"),
        ("/home/else/data/img/b.png", "img/b.png"),
        ("data/a.png", "a.png"),
        ("../elsewhere/a.png", "a.png"),
        (" a.png ", "a.png"),
        ('"a.png"', "a.png"),
        (unicodedata.normalize("NFD", "zürich.png"), "zürich.png"),
        ("/gone/gone.png", None),
        ("", None),
        ("x" * 5000, None),
        ("a\0.png", None),
    ],
)
def test_an_image_is_found_by_the_longest_end_of_its_path(folder: Path, written: str, found: str | None) -> None:
    (path,) = locate_images([written], folder).paths
    assert Path(path) == folder / (written if found is None else found)


def test_the_sentence_counts_images_that_were_found_elsewhere(folder: Path) -> None:
    located = locate_images(["a.png", "D:/x/img/b.png", "D:/x/img/c.png"], folder)
    assert located.sentence() == ("Found by the end of their paths: 2 images, such as D:/x/img/b.png as img/b.png.")
    assert locate_images(["a.png"], folder).sentence() is None


def test_one_file_is_not_the_answer_for_two_different_paths(folder: Path) -> None:
    located = locate_images(["/x/one/a.png", "/x/two/a.png"], folder)
    assert located.paths == ["/x/one/a.png", "/x/two/a.png"] and located.found_by_end == 0
    assert locate_images(["a.png", "/x/a.png"], folder).paths == [str(folder / "a.png"), "/x/a.png"]
    assert locate_images(["/x/a.png", "/x/a.png"], folder).paths == [str(folder / "a.png")] * 2


def test_urls_stay_as_they_are_written(folder: Path) -> None:
    urls = ["https://example.com/a.png", "s3://bucket/a.png", "file:///x/a.png"]
    assert locate_images(urls, folder).paths == urls and all(map(is_url, urls))
