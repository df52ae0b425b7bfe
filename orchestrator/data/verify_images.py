"""Check that decodes every image of a data set once; the result is cached while file and decoder stay unchanged."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import reason
from orchestrator.data.cache_folder import cache_dir
from orchestrator.data.decode_image import decode_image, decoder_identity, image_digest
from orchestrator.data.image_bytes import UnusableFile, UnusableImage, read_image_file
from orchestrator.data.progress import Progress, silent

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageCheck:
    """Result for one image file.

    Attributes:
        digest: see `image_digest`; "" if it cannot be used.
        reason: why it cannot be used, such as "truncated" or "a folder"; None if it can.
        lasting: False if the file could not be read now, so that the next check has to try again.
    """

    digest: str = ""
    reason: str | None = None
    lasting: bool = True

    @property
    def row_reason(self) -> str | None:
        """Reason why the image's row is excluded, such as "truncated image" or "a folder"; None if it is not."""
        if self.reason is None or self.reason.startswith(("a ", "an ")):
            return self.reason
        return f"{self.reason} image"


_Known = dict[str, tuple[int, int, ImageCheck]]


def verify_images(paths: Sequence[Path], root: Path, progress: Progress = silent) -> list[ImageCheck]:
    """Decode every file once, in parallel; a file of known path, size and modification time is not read again.

    Another version of the decoder or of Pillow reads all files again.

    Args:
        paths: absolute paths, in the order of the answer.
        root: the data set's folder, which names the cache file of the results.
        progress: called for the images that had to be read.
    """
    cache_file = _cache_file(root)
    known = _read(cache_file)
    verdicts: dict[str, ImageCheck] = {}
    pending: list[tuple[str, int, int]] = []
    for path in dict.fromkeys(map(str, paths)):
        size, modified = _stat(path)
        kept = known.get(path)
        if size < 0:
            verdicts[path] = _verify(path)
        elif kept is not None and kept[:2] == (size, modified):
            verdicts[path] = kept[2]
        else:
            pending.append((path, size, modified))
    if pending:
        done = 0
        try:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                answers = pool.map(_verify, [path for path, _, _ in pending])
                for (path, size, modified), verdict in zip(pending, answers, strict=True):
                    verdicts[path] = verdict
                    if verdict.lasting:
                        known[path] = (size, modified, verdict)
                    done += 1
                    progress(done, len(pending), "checking images")
        finally:  # an interrupted check keeps what it has seen
            _write(cache_file, known)
    return [verdicts[str(path)] for path in paths]


def _verify(path: str) -> ImageCheck:
    try:
        content = read_image_file(Path(path))
        decode_image(content)
    except UnusableImage as unusable:
        logger.info("%s: %s (%r)", path, unusable, unusable.__cause__)
        return ImageCheck(reason=str(unusable), lasting=not isinstance(unusable, UnusableFile))
    return ImageCheck(digest=image_digest(content))


def _stat(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _cache_file(root: Path) -> Path:
    key = hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:16]
    return cache_dir() / "verified" / f"{key}.json"


def _read(path: Path) -> _Known:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["decoder"] != decoder_identity():
            return {}
        return {name: (size, time, ImageCheck(digest, why)) for name, size, time, digest, why in stored["images"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}  # a cache that cannot be read is an empty cache


def _write(path: Path, known: _Known) -> None:
    entries = [[name, size, modified, v.digest, v.reason] for name, (size, modified, v) in known.items()]
    try:
        write_file(path, json.dumps({"decoder": decoder_identity(), "images": entries}), concurrent=True)
    except OSError as error:  # the check works without its cache, and takes longer the next time
        logger.warning("The results of the check are not kept (%s): set HYPERASSESS_CACHE.", reason(error))
