"""Where a data set comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Who publishes a data set, and whether a program may fetch it.

    Attributes:
        page: where people find it, for example "GitHub, lcysyzxdxc/AGIQA-3k-Database".
        licence: as its page states it.
        hub: the data set on the Hugging Face hub, where the images are there and the licence lets them be fetched.
        also: what has to be added by hand after fetching, in one sentence.
    """

    page: str
    licence: str
    hub: str | None = None
    also: str = ""
