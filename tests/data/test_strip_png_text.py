import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from orchestrator.data.strip_png_text import is_png, without_text


def _png() -> bytes:
    text = PngInfo()
    text.add_text("a", "b" * 99)
    text.add_itxt("c", "d", zip=True)
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG", pnginfo=text, icc_profile=b"profile", exif=Image.Exif())
    return buffer.getvalue()


def test_text_and_profile_are_removed_and_the_pixels_stay():
    with Image.open(io.BytesIO(_png())) as before, Image.open(io.BytesIO(without_text(_png()))) as after:
        assert set(before.info) >= {"a", "c", "icc_profile"} and not set(after.info) & {"a", "c", "icc_profile"}
        assert np.array_equal(np.asarray(before), np.asarray(after))


def test_a_cut_off_file_keeps_what_it_has():
    content = _png()
    for length in range(8, len(content), 7):
        assert len(without_text(content[:length])) <= length


def test_a_file_without_text_stays_as_it_is():
    content = without_text(_png())
    assert is_png(content) and without_text(content) == content
