import base64
import csv
import hashlib
import subprocess
import sys
import zipfile

import pytest

from orchestrator import __version__
from orchestrator.tracking import wheel as module
from orchestrator.tracking.wheel import write_wheel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_depends_only_on_the_code(wheel, tmp_path, monkeypatch):
    assert write_wheel(tmp_path).read_bytes() == wheel.read_bytes()
    assert wheel.name.startswith(f"hyperassess-{__version__}+")
    sources = module.source_files()
    (tmp_path / "other.py").write_text("# another\n", encoding="utf-8")
    monkeypatch.setattr(module, "source_files", lambda: {**sources, "models/__init__.py": tmp_path / "other.py"})
    assert write_wheel(tmp_path).name != wheel.name


def test_the_wheels_record_is_right(wheel):
    with zipfile.ZipFile(wheel) as packed:
        (record,) = (name for name in packed.namelist() if name.endswith("RECORD"))
        rows = {row[0]: row[1:] for row in csv.reader(packed.read(record).decode().splitlines())}
        assert set(rows) == set(packed.namelist()) and rows.pop(record) == ["", ""]
        for name, (said, size) in rows.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(packed.read(name)).digest()).rstrip(b"=").decode()
            assert (said, int(size)) == (f"sha256={digest}", len(packed.read(name)))


def test_pip_installs_the_wheel_offline_and_its_packages_run(wheel, tmp_path):
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--target", str(tmp_path / "there")]
    subprocess.run([sys.executable, "-m", "pip", *install, str(wheel)], check=True, capture_output=True)
    code = "import orchestrator.scoring, models, search_spaces; print(orchestrator.__file__, orchestrator.__version__)"
    options = {"env": {"PYTHONPATH": str(tmp_path / "there")}, "cwd": tmp_path, "text": True, "check": True}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, **options).stdout
    assert said.split() == [str(tmp_path / "there" / "orchestrator" / "__init__.py"), __version__]
    assert (tmp_path / "there" / "search_spaces" / "text_hyper.yaml").is_file()
