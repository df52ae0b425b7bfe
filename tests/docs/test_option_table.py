"""The table of options in docs/sweeps.md is what its script makes now."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

import make_option_table  # noqa: E402


def test_option_table_is_up_to_date():
    page = (DOCS / "sweeps.md").read_text(encoding="utf-8")
    assert page == make_option_table.with_table(page), "run: python docs/make_option_table.py"


def test_option_table_has_a_row_for_every_option():
    table = make_option_table.option_table()
    for row in (
        "| `--seed` | Seed of sampler, initialisation and batches. | `0` |  |",
        "| `--out` |",
        "| **Search** |",
    ):
        assert row in table
