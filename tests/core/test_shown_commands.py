"""Commands that messages show: they run as they are, from this folder, in a shell."""

import shlex
from pathlib import Path

from orchestrator.core.shown_commands import out_option, report_command, resume_lines, show_command


def test_a_folder_with_a_space_is_one_word():
    words = shlex.split(report_command("made", Path("/data/my sweeps")))
    assert words == ["python", "-m", "orchestrator.report", "made", "--out", "/data/my sweeps"]


def test_the_default_folder_has_no_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert out_option(tmp_path / "sweeps") == "" != out_option(tmp_path)
    assert show_command("made", Path("sweeps")) == "python -m orchestrator.sweeps show made"


def test_the_command_that_resumes_has_a_line_of_its_own():
    assert resume_lines("made", Path("sweeps")) == "Resume with:\n  python -m orchestrator.resume made"
