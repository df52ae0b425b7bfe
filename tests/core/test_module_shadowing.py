"""Import order: the working folder never comes before this project or the installed packages."""

import os
import subprocess
import sys

import pytest

from orchestrator.core.module_shadowing import (
    PACKAGES,
    ROOT,
    ProjectFinder,
    keep_order_in_subprocesses,
    working_folder_last,
)

pytestmark = pytest.mark.integration

LIBRARY = os.path.dirname(os.__file__)


@pytest.mark.parametrize("name", PACKAGES)
def test_finder_finds_packages_of_the_project_in_its_root(name):
    spec = ProjectFinder.find_spec(name)
    assert spec is not None and spec.origin == str(ROOT / name / "__init__.py")


def test_finder_ignores_other_modules_and_submodules():
    assert ProjectFinder.find_spec("json") is None
    assert ProjectFinder.find_spec("models", ["/elsewhere"]) is None


def test_working_folder_moves_behind_the_installed_packages():
    entries = ["/work folder", "/lib/python311.zip", LIBRARY, "/venv/lib/python3.11/site-packages"]
    assert working_folder_last(entries, "") == [*entries[1:], "/work folder"]


def test_folders_of_pythonpath_stay_in_front():
    entries = ["/cwd", "/given", LIBRARY, "/venv/site-packages"]
    assert working_folder_last(entries, f"/given{os.pathsep}/absent") == [
        "/given",
        LIBRARY,
        "/venv/site-packages",
        "/cwd",
    ]


def test_installed_packages_in_front_stay_there():
    """Ray puts the packages that it ships first."""
    entries = ["/venv/site-packages/ray/thirdparty_files", "/cwd", LIBRARY]
    assert working_folder_last(entries, "") == [entries[0], LIBRARY, "/cwd"]


def test_subprocesses_keep_the_order(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/given")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    keep_order_in_subprocesses()
    assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == "/given"
    assert "site-packages" in ROOT.parts or str(ROOT) in os.environ["PYTHONPATH"].split(os.pathsep)
    before = os.environ["PYTHONPATH"]
    keep_order_in_subprocesses()
    assert os.environ["PYTHONPATH"] == before


def test_programs_that_import_the_project_keep_their_own_order(tmp_path):
    (tmp_path / "program.py").write_text(
        "import sys; before = [*sys.path]; import orchestrator; print(before == sys.path)", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    assert done.stdout == "True\n", done.stderr


def test_modules_of_the_working_folder_shadow_nothing(tmp_path):
    for name in ("profile", "token", "ray", "torch", "pandas", "random", "models"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('own {name}.py')\n", encoding="utf-8")
    (tmp_path / "search_spaces").mkdir()
    program = "import profile, random, token, pandas, torch, ray, models, search_spaces"
    environment = {**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": ""}
    arguments = [sys.executable, "-m", "orchestrator.sweeps", "show", "made"]
    shown = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert (shown.returncode, shown.stderr) == (2, "Error: There are no sweeps in sweeps.\n")
    worker = f"import sys; sys.argv = ['default_worker.py']; sys.path.insert(0, {str(tmp_path)!r})"
    program = f"{worker}; import orchestrator.core.module_shadowing as s; s.put_project_first(); {program}"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
