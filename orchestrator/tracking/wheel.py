"""Build a wheel of this project from the imported packages; works offline and from an editable install."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from orchestrator.core.code_digest import digest_of, source_files

_NEW_YEAR = (1980, 1, 1, 0, 0, 0)
_TAG = "py3-none-any"


def write_wheel(folder: Path) -> Path:
    """Write the wheel into an existing folder; return its path. The same code results in the same bytes.

    The wheel has no requirements, since scoring needs fewer packages than the project; a saved model lists its own.
    Its version ends in a hash of the code, which may differ from the released version.
    """
    from orchestrator import __version__

    files = {name: path.read_bytes() for name, path in source_files().items()}
    version = f"{__version__}+{digest_of(files)[:12]}"
    info = f"hyperassess-{version}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: hyperassess\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: hyperassess\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    )
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"hyperassess-{version}-{_TAG}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _NEW_YEAR)
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
