"""Probe of the storage: write, read and remove an object, in a process that can be stopped."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable

if __name__ == "__main__":
    url = sys.stdin.read()
    if "://" not in url and not Path(url).is_dir():  # a sweep would create it, even below an unmounted disk
        sys.exit("the folder does not exist")
    try:
        ObjectStore(url).check()
    except ObjectStoreUnavailable as error:
        sys.exit(" ".join(str(error).split())[:300])
