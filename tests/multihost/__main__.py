"""`python -m tests.multihost`: a cluster of hosts in network namespaces on this machine, with a log of each step."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from tests.multihost.sandbox import in_sandbox, missing_tools, refusal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.multihost", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the hosts' disks and logs")
    parser.add_argument("--inside", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return _inside(options.inside)
    if tools := missing_tools():
        print(f"{' and '.join(tools)} must be installed.", file=sys.stderr)
        return 2
    if why := refusal():
        print(f"No namespaces on this machine: {why}.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="hosts-", dir="/var/tmp"))  # every host has a /tmp of its own
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    try:
        return subprocess.run(in_sandbox([str(folder)])).returncode
    finally:
        print(f"Logs and disks are in {folder}.") if options.keep else shutil.rmtree(folder, ignore_errors=True)


def _inside(folder: Path) -> int:
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    from tests.multihost.story import Story, run_story

    try:
        run_story(folder, Story(lambda line: print(line, flush=True)))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
