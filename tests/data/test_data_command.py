"""`python -m orchestrator.data`: exit codes, one sentence, one JSON object."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from orchestrator.data.__main__ import data

WriteCsv = Callable[..., Path]


def test_check_prints_what_is_there(write_csv: WriteCsv) -> None:
    found = CliRunner().invoke(data, ["check", f"csv:{write_csv(100)}"], env={"COLUMNS": "100"})
    assert found.exit_code == 0, found.stderr
    assert "100 of 100 images" in found.stdout and "disjoint, split 0" in found.stdout and found.stderr == ""


def test_check_prints_one_json_object_and_fails_where_a_sweep_would_refuse(write_csv: WriteCsv) -> None:
    path = write_csv(100)
    for row in range(6):
        (path.parent / f"{row:02d}.png").unlink()
    found = CliRunner().invoke(data, ["check", "csv:scores.csv", "--data-root", str(path.parent), "--json"])
    report = json.loads(found.stdout)
    assert found.exit_code == 1 and found.stderr == ""
    assert report["usable"] == 94 and len(report["left_out"]["missing image"]) == 6
    assert "more than 5%" in report["problems"][0]


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["check", "agiqa"], "Unknown data set 'agiqa'"),
        (["check", "agiqa3k"], "--data-root DIR"),
        (["check", "agiqa3k", "--data-root", "absent"], "absent does not exist"),
        (["check", "aigciqa2023", "--data-root", "."], "mosz1.mat"),
        (["check", "shapes", "--protocol", "fair"], "Unknown protocol 'fair': there are disjoint, paper"),
        (["get", "agiqa1k"], "take it from GitHub"),
        (["get", "nothing"], "Unknown data set"),
    ],
)
def test_wrong_input_is_one_sentence(arguments: list[str], named: str, elsewhere: Path) -> None:
    found = CliRunner().invoke(data, arguments)
    assert found.exit_code == 2 and named in found.stderr
    assert found.stderr.startswith("Error: ") and found.stderr.count("\n") == 1 and found.stdout == ""
    assert list(elsewhere.iterdir()) == []


def test_get_names_the_next_step_or_what_is_still_missing(
    write_csv: WriteCsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(name: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        if name == "agiqa3k":
            columns = ("mos_quality", "std_quality", "mos_align", "std_align")
            table = pd.DataFrame({"name": ["sd_000.jpg"], "prompt": ["a cat"], **dict.fromkeys(columns, 1.0)})
            table.to_csv(folder / "data.csv", index=False)
            (folder / "sd_000.jpg").write_bytes(b"")

    monkeypatch.setattr("orchestrator.data.download.fetch_dataset", fetch)
    found = CliRunner().invoke(data, ["get", "agiqa3k", "--to", str(tmp_path / "got")])
    assert found.exit_code == 0 and "check agiqa3k --data-root" in found.stdout
    found = CliRunner().invoke(data, ["get", "aigciqa2023"])
    assert found.exit_code == 1 and "mosz1.mat" in found.stdout and "AIGCIQA2023.csv" in found.stdout
    assert Path("data/aigciqa2023").is_dir()


def test_offline_get_is_one_sentence(elsewhere: Path) -> None:
    """The hub's real client reads its offline mode when it is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.data", "get", "agiqa3k"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "HF_HUB_OFFLINE is set" in done.stderr and "GitHub" in done.stderr
    assert not (elsewhere / "data").exists()


def test_warnings_of_image_libraries_stay_off_the_screen(write_csv: WriteCsv) -> None:
    path = write_csv(50)
    image = Image.effect_noise((64, 64), 90)
    image.save(path.parent / "00.png", "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20))
    image.save(path.parent / "01.png", "TIFF", compression="tiff_lzw")
    damaged = bytearray((path.parent / "01.png").read_bytes())
    damaged[100:400] = b"\xff" * 300
    (path.parent / "01.png").write_bytes(damaged)
    found = subprocess.run(
        [sys.executable, "-m", "orchestrator.data", "check", f"csv:{path}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert "49 of 50 images" in found.stdout and found.stderr == ""
