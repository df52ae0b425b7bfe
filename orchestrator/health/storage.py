"""Writes, reads and removes a file where checkpoints would go; a process of its own, as a store may never answer."""

from __future__ import annotations

import sys
from uuid import uuid4


def try_out(place: str) -> None:
    """Raises whatever goes wrong.

    Args:
        place: a folder, or a URI such as `s3://bucket/folder`.
    """
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(place) if "://" in place else (fs.LocalFileSystem(), place)
    file = f"{path.rstrip('/')}/.hyperassess-{uuid4().hex}"
    with system.open_output_stream(file) as stream:
        stream.write(b"doctor")
    try:
        with system.open_input_stream(file) as stream:
            if stream.read() != b"doctor":
                raise OSError("what was written is not what is read")
    finally:
        system.delete_file(file)


if __name__ == "__main__":
    try:
        try_out(sys.stdin.read())
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
