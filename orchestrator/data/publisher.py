"""Publisher of a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """The publisher of a data set, and whether a program may download it.

    Attributes:
        page: where people find it, for example "GitHub, lcysyzxdxc/AGIQA-3k-Database".
        licence: as its page states it.
        hub: the data set on the Hugging Face hub, if the images are there and the licence allows the download.
        also: files to add by hand after the download, in one sentence.
    """

    page: str
    licence: str
    hub: str | None = None
    also: str = ""
