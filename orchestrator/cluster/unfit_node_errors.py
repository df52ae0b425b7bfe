"""Errors of a node that cannot run a sweep's jobs: other code, or no view of the sweep's folder."""


class CodeMismatch(Exception):
    """A worker's machine has other code of this project than the driver's."""


class TrialDirNotVisible(Exception):
    """A worker's machine does not see the sweep's folder."""
