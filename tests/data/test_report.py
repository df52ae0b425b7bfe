import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset
from orchestrator.data.print_report import print_report
from orchestrator.data.report import DatasetReport, report_dataset

WriteCsv = Callable[..., Path]
ROWS = 100


def _shown(report: DatasetReport) -> str:
    written = StringIO()
    print_report(report, Console(width=100, file=written))
    return written.getvalue()


def test_a_sound_data_set_is_described(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS, quality_std=[0.5] * 99 + [""], generator=["sd"] * 60 + ["dalle"] * 40)
    report = report_dataset(f"csv:{path}", None)
    assert (report.rows, report.usable, report.prompts, report.left_out, report.problems) == (ROWS, ROWS, 50, {}, ())
    (quality,) = report.targets
    assert (quality.low, quality.high, quality.raters_std) == (1.0, 10.9, 99)
    assert quality.mean == pytest.approx(5.95)
    assert report.generators == {"dalle": 40, "sd": 60}
    assert report.data_hash == load_dataset(f"csv:{path}").data_hash
    assert sum(part.prompts for part in report.parts.values()) == 50
    assert all(part.images == 2 * part.prompts for part in report.parts.values())
    text = _shown(report)
    assert "100 of 100 images can be used, 50 prompts" in text and "disjoint, split 0" in text
    assert report.data_hash in text and "refuse" not in text


def test_what_is_missing_is_counted_and_named_where_a_sweep_would_stop(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS)
    for row in range(7):
        (path.parent / f"{row:02d}.png").unlink()
    table = pd.read_csv(path, dtype=str)
    table.loc[50, "quality"] = "inf"
    table.to_csv(path, index=False)
    report = report_dataset(f"csv:{path}", None, "paper")
    assert report.usable == 92
    assert report.left_out == {
        "missing image": [f"{row:02d}.png" for row in range(7)],
        "non-finite score": ["50.png"],
    }
    assert [part.images for part in report.parts.values()] == [74, 18, 18]
    with pytest.raises(InputError) as refused:
        load_dataset(f"csv:{path}")
    assert report.problems == (str(refused.value),)
    text = _shown(report)
    assert "excluded: 7 missing image: 00.png, 01.png, 02.png, 03.png, 04.png, …" in text
    assert "A sweep would refuse it:" in text
    assert json.loads(json.dumps(report.to_dict()))["left_out"]["non-finite score"] == ["50.png"]


def test_no_image_at_all_still_says_what_there_is(write_csv: WriteCsv) -> None:
    path = write_csv(8)
    for image in path.parent.glob("*.png"):
        image.unlink()
    report = report_dataset(f"csv:{path}", None)
    assert (report.rows, report.usable, report.parts) == (8, 0, {})
    assert (report.targets[0].low, len(report.problems)) == (None, 2)
    assert "0 of 8 images" in _shown(report)


def test_a_protocol_that_does_not_fit_is_a_problem_and_one_that_is_not_is_an_error(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS)
    report = report_dataset(f"csv:{path}", None, "slots")
    assert report.parts == {} and "fewer than 3 images" in report.problems[0]
    with pytest.raises(InputError, match="there are disjoint, paper, random, slots"):
        report_dataset(f"csv:{path}", None, "fair")
