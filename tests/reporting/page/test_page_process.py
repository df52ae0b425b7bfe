"""The process that writes the report page: its last page, its end with the driver, and that its death harms nothing."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.made_sweeps import make_sweep
from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.page import page_main
from orchestrator.reporting.page.page_process import PageProcess

pytestmark = pytest.mark.integration


def alive(process_id):
    return psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE


def test_a_killed_process_is_replaced_for_the_last_page(tmp_path):
    workspace = make_sweep(tmp_path / "mine", 2)
    page = PageProcess(workspace, cores=2)
    page.start()
    first = page.process_id
    os.kill(first, signal.SIGKILL)
    page.prepare_last_page()
    page.request_last_page({"best": None})
    assert page.wait() and page.process_id != first and not alive(page.process_id)
    assert "Finished, as of" in workspace.report_page.read_text(encoding="utf-8")
    assert (workspace.report / "search.png").is_file()


def test_a_prepared_process_writes_the_last_page(tmp_path):
    workspace = make_sweep(tmp_path / "mine", 6)
    page = PageProcess(workspace, cores=2)
    page.start()
    first = page.process_id
    page.prepare_last_page()
    page.request_last_page({"best": None})
    assert page.wait() and page.process_id == first
    assert "Finished, as of" in workspace.report_page.read_text(encoding="utf-8")
    assert (workspace.report / "importance.png").is_file()


def test_scikit_learn_and_pyplot_are_not_loaded_and_can_be_afterwards(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from orchestrator.core.sweep_folder import Workspace\n"
        "from orchestrator.reporting.page.load_libraries import load_libraries\n"
        "from orchestrator.reporting.page.page_main import write_finished\n"
        "load_libraries()\nwrite_finished(Workspace(Path(sys.argv[1])), {'best': None})\n"
        "assert not {'sklearn', 'matplotlib.pyplot', 'scipy.stats', 'torch'} & set(sys.modules)\n"
        "import matplotlib.pyplot, sklearn\n"
    )
    workspace = make_sweep(tmp_path / "mine", 12)
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


def test_a_page_that_cannot_be_written_is_reported(tmp_path):
    page = PageProcess(Workspace(tmp_path / "missing"), cores=2)
    page.start()
    page.request_last_page({})
    assert not page.wait()


def test_the_process_ends_with_the_driver(tmp_path):
    workspace = make_sweep(tmp_path / "mine", 1)
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from orchestrator.core.sweep_folder import Workspace\n"
        "from orchestrator.reporting.page.page_process import PageProcess\n"
        "page = PageProcess(Workspace(Path(sys.argv[1])), 2)\npage.start()\nprint(page.process_id, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    deadline = time.monotonic() + 30
    while alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(done.stdout)) and not workspace.report_page.exists()


def test_a_running_sweep_has_a_page_that_says_so(tmp_path):
    workspace = make_sweep(tmp_path / "mine", 1)
    page_main.write_running(workspace)
    text = workspace.report_page.read_text(encoding="utf-8")
    assert "Running, as of" in text and 'http-equiv="refresh"' in text
    with pytest.raises(InputError):
        page_main.write_running(Workspace(tmp_path / "missing"))
