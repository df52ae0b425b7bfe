"""A cluster of hosts with networks and disks of their own. `make hosts` runs the same with times."""

import os
import subprocess
import sys

import pytest

from tests.multihost.sandbox import REPOSITORY, missing_tools, refusal
from tests.postgres import find_binaries

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture
def namespaces() -> None:
    """Programs and rights that the hosts need; CI must have the programs, but may refuse namespaces."""
    absent = missing_tools() + ([] if find_binaries() else ["postgresql"])
    if absent:
        told = f"not installed: {', '.join(absent)}"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    if why := refusal():
        pytest.skip(f"THE MULTI-HOST TEST DID NOT RUN: this machine allows no namespaces ({why})")


def test_sweep_across_hosts_loses_nothing(namespaces: None) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.multihost"], cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8"
    )
    print(told.stdout)
    assert told.returncode == 0, told.stdout + told.stderr
