from pathlib import Path

import pytest
from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.registry.score_inputs import read_requests


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "images"
    made.mkdir()
    for name in ("b.png", "a.JPG", "c.webp"):
        Image.new("RGB", (4, 4)).save(made / name)
    for name in ("notes.txt", ".hidden.png", "list.pdf"):
        (made / name).write_text("no image")
    return made


def test_a_folder_gives_its_images_by_name_and_one_prompt(folder):
    found = read_requests([folder], "a fox", None)
    assert [path.name for path in found.images] == ["a.JPG", "b.png", "c.webp"]
    assert found.prompts == ("a fox",) * 3 and found.criteria == ("",) * 3


def test_images_and_folders_together_keep_their_order(folder):
    found = read_requests([Path("gone.png"), folder], "a fox", "red")
    assert [path.name for path in found.images] == ["gone.png", "a.JPG", "b.png", "c.webp"]
    assert set(found.criteria) == {"red"}


def test_a_table_has_prompts_as_they_are_written_and_paths_of_its_own_folder(folder):
    table = folder / "list.csv"
    table.write_text("image,prompt,criteria\nb.png,007,red\n/elsewhere/x.png,null,\n")
    found = read_requests([table], None, None)
    assert found.images == (folder / "b.png", Path("/elsewhere/x.png"))
    assert found.prompts == ("007", "null") and found.criteria == ("red", "")


def test_a_table_without_prompts_takes_the_one_given(folder):
    (folder / "list.csv").write_text("image\nb.png\na.JPG\n")
    assert read_requests([folder / "list.csv"], "a fox", None).prompts == ("a fox",) * 2


def test_criteria_beside_a_column_of_them_are_said(folder):
    (folder / "list.csv").write_text("image,prompt,criteria\nb.png,x,red\n")
    with pytest.raises(InputError, match="leave out --criteria"):
        read_requests([folder / "list.csv"], None, "blue")


def test_a_folder_that_may_not_be_read_is_said(folder, monkeypatch):
    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(InputError, match=r"The folder .*images cannot be read: permission denied"):
        read_requests([folder], "a fox", None)


@pytest.mark.parametrize(
    ("content", "given", "prompt", "sentence"),
    [
        (None, [], "a fox", "nothing to score"),
        (None, ["b.png"], None, "Give --prompt"),
        (None, ["empty"], "a fox", "holds no image"),
        (None, ["gone.csv"], None, "There is no file"),
        ("image\nb.png\n", ["list.csv"], None, "lacks prompt"),
        ("picture,prompt\nb.png,x\n", ["list.csv"], None, "lacks image"),
        ("image,prompt\n", ["list.csv"], None, "has no rows"),
        ("image,prompt\nb.png,x\n", ["list.csv"], "a fox", "leave out --prompt"),
    ],
)
def test_what_cannot_be_scored_is_said(folder, content, given, prompt, sentence):
    (folder / "empty").mkdir()
    if content is not None:
        (folder / "list.csv").write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_requests([folder / name for name in given], prompt, None)
