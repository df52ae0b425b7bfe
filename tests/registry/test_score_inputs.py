from pathlib import Path

import pytest
from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.registry.score_inputs import read_requests


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "images"
    path.mkdir()
    for name in ("b.png", "a.JPG", "c.webp"):
        Image.new("RGB", (4, 4)).save(path / name)
    for name in ("notes.txt", ".hidden.png", "list.pdf"):
        (path / name).write_text("no image", encoding="utf-8")
    return path


def test_read_requests_returns_the_images_of_a_folder_by_name(folder):
    inputs = read_requests([folder], "a fox", None)
    assert [path.name for path in inputs.images] == ["a.JPG", "b.png", "c.webp"]
    assert inputs.prompts == ("a fox",) * 3 and inputs.criteria == ("",) * 3


def test_read_requests_keeps_the_order_of_images_and_folders(folder):
    inputs = read_requests([Path("gone.png"), folder], "a fox", "red")
    assert [path.name for path in inputs.images] == ["gone.png", "a.JPG", "b.png", "c.webp"]
    assert set(inputs.criteria) == {"red"}


def test_read_requests_reads_a_table_as_text_with_paths_relative_to_its_folder(folder):
    table = folder / "list.csv"
    table.write_text("image,prompt,criteria\nb.png,007,red\n/elsewhere/x.png,null,\n", encoding="utf-8")
    inputs = read_requests([table], None, None)
    assert inputs.images == (folder / "b.png", Path("/elsewhere/x.png"))
    assert inputs.prompts == ("007", "null") and inputs.criteria == ("red", "")


def test_read_requests_uses_the_given_prompt_for_a_table_without_prompts(folder):
    (folder / "list.csv").write_text("image\nb.png\na.JPG\n", encoding="utf-8")
    assert read_requests([folder / "list.csv"], "a fox", None).prompts == ("a fox",) * 2


def test_read_requests_may_leave_the_prompts_to_a_model_that_reads_none(folder):
    inputs = read_requests([folder / "b.png"], None, None, optional_prompts=True)
    assert inputs.prompts == ("",) and "Give --prompt" in inputs.lacks_prompts
    (folder / "list.csv").write_text("image\nb.png\n", encoding="utf-8")
    inputs = read_requests([folder / "list.csv"], None, None, optional_prompts=True)
    assert inputs.prompts == ("",) and "lacks prompt" in inputs.lacks_prompts


def test_read_requests_reads_a_table_as_excel_exports_it_and_says_so(folder):
    table = folder / "list.csv"
    table.write_bytes("Image;PROMPT;Criteria\r\n.\\b.png;ein grünes Haus;x\r\n;;\r\n".encode("cp1252"))
    inputs = read_requests([table], None, None)
    assert inputs.images == (folder / "b.png",) and inputs.prompts == ("ein grünes Haus",)
    assert inputs.notes[0] == 'Read as: separator ";", latin-1.' and "b.png as b.png" in inputs.notes[1]


def test_read_requests_keeps_a_url_as_it_is_written(folder):
    (folder / "list.csv").write_text("image,prompt\nhttps://example.com/x.png,a\nfile:///x/a.png,a\n", encoding="utf-8")
    assert read_requests([folder / "list.csv"], None, None).images == (
        "https://example.com/x.png",
        "file:///x/a.png",
    )


def test_read_requests_refuses_criteria_for_a_table_with_criteria(folder):
    (folder / "list.csv").write_text("image,prompt,criteria\nb.png,x,red\n", encoding="utf-8")
    with pytest.raises(InputError, match="omit --criteria"):
        read_requests([folder / "list.csv"], None, "blue")


def test_an_empty_folder_among_others_is_a_row_of_its_own(folder):
    (folder / "empty").mkdir()
    requests = read_requests([folder / "b.png", folder / "empty"], "a fox", None)
    assert requests.images == (folder / "b.png", folder / "empty")


def test_a_folder_shows_links_to_missing_files_and_no_folders(tmp_path):
    (tmp_path / "a.png").symlink_to("nothing")
    (tmp_path / "b.png").mkdir()
    (tmp_path / "c.avif").touch()
    requests = read_requests([tmp_path], "a fox", None)
    assert [image.name for image in requests.images] == ["a.png", "c.avif"]


def test_read_requests_reports_an_unreadable_folder(folder, monkeypatch):
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
        (None, ["empty"], "a fox", "has no images"),
        (None, ["gone.csv"], None, "There is no file"),
        ("image\nb.png\n", ["list.csv"], None, "lacks prompt"),
        ("picture,prompt\nb.png,x\n", ["list.csv"], None, "lacks image"),
        ("image,prompt\n", ["list.csv"], None, "has no rows"),
        ("image,prompt\nb.png,x\n", ["list.csv"], "a fox", "omit --prompt"),
    ],
)
def test_read_requests_refuses_wrong_input(folder, content, given, prompt, sentence):
    (folder / "empty").mkdir()
    if content is not None:
        (folder / "list.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        read_requests([folder / name for name in given], prompt, None)
