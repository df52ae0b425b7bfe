"""Form of an MLflow run id; importing it does not load MLflow."""

import re

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def is_run_id(text: str) -> bool:
    """Return whether a text has the form of an MLflow run id, 32 hexadecimal digits."""
    return _RUN_ID.fullmatch(text) is not None
