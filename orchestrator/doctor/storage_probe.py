"""Writes, reads and removes an object where a sweep would; a process of its own, as a store may never answer."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable

if __name__ == "__main__":
    url = sys.stdin.read()
    if "://" not in url and not Path(url).is_dir():  # a sweep would make it, be it for a disk that is not mounted
        sys.exit("there is no such folder")
    try:
        ObjectStore(url).check()
    except ObjectStoreUnavailable as error:
        sys.exit(" ".join(str(error).split())[:300])
