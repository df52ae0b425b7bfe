import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.crops import Crop, pixels_for, place_crops, random_crops


def test_images_are_stored_with_room_for_crops() -> None:
    assert [pixels_for(crop) for crop in (64, 224, 384)] == [73, 256, 439]


@given(st.integers(1, 60), st.integers(0, 20), st.integers(1, 30))
def test_fixed_crops_begin_with_the_centre_and_stay_inside(crop: int, room: int, count: int) -> None:
    crops = place_crops(crop + room, crop, count)
    assert len(crops) == count and crops == place_crops(crop + room, crop, count)
    assert abs(2 * crops[0].top - room) <= 1 and crops[0].top == crops[0].left
    assert all(0 <= corner <= room for place in crops for corner in (place.top, place.left))


def test_many_fixed_crops_cover_the_image_evenly() -> None:
    crops = place_crops(256, 224, 25)
    assert len(set(crops)) == 25
    for corner in ("top", "left"):
        places = [getattr(place, corner) for place in crops]
        assert min(places) <= 3 and max(places) >= 28
        assert sum(places) / 25 == pytest.approx(16, abs=2.5)


def test_a_crop_is_a_window() -> None:
    pixels = torch.arange(2 * 3 * 5 * 5).view(2, 3, 5, 5)
    assert torch.equal(Crop(1, 2, 3)(pixels), pixels[:, :, 1:4, 2:5])


def test_random_crops_are_windows_of_their_images_and_follow_the_seed() -> None:
    pixels = torch.randint(256, (64, 3, 10, 10), dtype=torch.uint8)
    torch.manual_seed(3)
    found = random_crops(pixels, 8, flips=True)
    torch.manual_seed(3)
    assert torch.equal(found, random_crops(pixels, 8, flips=True))
    assert not torch.equal(found, random_crops(pixels, 8, flips=True))
    windows = [Crop(top, left, 8) for top in range(3) for left in range(3)]
    seen = set()
    for image, crop in zip(pixels, found, strict=True):
        fits = [(w.top, w.left, flip) for w in windows for flip in (False, True) if _same(w(image), crop, flip)]
        assert len(fits) == 1
        seen |= set(fits)
    assert len(seen) > 12, "all nine places, either way round"
    assert torch.equal(random_crops(pixels, 10, flips=False), pixels)


def test_a_crop_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="crops of 11 pixels do not fit into images of 10"):
        place_crops(10, 11, 1)


def _same(window: torch.Tensor, crop: torch.Tensor, flip: bool) -> bool:
    return torch.equal(window.flip(-1) if flip else window, crop)
