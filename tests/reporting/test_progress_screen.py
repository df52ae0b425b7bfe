"""The screen of a running sweep, drawn from made snapshots at several sizes."""

import time

import pytest
from rich.cells import cell_len
from rich.console import Console

from orchestrator.execution.progress_snapshot import GpuUsage, MachineUsage, Phase, ProgressSnapshot, RunSnapshot
from orchestrator.reporting.progress_screen import draw_progress

PARAMS = (
    ("lr", "0.00123"),
    ("hypernet_lr", "0.000456"),
    *((f"parameter_{number}", f"0.{number}23") for number in range(12)),
)
MACHINE = MachineUsage(0.87, 5_100_000_000, 24_000_000_000, (GpuUsage(0.5, 12_000_000_000, 80_000_000_000),))


def run(trial, state="running", **values):
    study = values.pop("study", "search")
    given = {"epoch": 3, "epochs": 15, "best": 0.6543, "last": 0.6421, "curve": (0.1, 0.5, 0.6421), "seconds": 75.0}
    return RunSnapshot(f"trial-{trial:04d}", f"trial {trial}", study, state, **{**given, **values})


def snapshot(running=8, waiting=1, ended=10, **values):
    waits = {"epoch": 0, "best": None, "last": None, "curve": (), "seconds": None}
    open_runs = [run(number) for number in range(running)] + [run(900 + n, "waiting", **waits) for n in range(waiting)]
    made = ProgressSnapshot(
        name="demo",
        title="demo: text_hyper on shapes, alignment",
        phase=Phase.SEARCH,
        done=12,
        total=61,
        phase_seconds=185.0,
        seconds_left=130.0,
        best=run(7, params=PARAMS),
        control=run(3, "complete", params=PARAMS[:3], best=0.6012),
        open=tuple(open_runs),
        ended=tuple(run(100 + number, "pruned", number=12 - number) for number in range(ended)),
        running=running,
        waiting=waiting,
        outcomes={"complete": 9, "pruned": 3},
        epochs_per_second=2.1,
        hosts=("one",),
        machine=MACHINE,
    )
    return ProgressSnapshot(**{**{name: getattr(made, name) for name in made.__dataclass_fields__}, **values})


def drawn(shown, width=120, height=40, **options):
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(draw_progress(shown, width, height, **options))
    return captured.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40])
@pytest.mark.parametrize("height", [50, 24, 12, 6, 3, 1])
def test_screen_fits_at_every_size(width, height):
    for shown in (snapshot(), snapshot(running=200, waiting=30), snapshot(running=0, waiting=0, ended=0)):
        lines = drawn(shown, width, height)
        assert len(lines) <= height and all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [120, 80])
def test_nothing_is_cut_at_usual_widths(width):
    lines = drawn(snapshot(), width)
    text = "\n".join(lines)
    assert "…" not in text and all(f"{name}={value}" in text for name, value in PARAMS)
    assert "search" in text and "12/61" in text and "about 2 min 10 s left" in text and "3:05" in text
    row = next(line for line in lines if line.startswith("trial 0 "))
    assert row.split() == ["trial", "0", "running", "3/15", "0.6543", "0.6421", "▁▆█", "1:15"]
    assert lines[-1] == "CPU 87% · memory 5.1 GB of 24.0 GB · GPU 50%, 12.0 GB of 80.0 GB"


def test_parameters_wrap_between_two_of_them_with_learning_rates_first():
    lines = drawn(snapshot(), 80)
    first = next(line for line in lines if line.startswith("best"))
    assert "trial 7" in first and "0.6543" in first and first.index("lr=0.00123") < first.index("hypernet_lr")
    wrapped = [line for line in lines if line.startswith(" " * 9) and "=" in line]
    assert wrapped and all(not line.rstrip().endswith("=") for line in wrapped)


@pytest.mark.parametrize("height", [60, 24, 15])
def test_counts_agree_with_the_rows(height):
    lines = drawn(snapshot(running=12, waiting=3), height=height)
    rows = [line.split() for line in lines if line.startswith("trial ")]
    more = next((line for line in lines if line.startswith("and ")), "")
    for word, count in (("running", 12), ("waiting", 3)):
        hidden = [int(part.split()[0]) for part in more.removeprefix("and ").split(", ") if word in part]
        assert sum(word in row for row in rows) + sum(hidden) == count
        assert any(f"{count} {word}" in line for line in lines if "complete" in line)


def test_hosts_and_devices_are_shown_if_there_are_several():
    assert "host" not in "\n".join(drawn(snapshot()))
    there = (run(0, host="one", device="NVIDIA H100"), run(1, host="two", device="cpu: Xeon"))
    lines = drawn(snapshot(running=2, waiting=0, open=there, hosts=("one", "two")))
    assert any(line.split()[-2:] == ["one", "H100"] for line in lines) and lines[-1].startswith("this host: CPU")
    assert any(line.split()[-2:] == ["two", "cpu"] for line in lines)


def test_a_narrow_screen_has_fewer_columns():
    headers = [
        next(line for line in drawn(snapshot(), width) if "epoch " in line and "run" in line) for width in (80, 40, 30)
    ]
    assert [len(header.split()) for header in headers] == [7, 4, 3]


def test_phases_before_the_first_run_say_what_the_sweep_waits_for():
    shown = ProgressSnapshot(
        "demo",
        "demo: text_hyper on shapes",
        Phase.FEATURES,
        step="image features",
        done=40,
        total=400,
        phase_seconds=7.0,
    )
    text = "\n".join(drawn(shown, 80))
    assert "encoding features: image features" in text and "40/400" in text and "0:07" in text
    assert "connecting to Ray" in "\n".join(drawn(ProgressSnapshot("demo", "demo", Phase.CONNECTING), 80))


def test_a_terminal_without_block_characters_gets_ascii():
    plain = "\n".join(drawn(snapshot(), ascii_only=True))
    assert "#" in plain and not set("▁▂▃▄▅▆▇█━") & set(plain)


def test_a_redraw_is_cheap():
    shown, console = snapshot(), Console(width=120, height=40, force_terminal=True)
    huge = snapshot(running=200)
    best = {}
    for name, one in (("usual", shown), ("huge", huge)):
        times = []
        for _ in range(20):
            began = time.perf_counter()
            console.render_lines(draw_progress(one, 120, 40))
            times.append(time.perf_counter() - began)
        best[name] = min(times)
    assert best["usual"] < 0.01 and best["huge"] < 0.02, best


def test_snapshot_survives_its_file():
    shown = snapshot()
    assert ProgressSnapshot.from_json(shown.to_json()) == shown
    assert ProgressSnapshot.from_json(b'{"other": 1}') is None
    assert ProgressSnapshot.from_json(shown.to_json().replace(b'{"name"', b'{"later":1,"name"')) == shown
