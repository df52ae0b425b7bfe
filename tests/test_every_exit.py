"""Every command with many kinds of wrong input: work done and exit code 0, or one sentence and exit code 2."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from orchestrator.sweeps import dry_run
from tests.commands import application

pytestmark = pytest.mark.integration

LONG = "n" * 5000

NUMBERS = ["", " ", "-1", "0", "1e99", "nan", "inf", "-inf", "abc", "1,5", "½", "١٢", "99999999999999999999999", "0x10"]
WORDS = [
    "",
    " ",
    "..",
    "../..",
    "/",
    "a/b",
    "a b",
    "ä",
    "名前",
    "%2F",
    "#",
    "?",
    "'",
    '"; DROP',
    "--",
    "-1",
    ",",
    ",,",
    "=",
    "a=",
    "=b",
    ":",
    "csv:",
    "csv:.",
    "NA",
    "None",
    "null",
    "~",
    "$HOME",
    "{}",
    "[0]",
    "a\nb",
    "\x1b[31m",
    LONG,
]
FILES = [
    "",
    "absent",
    "absent/absent",
    ".",
    "/",
    "empty",
    "binary",
    "folder",
    "pixel.png",
    "list.yaml",
    "text.txt",
    "broken.yaml",
    "broken.json",
    "broken.csv",
    "null.yaml",
    "latin.csv",
    "dangling",
    LONG,
    "ratings.csv/x",
]
ADDRESSES = [
    "",
    "x",
    ":",
    "::",
    "1:2:3",
    "host:port",
    "127.0.0.1:1",
    "http://",
    "http://[",
    "http://127.0.0.1:1",
    "ftp://x",
    "file://",
    "file:///proc/1/x",
    "sqlite://",
    "sqlite:///absent/x.db",
    "sqlite:///binary",
    "postgresql://",
    "postgresql://127.0.0.1:1/x",
    "s3://",
    "s3:///x",
    "./mlruns",
    "localhost:5000",
]
SERVICES = {"tracking_uri", "address", "ledger", "storage_path"}
ANY = [*WORDS, *NUMBERS, *FILES]

BASE: dict[str, list[str]] = {
    "sweep": ["--variant", "text_hyper", "--dataset", "csv:ratings.csv", "--dry-run"],
    "resume": ["absent"],
    "rerun": ["absent"],
    "sync": [],
    "status": [],
    "promote": ["--variant", "text_hyper", "--dry-run"],
    "rollback": ["--variant", "text_hyper", "--yes"],
    "compare": ["a", "b"],
    "score": ["--model", "absent", "pixel.png"],
    "export": ["absent"],
    "reproduce": ["--dry-run"],
    "doctor": [],
    "sweeps list": ["list"],
    "stop": ["absent"],
    "report": ["absent"],
    "sweeps show": ["show", "absent"],
    "sweeps best": ["best", "absent"],
    "sweeps watch": ["watch", "absent"],
    "sweeps open": ["open", "absent"],
    "sweeps logs": ["logs", "absent"],
    "sweeps pause": ["pause", "absent"],
    "sweeps unpause": ["unpause", "absent"],
    "sweeps enqueue": ["enqueue", "absent", "list.yaml"],
    "sweeps export": ["export", "absent"],
    "sweeps archive": ["archive", "absent"],
    "sweeps restore": ["restore", "absent"],
    "sweeps delete": ["delete", "absent"],
    "sweeps gc": ["gc", "absent"],
    "data check": ["check", "csv:ratings.csv"],
    "data get": ["get", "agiqa3k"],
    "cluster status": ["status"],
    "cluster up": ["up", "--head", "--nonsense"],
    "cluster join": ["join", "--nonsense"],
    "cluster down": ["down", "--nonsense"],
}
"""Arguments that a wrong one is added to."""
FINDINGS = {"data", "doctor"}
"""Commands whose exit code 1 says that they found something wrong, which they list."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one good table and files of wrong kinds."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = []
    for number in range(48):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        rows.append({"image": f"{number:02d}.png", "prompt": f"thing {number // 2}", "alignment": number / 10})
    pd.DataFrame(rows).to_csv(folder / "ratings.csv", index=False)
    (folder / "empty").touch()
    (folder / "binary").write_bytes(bytes(range(256)) * 4)
    (folder / "folder").mkdir()
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    (folder / "list.yaml").write_text("- 1\n- 2\n", encoding="utf-8")
    (folder / "text.txt").write_text("a\nb\n", encoding="utf-8")
    (folder / "broken.yaml").write_text("a: [1\nb: 2", encoding="utf-8")
    (folder / "broken.json").write_text('{"a": ', encoding="utf-8")
    (folder / "broken.csv").write_text('image,prompt\n"a,b\n1,2,3,4\n', encoding="utf-8")
    (folder / "null.yaml").write_text("a: null\n? [1]\n: 2\n", encoding="utf-8")
    (folder / "latin.csv").write_bytes("image,prompt,alignment\nä.png,ü,1\n".encode("latin-1"))
    (folder / "dangling").symlink_to("nowhere")
    return folder


