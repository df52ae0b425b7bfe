"""Section with pictures: the test images that the model missed most, and those that it ranks highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from orchestrator.core.errors import InputError
from orchestrator.reporting.page.ranked_images import ScoreAndRank, ScoredImage, best_ranked, worst_misses
from orchestrator.reporting.page.run_predictions import NoPredictions, RunPredictions, run_predictions
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.page.sweep_images import sweep_images
from orchestrator.reporting.page.thumbnail import thumbnail
from orchestrator.reporting.sweep_record import SweepRecord

BRING_BACK = "Put its files back where the sweep read them, or name its new folder with --data-root when you resume it."


def example_images(record: SweepRecord) -> Section | None:
    """Return the section with pictures; missing if there are no predictions, since an earlier section says so."""
    try:
        found = run_predictions(record)
    except NoPredictions:
        return None
    if found is None:
        return None
    groups = {"The worst misses": worst_misses(found), "The best ranked": best_ranked(found)}
    paths, sentences = _paths(record)
    html = "".join(_gallery(title, images, paths, found) for title, images in groups.items())
    if paths and (gone := html.count("<span class=gone>")):
        sentences = [
            f"{gone} of {sum(map(len, groups.values()))} pictures are missing: their files cannot be read now."
        ]
    by_mean = ", by the mean rank over the scores" if len(found.targets) > 1 else ""
    about = (
        "A miss is the difference between an image's predicted and its rated rank among the test images. "
        f"The best ranked have the highest predictions{by_mean}."
    )
    return Section("pictures", "Pictures", (about, *sentences), html=html)


def _paths(record: SweepRecord) -> tuple[dict[str, str], list[str]]:
    """Return name → path of the data set's images, or a sentence that says why there are none."""
    try:
        table = sweep_images(record).table
    except InputError as error:
        return {}, [f"The pictures are missing, since the data set cannot be read: {error} {BRING_BACK}"]
    return dict(zip(table["name"].astype(str), table["image"].astype(str), strict=True)), []


def _gallery(title: str, images: Sequence[ScoredImage], paths: Mapping[str, str], found: RunPredictions) -> str:
    tiles = "".join(_tile(image, paths.get(image.name), found) for image in images)
    return f'<h3>{escape(title)}</h3><div class="gallery">{tiles}</div>'


def _tile(image: ScoredImage, path: str | None, found: RunPredictions) -> str:
    picture = thumbnail(path) if path else None
    shown = (
        f'<img src="{picture}" alt="{escape(image.prompt or image.name)}">'
        if picture
        else "<span class=gone>The image file is missing.</span>"
    )
    several, images = len(image.scores) > 1, len(found.table)
    lines = [_line(score, images, f"{target}: " if several else "") for target, score in image.scores.items()]
    text = "".join(f"<span>{escape(line)}</span>" for line in lines)
    prompt = f"<q>{escape(image.prompt)}</q>" if image.prompt else ""
    return f"<figure>{shown}<figcaption>{prompt}{text}<small>{escape(image.name)}</small></figcaption></figure>"


def _line(score: ScoreAndRank, images: int, of: str) -> str:
    return (
        f"{of}MOS {score.rated:.2f} (rank {score.rated_rank:g}), predicted {score.predicted:.2f} "
        f"(rank {score.predicted_rank:g} of {images})"
    )
