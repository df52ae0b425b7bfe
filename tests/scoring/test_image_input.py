import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.data.decode_image import UnusableImage
from orchestrator.scoring.image_input import image_name, open_image_input


@pytest.fixture
def path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "fox.png")
    return tmp_path / "fox.png"


def test_every_form_of_an_image_is_the_same_image(path):
    content, wanted = path.read_bytes(), np.asarray(open_image_input(path))
    text = base64.b64encode(content).decode()
    wrapped = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    with Image.open(path) as image:
        forms = [str(path), content, text, wrapped, f"data:image/png;base64,{text}", image, np.asarray(image)]
        for form in forms:
            assert np.array_equal(np.asarray(open_image_input(form)), wanted)


def test_a_sideways_photograph_in_memory_is_turned_as_its_file_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.linear_gradient("L").resize((40, 20)).save(tmp_path / "side.jpg", exif=exif)
    with Image.open(tmp_path / "side.jpg") as image:
        assert open_image_input(image).size == open_image_input(tmp_path / "side.jpg").size == (20, 40)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("https://example.org/fox.png", "URLs are not fetched"),
        ("gone.png", "missing"),
        (Path("gone.png"), "missing"),
        ("x" * 5000 + ".png", "missing"),
        ("a\0b.png", "unreadable"),
        (".", "a folder"),
        ("data:text/plain,fox", "not base64"),
        ("data:image/png;base64,@@@", "not base64"),
        (base64.b64encode(b"no image" * 20).decode(), "unreadable"),
        (b"", "unreadable"),
        (np.zeros((2, 2, 3)), "of float64"),
        (np.zeros((2, 2, 2), np.uint8), "not \\(H, W"),
        (np.zeros((0, 2), np.uint8), "empty"),
    ],
)
def test_unusable_images_have_a_reason(source, reason):
    with pytest.raises(UnusableImage, match=reason):
        open_image_input(source)


def test_a_broken_image_in_memory_has_a_reason(path):
    file = BytesIO()
    Image.effect_noise((64, 64), 90).save(file, "PNG")
    with Image.open(BytesIO(file.getvalue()[:2000])) as torn, pytest.raises(UnusableImage, match="truncated"):
        open_image_input(torn)


def test_a_path_names_itself_and_the_rest_has_a_number(path):
    text = base64.b64encode(path.read_bytes()).decode()
    named = [image_name(source, 7) for source in (path, str(path), "gone.png", text, f"data:,{text}", b"", np.zeros(1))]
    assert named == [str(path), str(path), "gone.png", *["image 7"] * 4]
