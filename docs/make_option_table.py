"""Option table of docs/sweeps.md, made from the options of `orchestrator.sweep`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from orchestrator.core.names_for_help import fill_in_names
from orchestrator.core.option_metadata import PANELS, setting_options
from orchestrator.core.spec import SweepSpec
from orchestrator.sweep import sweep

PAGE = Path(__file__).parent / "sweeps.md"
BEGIN, END = "<!-- options: made by docs/make_option_table.py -->", "<!-- end of options -->"


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str) -> str:
    """Return the page with its table replaced by the present one."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{option_table()}\n{END}{rest.partition(END)[2]}"


def option_table() -> str:
    """Return the table: a row an option, grouped by the panels of `--help`."""
    in_resume = {setting.name for setting in setting_options(SweepSpec) if setting.in_resume}
    in_resume |= {"out", "allow_changed", "json", "debug"}
    lines = ["| option | meaning | default | `resume` |", "|---|---|---|---|"]
    options = [option for option in typer.main.get_command(sweep).params if getattr(option, "help", None)]
    options.sort(key=lambda option: PANELS.index(option.rich_help_panel))
    for panel, members in groupby(options, key=lambda option: option.rich_help_panel):
        lines.append(f"| **{panel}** | | | |")
        for option in members:
            resumable = "yes" if option.name in in_resume else ""
            lines.append(f"| `{option.opts[0]}` | {_meaning(option)} | {_default(option)} | {resumable} |")
    return "\n".join(lines) + "\n"


def _meaning(option: Any) -> str:
    variable = f" Environment: `{option.envvar}`." if option.envvar else ""
    return fill_in_names(option.help).replace("|", "\\|") + variable


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    return "" if option.default is None or option.default is False else f"`{option.default}`"


if __name__ == "__main__":
    main()
