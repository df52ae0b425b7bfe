"""Output of a run: its log has what its process prints during a step, and nothing else."""

import logging
import os
import subprocess
import sys
from contextlib import suppress

from orchestrator.execution.run_output import RunOutput


def test_log_has_all_output_of_the_captured_steps(tmp_path, capfd):
    output = RunOutput()
    print("before")
    with output.captured():
        print("printed before the folder is known")
        output.move_to(tmp_path)
        print("printed", file=sys.stderr)
        os.write(1, b"from native code\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        logging.getLogger("a.library").info("logged")
    print("between")
    with output.captured():
        print("second step")
    output.close()
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    for part in ("printed before", "printed\n", "from native code", "from a child", "a.library: logged"):
        assert part in text
    assert text.endswith("second step\n") and "between" not in text
    assert capfd.readouterr().out == "before\nbetween\n"


def test_log_is_rotated_once_it_is_large(tmp_path):
    output = RunOutput(most_bytes=100)
    for number in range(4):
        with output.captured():
            output.move_to(tmp_path) if number == 0 else None
            print(f"step {number}" + "." * 150)
    output.close()
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").startswith("step 3")
    assert (tmp_path / "log.1.txt").read_text(encoding="utf-8").startswith("step 2")
    assert len(list(tmp_path.iterdir())) == 2


def test_output_of_a_run_without_a_folder_reaches_one_that_exists(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        output = RunOutput()
        with output.captured():
            print("no folder")
        output.close(folder)
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "no folder\n"


def test_full_disk_does_not_end_a_run(tmp_path):
    output = RunOutput()
    with output.captured():
        output.move_to(tmp_path)
        with open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), sys.stdout.fileno())
        print("lost")
        logging.getLogger("a.library").warning("lost")
    output.close()


def test_handler_that_outlives_the_log_writes_into_no_other_file(tmp_path):
    output, library = RunOutput(), logging.getLogger("a.library.with.its.own.handler")
    with output.captured():
        library.addHandler(handler := logging.StreamHandler())
        number = sys.stderr.fileno()
    output.close()
    other = tmp_path / "spool.jsonl"
    try:
        with other.open("wb") as file:
            os.dup2(file.fileno(), number)
            library.warning("late")
    finally:
        library.removeHandler(handler)
        with suppress(OSError):  # the file itself may have had the number
            os.close(number)
    assert other.read_bytes() == b""
