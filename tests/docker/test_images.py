"""The images: what goes in, in which form, and that what goes in is enough to build and install the project."""

import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docker.scripts import DOCKER, SCRIPTS, environment, tool

pytestmark = pytest.mark.e2e

ROOT = DOCKER.parent
LINES = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
PATTERNS = [
    line
    for line in (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def goes_in(path: str) -> bool:
    """Return whether .dockerignore includes a file: the last pattern that matches it or a parent decides."""
    allowed = True
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for pattern in PATTERNS:
        glob = pattern.removeprefix("!").removeprefix("**/")
        if any(fnmatch(part, glob) and ("/" in glob or "/" not in part) for part in parents):
            allowed = pattern.startswith("!")
    return allowed


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """Folder with the files that a build would be sent."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    folder = tmp_path_factory.mktemp("context")
    for name in filter(goes_in, listed.stdout.splitlines()):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def test_hadolint_finds_nothing():
    done = tool("hadolint", DOCKER / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_build_context_has_no_secret_data_or_history():
    kept_out = ["docker/secrets/ray_token", "docker/.env", "docker/backups/a/ledger.dump", ".git/config", ".env"]
    kept_out += ["sweeps/a/spec.yaml", "mlflow.db", "data/a.png", "tests/conftest.py", "docker/compose.yaml"]
    assert [path for path in kept_out if goes_in(path)] == []
    assert goes_in("docker/scripts/head.sh") and goes_in("orchestrator/sweep.py") and goes_in("constraints.txt")


def test_images_pin_their_bases_and_do_not_run_as_root():
    stages = {}
    for line in LINES:
        if found := re.match(r"FROM (\S+) AS (\S+)", line):
            stages[found[2]] = found[1]
    images = set(stages.values()) - set(stages)
    assert images == {"python:3.11.15-slim-trixie"}
    assert (stages["cpu"], stages["cuda"], list(stages)[-1]) == ("runtime", "runtime", "cpu")
    users = [line.split()[1] for line in LINES if line.startswith("USER")]
    assert users == ["1000:1000"]
    assert any(line.startswith("HEALTHCHECK") for line in LINES)


def test_build_context_has_every_script_that_a_build_calls():
    called = set(re.findall(r"([a-z-]+\.sh)", " ".join(line for line in LINES if not line.startswith("#"))))
    assert called == {"build-wheel.sh", "install.sh", "run.sh", "health.sh"}
    assert all((SCRIPTS / script).is_file() for script in called)


def test_wheel_builds_from_the_build_context_and_installs(context, tmp_path):
    """The dependencies are not installed: CI's environment has them from the same file."""
    built = subprocess.run(
        ["docker/scripts/build-wheel.sh", tmp_path / "wheels"],
        cwd=context,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert built.returncode == 0, built.stderr
    install = [context / "docker/scripts/install.sh", "cpu", tmp_path / "wheels", tmp_path / "venv", "--no-deps"]
    installed = subprocess.run(
        install, cwd=context, env=environment(), capture_output=True, text=True, encoding="utf-8"
    )
    assert installed.returncode == 0, installed.stderr
    assert "without TORCH_INDEX the CPU image carries CUDA's libraries" in installed.stderr
    look = "import orchestrator, search_spaces, pathlib; print(orchestrator.__file__); "
    look += "print(len(list(pathlib.Path(search_spaces.__path__[0]).glob('*.yaml'))))"
    seen = subprocess.run(
        [tmp_path / "venv/bin/python", "-I", "-c", look],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    module, spaces = seen.stdout.split()
    assert Path(module).is_relative_to(tmp_path / "venv")
    assert int(spaces) == len(list((ROOT / "search_spaces").glob("*.yaml"))) > 0


def test_unknown_kind_of_image_is_refused(context, tmp_path):
    done = subprocess.run(
        [SCRIPTS / "install.sh", "gpu", tmp_path, tmp_path / "venv"],
        cwd=context,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (2, "install.sh: gpu is no kind of image: cpu and cuda are.\n")


def test_torch_and_torchvision_are_pinned_for_their_own_index():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")
