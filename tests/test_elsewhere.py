"""Commands in other places: a folder copied to another host, odd working folders, an installed wheel."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.__main__ import COMMANDS
from tests.ratings import make_ratings

ROOT = Path(__file__).parents[1]
NAMES = [name for names in COMMANDS.values() for name in names]

REPORTED = '"op_code":7'
"""Text of Optuna's journal that marks the objective of an epoch."""

SHADOWS = ("models.py", "utils.py", "ray.py", "profile.py", "yaml.py", "typer.py", "torch.py", "tests.py")
"""Modules of the user that have the names of installed packages, or of ours."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def start(folder, *arguments, **environment):
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finish(folder, *arguments, timeout=300, **environment):
    """Run a command to its end and return what it prints."""
    process = start(folder, *arguments, **environment)
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, (arguments, (out + err)[-3000:])
    return out


def fill_with_shadows(folder):
    """Write folders and modules that would be imported in place of the project's and the libraries'."""
    for name in ("models", "search_spaces", "tests", "docs"):
        (folder / name).mkdir(parents=True)
        (folder / name / "notes.txt").write_text("of the user", encoding="utf-8")
    for name in SHADOWS:
        (folder / name).write_text(f"raise SystemExit('{name} of the working folder was imported')\n", encoding="utf-8")


@pytest.fixture(scope="module")
def ratings(module_folder):
    folder = module_folder / "ratings"
    folder.mkdir()
    make_ratings(folder)
    return folder / "ratings.csv"


@pytest.mark.parametrize("name", ["with blanks", "Bewertungen äöü", "评分数据"])
def test_commands_work_in_a_folder_with_any_name_and_foreign_modules(tmp_path, ratings, name):
    folder = tmp_path / name
    fill_with_shadows(folder)
    assert "Usage" in finish(folder, "orchestrator.sweep", "--help", PYTHONPATH="")
    arguments = ("orchestrator.sweep", "--dataset", f"csv:{ratings}", "--variant", "plain_head", "--dry-run", "--json")
    assert json.loads(finish(folder, *arguments, PYTHONPATH=""))


def test_a_foreign_package_on_pythonpath_is_not_imported(tmp_path, ratings):
    other = tmp_path / "other"
    (other / "models").mkdir(parents=True)
    (other / "models" / "__init__.py").write_text("raise SystemExit('foreign models')\n", encoding="utf-8")
    arguments = ("orchestrator.sweep", "--dataset", f"csv:{ratings}", "--variant", "plain_head", "--dry-run", "--json")
    assert json.loads(finish(tmp_path, *arguments, PYTHONPATH=str(other)))


def test_workers_import_the_project_in_a_folder_with_foreign_modules(tmp_path, ratings):
    folder = tmp_path / "Ordner mit Köpfen 头"
    fill_with_shadows(folder)
    arguments = ["orchestrator.sweep", "--dataset", f"csv:{ratings}", "--variant", "plain_head", "--name", "real"]
    arguments += ["--trials", "1", "--epochs", "1", "--confirm", "0", "--json"]
    found = json.loads(finish(folder, *arguments, timeout=600, PYTHONPATH=""))
    assert found["counts"]["complete"] == 1


@pytest.fixture(scope="module")
def installed(module_folder):
    """The project's wheel, built from a copy of the sources and installed into a folder of its own."""
    source, target = module_folder / "source", module_folder / "installed"
    for name in ("orchestrator", "models", "search_spaces"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    quiet = ("--quiet", "--no-index", "--no-deps")
    finish(source, "pip", "wheel", *quiet, "--no-build-isolation", "--wheel-dir", str(module_folder), ".")
    (wheel,) = module_folder.glob("hyperassess-*.whl")
    finish(source, "pip", "install", *quiet, "--no-compile", "--target", str(target), str(wheel))
    shutil.rmtree(source)
    return target


def test_installed_wheel_is_the_code_that_runs(installed, tmp_path):
    code = "import orchestrator, models, search_spaces; print(orchestrator.__file__, models.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout.split() == [str(installed / name / "__init__.py") for name in ("orchestrator", "models")]


def test_installed_commands_answer_in_an_empty_folder(installed, tmp_path):
    for name in NAMES:
        assert "Examples:" in finish(tmp_path, f"orchestrator.{name}", "--help", PYTHONPATH=str(installed))
    assert "text_hyper" in finish(tmp_path, "orchestrator.sweep", PYTHONPATH=str(installed))
    assert __version__ in finish(tmp_path, "orchestrator", "--version", PYTHONPATH=str(installed))
    script = subprocess.run(
        [str(installed / "bin" / "hyperassess"), "sweep", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert script.returncode == 0 and "Usage: hyperassess sweep" in script.stdout, script.stderr
    assert not list(tmp_path.iterdir())


def test_installed_commands_find_search_spaces_and_data(installed, tmp_path, ratings):
    checked = finish(tmp_path, "orchestrator.data", "check", f"csv:{ratings}", "--json", PYTHONPATH=str(installed))
    assert json.loads(checked)
    for variant in ("text_hyper", "plain_head"):
        arguments = ("orchestrator.sweep", "--dataset", f"csv:{ratings}", "--variant", variant, "--dry-run", "--json")
        assert json.loads(finish(tmp_path, *arguments, PYTHONPATH=str(installed)))