def wrong_lines(command: str) -> Iterator[list[str]]:
    """Yield a command line with an unknown option, and some with one wrong value each.

    Each value is given to some parameter and each parameter gets some values: all of one with all of the other are
    thousands of lines.
    """
    found = typer.main.get_command(application(command))
    for name, sub in getattr(found, "commands", {"": found}).items():
        base = BASE[f"{command} {name}".strip()]
        yield [*base, "--nonsense"]
        parameters = [parameter for parameter in sub.params if not getattr(parameter, "is_flag", False)]
        places = [(parameter, value) for parameter in parameters for value in values(parameter.name)]
        step = max(1, len(parameters) - 1)  # a new parameter and a new value each time
        for parameter, value in places[::step]:
            if parameter.param_type_name == "option":
                yield [*base, parameter.opts[-1], value]
            else:
                yield [*base[: len(name.split())], value]


def values(parameter: str) -> list[str]:
    """Return wrong values for a parameter; a service's are addresses as well."""
    return ANY + ADDRESSES if parameter in SERVICES else ANY


def outcome(command: str, line: list[str]) -> str | None:
    """Run a command line in this process and return what is wrong with how it ended, if anything."""
    before = sorted(os.listdir())
    done = CliRunner().invoke(application(command), line, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return f"raised {type(done.exception).__name__}: {done.exception}"[:300]
    if done.exit_code == 1 and command in FINDINGS and "Failed:" not in done.stderr:
        return None
    if done.exit_code not in (0, 2):
        return f"exit code {done.exit_code}: {(done.stderr or done.stdout)[-300:]}"
    if done.exit_code == 2:
        if left := sorted(set(os.listdir()) - set(before)):
            return f"refused, but left {left}"
        return unclear(done.stderr)
    return None


def unclear(text: str) -> str | None:
    """Return what is wrong with the message of a refused command, if anything."""
    if "Usage:" in text:  # Typer's own: a box with the reason
        return None if "Error" in text else f"no reason: {text[:300]}"
    lines = text.strip().splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    if len(errors) != 1:
        return f"{len(errors)} errors: {text[:300]!r}"
    if not lines[-1].startswith("Error: "):
        return f"no sentence at the end: {text[:300]!r}"
    if any(sign in errors[0] for sign in ("Traceback", "object at 0x", "<class")):
        return f"shows Python: {errors[0][:300]}"
    return None if len(errors[0]) < 1200 else f"{len(errors[0])} characters: {errors[0][:200]}"


@pytest.mark.parametrize("command", sorted({command.split()[0] for command in BASE}))
def test_wrong_input_ends_in_one_sentence_and_code_2_or_in_work_done(command, inputs, monkeypatch):
    monkeypatch.chdir(inputs)
    model = dry_run.ExtremeModel("largest", 1, 0.1, {})  # accepted input is checked in full, but trains no model
    monkeypatch.setattr(dry_run, "_corner", lambda *_: model)
    offenders = {" ".join(line)[:160]: wrong for line in wrong_lines(command) if (wrong := outcome(command, line))}
    assert not offenders, "\n".join(f"{command} {line!r}: {wrong}" for line, wrong in offenders.items())
