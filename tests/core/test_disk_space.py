"""Free disk space, and recognition of writes that found none."""

import errno
import os
import sqlite3

import pytest

from orchestrator.core.disk_space import DiskFull, format_bytes, free_bytes, is_disk_full


def caused(error: Exception, by: Exception) -> Exception:
    try:
        raise error from by
    except type(error) as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (DiskFull("the ledger"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (RuntimeError('I/O error: No space left on device (os error 28) at path "x"'), True),
        (caused(ValueError("outer"), OSError(errno.ENOSPC, "x")), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (OSError(errno.EACCES, "Permission denied"), False),
        (MemoryError("no"), False),
        (caused(ValueError("outer"), KeyError("inner")), False),
    ],
    ids=str,
)
def test_full_disk_is_recognised(error, full):
    assert is_disk_full(error) is full


def test_full_disk_check_ends_on_circular_causes():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_disk_full(one)


def test_free_bytes_of_a_folder(tmp_path):
    assert 0 <= free_bytes(tmp_path) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (812e6, "812 MB"), (3e15, "3000 TB")]
)
def test_format_bytes(size, words):
    assert format_bytes(size) == words
