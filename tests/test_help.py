"""Help of every command: panels, defaults, examples, nothing heavy imported, each module only when invoked."""

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner

from models import list_variants
from orchestrator import __version__
from orchestrator.__main__ import COMMANDS, app

HEAVY = {"torch", "ray", "mlflow", "optuna", "pandas", "transformers", "sklearn", "matplotlib", "scipy", "numpy"}
NAMES = [name for names in COMMANDS.values() for name in names]
EXAMPLE = re.compile(r"^ +(python -m orchestrator\.\S+.*)$", re.MULTILINE)


def load(name):
    package = import_module(f"orchestrator.{name}")
    module = import_module(f"orchestrator.{name}.__main__") if hasattr(package, "__path__") else package
    return typer.main.get_command(getattr(module, name))


def screens():
    """Yield the words after `hyperassess` of every screen of help."""
    for name in NAMES:
        yield (name,)
        for subcommand in getattr(load(name), "commands", {}):
            yield (name, subcommand)


SCREENS = list(screens())


def show(*words, columns="120"):
    found = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": columns})
    assert found.exit_code == 0, (found.stderr, found.exception)
    return found.stdout


@pytest.mark.parametrize("words", SCREENS, ids=" ".join)
def test_help_ends_with_two_examples_that_fit_80_columns_and_parse(words):
    text = show(*words, columns="80")
    shown = EXAMPLE.findall(text.partition("Examples:")[2])
    assert len(shown) == 2, text
    for line in shown:
        _, _, module, *arguments = shlex.split(line)
        command = load(module.removeprefix("orchestrator."))
        while hasattr(command, "commands"):
            context = command.make_context(module, list(arguments), resilient_parsing=True)
            _, command, arguments = command.resolve_command(context, context._protected_args + context.args)
        command.make_context(module, list(arguments)).close()


@pytest.mark.parametrize("words", SCREENS, ids=" ".join)
def test_help_groups_options_and_explains_each(words):
    command = load(words[0])
    if len(words) == 2:
        command = command.commands[words[1]]
    if hasattr(command, "commands"):
        assert command.help
        return
    options = [option for option in command.params if option.param_type_name == "option"]
    assert all(option.help and option.rich_help_panel for option in options)
    assert show(*words).count("╭─ Options") == 0  # no option outside of a panel


@pytest.mark.parametrize("command", ["sweep", "promote", "rollback"])
def test_help_names_every_variant(command):
    assert all(name in show(command) for name in list_variants())


def test_help_of_a_sweep_shows_defaults_and_variables():
    text = show("sweep")
    for shown in ("[default: text_hyper]", "[default: 12]", "[default: tpe]", "[env var: RAY_ADDRESS]", "csv:FILE"):
        assert shown in text


def test_list_of_commands_is_grouped_with_a_line_each():
    for arguments in ([], ["--help"]):
        found = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})
        assert found.exit_code == 0 and all(f"─ {panel} ─" in found.stdout for panel in COMMANDS)
        assert all(re.search(rf"│ {name} +[A-Z]", found.stdout) for name in NAMES)


def test_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hyperassess {__version__}\n"


def test_unknown_command_is_wrong_input():
    found = CliRunner().invoke(app, ["swep"])
    assert found.exit_code == 2 and "swep" in found.stderr


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in NAMES)], ids=" ".join)
def test_help_imports_nothing_heavy_and_no_other_command(arguments):
    code = (
        "import sys\n"
        "from orchestrator.__main__ import main\n"
        f"sys.argv = ['hyperassess', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit as done: code = done.code\n"
        f"commands = {{name for name in {NAMES!r} for end in ('', '.__main__')\n"
        "            if getattr(sys.modules.get(f'orchestrator.{name}{end}'), name, None)}\n"
        f"heavy = {HEAVY!r} & {{name.partition('.')[0] for name in sys.modules}}\n"
        "print(code, *sorted(heavy), *sorted(commands), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.stderr.split() == ["0", *arguments[:-1]]


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_the_same_help_as_a_module(command):
    found = CliRunner().invoke(load_app(command), ["--help"], env={"COLUMNS": "120"})
    assert found.exit_code == 0
    assert found.stdout.partition("╭")[2] == show(command).partition("╭")[2]


def load_app(name):
    package = import_module(f"orchestrator.{name}")
    return getattr(import_module(f"orchestrator.{name}.__main__") if hasattr(package, "__path__") else package, name)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_lists_commands_and_options(shell, monkeypatch):
    code = "from orchestrator.__main__ import main; import sys; sys.argv = ['hyperassess']; main()"
    asked = {"_HYPERASSESS_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for line, expected in (("hyperassess swe", "sweeps"), ("hyperassess sweep --max-ho", "--max-hours")):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_TYPER_COMPLETE_ARGS": line}
        for name, value in (asked | words).items():
            monkeypatch.setenv(name, value)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, encoding="utf-8"
        )
        assert expected in done.stdout, (line, done.stderr)


def test_sweep_without_arguments_lists_the_variants_and_starts_nothing(elsewhere):
    found = CliRunner().invoke(app, ["sweep"])
    assert found.exit_code == 0 and all(re.search(rf"^  {name} +\S", found.stdout, re.M) for name in list_variants())
    assert found.stdout.count("\n  python -m orchestrator.sweep --variant") == 2
    assert not list(elsewhere.iterdir())
