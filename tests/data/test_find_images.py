from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data.find_images import find_images


def test_the_folder_with_most_images_is_chosen(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_images("made", tmp_path, ["a", "b"], ["1.png", "2.png"]) == [
        str(tmp_path / "b" / name) for name in ("1.png", "2.png")
    ]


def test_names_that_no_file_can_have_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    names = ["1.png", "x" * 300 + ".png", "a\0b.png"]
    assert len(find_images("made", tmp_path, ["."], names)) == 3
    with pytest.raises(InputError, match="has none of the 2 images"):
        find_images("made", tmp_path, ["."], names[1:])
