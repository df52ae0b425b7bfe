"""Output to pipes that close, to terminals that cannot show a character, and to closed descriptors."""

import io
import os
import subprocess
import sys

import pytest

from orchestrator.core.output_capture import redirect_output
from orchestrator.core.output_streams import LastingStream, lasting, lasting_output


def pipe():
    """Return a line-buffered text stream into a pipe, and the descriptor of its reader."""
    reader, writer = os.pipe()
    return os.fdopen(writer, "w", buffering=1, encoding="utf-8"), reader


def test_output_is_dropped_once_its_reader_has_gone():
    said = []
    stream, reader = pipe()
    out = lasting(stream, on_gone=lambda: said.append("gone"))
    print("one", file=out)
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
    for line in ("two", "three"):
        print(line, file=out)
    out.flush()
    out.close()
    assert said == ["gone"]


def test_a_full_disk_is_still_an_error():
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8")
    print("one", file=full)
    with pytest.raises(OSError, match="No space"):
        lasting(full).flush()
    os.dup2(2, full.fileno())  # closing it flushes once more
    full.close()


def test_characters_that_an_encoding_lacks_are_replaced_by_similar_ones():
    raw = io.BytesIO()
    out = lasting(io.TextIOWrapper(raw, encoding="ascii"))
    print("0.1 – 0.2 · “ü” …", file=out)
    out.flush()
    assert raw.getvalue().decode("ascii") == '0.1 - 0.2 | "?" ...\n'


def test_names_that_are_not_unicode_are_shown_on_a_terminal_of_utf_8():
    raw = io.BytesIO()
    out = lasting(io.TextIOWrapper(raw, encoding="utf-8"))
    print(os.fsdecode(b"bild\xff.png"), file=out)
    out.flush()
    assert raw.getvalue() == b"bild?.png\n"


def test_standard_output_is_put_back():
    before = sys.stdout
    with lasting_output():
        assert isinstance(sys.stdout, LastingStream)
    assert sys.stdout is before


def test_descriptors_are_put_back_although_the_output_has_no_reader(tmp_path, capfd, monkeypatch):
    reader, writer = os.pipe()
    kept = os.dup(1)
    os.dup2(writer, 1)
    monkeypatch.setattr(
        sys, "stdout", os.fdopen(1, "w", closefd=False, encoding="utf-8")
    )  # as in a command; pytest's is elsewhere
    try:
        with redirect_output(tmp_path / "log.txt") as (out, err):
            os.close(reader)
            os.write(1, b"from a library\n")
            for number in range(3):
                print(number, file=out)
            print("still here", file=err)
    finally:
        os.dup2(kept, 1)
        for descriptor in (kept, writer):
            os.close(descriptor)
    said = capfd.readouterr().err
    assert said.count("the sweep continues") == 1 and "still here" in said
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "from a library\n"


def test_output_of_libraries_goes_to_the_log_although_standard_output_has_no_descriptor(tmp_path, monkeypatch):
    shown = io.StringIO()  # as in a notebook
    monkeypatch.setattr(sys, "stdout", shown)
    with redirect_output(tmp_path / "log.txt") as (out, _):
        print("from a library")
        print("of the sweep", file=out)
    print("afterwards")
    assert shown.getvalue() == "of the sweep\nafterwards\n"
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "from a library\n"


HELP = [sys.executable, "-m", "orchestrator", "--help"]
NOT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_help_is_shown_in_a_locale_without_utf_8():
    done = subprocess.run(HELP, capture_output=True, env={**os.environ, **NOT_UTF8})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sweep" in done.stdout.decode("ascii").encode()


@pytest.mark.parametrize("closed", ["1", "2", "0", "0 1 2"])
def test_a_command_runs_with_closed_descriptors(closed):
    script = 'for fd in "$@"; do eval "exec $fd>&-"; done; exec "$PYTHON" -m orchestrator --help'
    done = subprocess.run(["bash", "-c", script, "bash", *closed.split()], env={**os.environ, "PYTHON": sys.executable})
    assert done.returncode == 0


def test_a_command_whose_reader_has_gone_ends_without_a_word():
    done = subprocess.run(["bash", "-c", '"$0" -m orchestrator --help | true; echo "${PIPESTATUS[0]}"', sys.executable],
                          capture_output=True, text=True, encoding="utf-8")  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_paths_are_utf_8_in_every_locale(tmp_path):
    folder = tmp_path / "ü"
    folder.mkdir()
    command = [sys.executable, "-m", "orchestrator.sweeps", "show", "x", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **NOT_UTF8}, cwd=folder)
    assert (done.returncode, done.stderr.decode("ascii")) == (2, f"Error: There are no sweeps in {tmp_path}/?.\n")
