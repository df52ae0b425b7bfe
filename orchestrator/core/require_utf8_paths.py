"""Encoding of paths: UTF-8 in every locale, since Ray, Arrow and SQLite read paths as UTF-8."""

from __future__ import annotations

import os
import sys


def require_utf8_paths() -> None:
    """Restart this command in Python's UTF-8 mode if the locale has paths in another encoding.

    The terminal keeps its encoding. Child processes inherit the mode.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    if sys.stdout is not None:
        os.environ.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:replace")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
