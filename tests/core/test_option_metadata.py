"""Options of the command line that come from the fields of a spec."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from pydantic import BaseModel, ByteSize, Field
from typer.testing import CliRunner

from orchestrator.core.cli import command
from orchestrator.core.cli_options import takes_settings
from orchestrator.core.option_metadata import SEARCH_PANEL, Option, setting_options
from orchestrator.core.spec import RESUMABLE_SETTINGS, SweepSpec


class Settings(BaseModel):
    number: Annotated[int, Field(ge=1), Option("A number.", SEARCH_PANEL, resumable=True)] = 7
    part: Annotated[Annotated[float, Field(ge=0)] | Literal["auto"], Option("A part.", SEARCH_PANEL)] = 0.0
    folder: Annotated[Path | None, Option("A folder.", SEARCH_PANEL, resume_help="A moved folder.")] = None
    scores: Annotated[tuple[str, ...], Option("Scores.", SEARCH_PANEL, default="all")] = ()
    modules: Annotated[tuple[str, ...], Option("Modules.", SEARCH_PANEL, flag="--module", repeatable=True)] = ()
    server: Annotated[str | None, Option("A server.", SEARCH_PANEL, variable="TEST_SERVER", resumable=True)] = None
    size: Annotated[ByteSize, Option("A size.", SEARCH_PANEL)] = ByteSize(10**9)
    plain: int = 0


OPTIONS = setting_options(Settings)


def run(*arguments, defaults=True, **environment):
    received = []

    @command
    @takes_settings([o for o in OPTIONS if defaults or o.in_resume], defaults)
    def search(settings: dict, debug: Annotated[bool, typer.Option(help="Trace.")] = False) -> None:
        """Search."""
        received.append(settings)

    found = CliRunner().invoke(search, list(arguments), env={"COLUMNS": "120", **environment})
    return found, received


def test_a_setting_that_is_not_given_is_not_passed():
    assert run()[1] == [{}]


@pytest.mark.parametrize(
    "arguments, settings",
    [
        (["--number", "7"], {"number": 7}),
        (["--part", "0.5"], {"part": "0.5"}),
        (["--part", "auto"], {"part": "auto"}),
        (["--folder", "a b"], {"folder": Path("a b")}),
        (["--scores", "quality, alignment"], {"scores": ("quality", "alignment")}),
        (["--scores", ""], {}),
        (["--module", "a", "--module", "b"], {"modules": ("a", "b")}),
        (["--size", "2GB"], {"size": "2GB"}),
    ],
)
def test_given_settings_have_the_type_of_their_field(arguments, settings):
    assert run(*arguments)[1] == [settings]


def test_a_value_of_the_wrong_type_is_wrong_input():
    found, received = run("--number", "many")
    assert found.exit_code == 2 and "--number" in found.stderr and not received


def test_an_environment_variable_is_shown_and_left_to_the_profile():
    found, received = run(TEST_SERVER="there")
    assert received == [{}]
    assert "[env var: TEST_SERVER]" in run("--help")[0].stdout


def test_help_shows_defaults_and_no_field_without_an_option():
    text = run("--help")[0].stdout
    for shown in ("[default: 7]", "[default: 0]", "[default: (all)]", "[default: 1.0GB]", SEARCH_PANEL):
        assert shown in text
    assert "--plain" not in text


def test_resume_has_resumable_settings_and_those_with_a_help_of_its_own():
    text = run("--help", defaults=False)[0].stdout
    assert {"--number", "--folder", "--server"} == {word for word in text.split() if word.startswith("--")} - {
        "--debug",
        "--help",
        "--no-debug",
    }
    assert "A moved folder." in text and "[default: 7]" not in text
    assert run("--number", "3", defaults=False)[1] == [{"number": 3}]


def test_every_setting_of_a_sweep_but_its_identity_is_an_option():
    fields = set(SweepSpec.model_fields) - {"schema_version", "id", "created"}
    assert {setting.name for setting in setting_options(SweepSpec)} == fields


def test_resumable_settings_are_those_of_place_and_speed():
    assert {"address", "tracking_uri", "concurrency", "keep", "data_root"} < RESUMABLE_SETTINGS
    assert not RESUMABLE_SETTINGS & {"trials", "variant", "seed", "ledger", "storage_path", "epochs"}
