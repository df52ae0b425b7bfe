"""`python -m orchestrator.status`: list the running sweeps, on this machine and on the cluster."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import PLACES_PANEL, SWEEPS, Debug, Json, Out, service

if TYPE_CHECKING:
    from rich.table import Table

    from orchestrator.execution.sweep_heartbeat import Heartbeat
    from orchestrator.sweeps.running_sweeps import RunningSweep


@command
@examples("python -m orchestrator.status", "python -m orchestrator.status --address 10.0.0.1:6379 --json")
def status(
    address: Annotated[
        str | None, service("address", "Ray cluster to ask.", "the profile's, or none", PLACES_PANEL)
    ] = None,
    out: Out = SWEEPS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the running sweeps, your own first: owner, progress, slots, time left."""
    import sys

    from orchestrator.cluster.inspect import inspect_cluster, totals
    from orchestrator.cluster.process_registry import cluster_address
    from orchestrator.core.console import make_console
    from orchestrator.sweeps.running_sweeps import running_sweeps

    where = cluster_address(address)
    view = inspect_cluster(where) if where else None
    found = running_sweeps(out, where, view.notices if view else ())
    if json:
        cluster = {"address": view.address, **view.as_dict()} if view else None
        print(json_format.dumps({"cluster": cluster, "sweeps": [one.as_dict() for one in found]}))
        return
    console = make_console(sys.stdout)
    if view:
        console.print(view.error or f"Cluster {view.address}: {totals(view)}.", highlight=False, soft_wrap=True)
    if found:
        console.print(_table(found), highlight=False, markup=False)
    else:
        console.print("No sweep is running.")


def _table(found: list[RunningSweep]) -> Table:
    from datetime import datetime

    from rich.table import Table

    from orchestrator.reporting.duration import duration

    table = Table(box=None, pad_edge=False)
    for header in ("name", "owner", "variant", "data set", "trainings", "slots", "priority", "left", "since", "where"):
        table.add_column(header, no_wrap=header != "where", overflow="fold" if header == "where" else "ellipsis")
    for one in found:
        notice = one.notice
        silent = f", silent for {duration(one.silent)}" if one.silent else ""
        table.add_row(
            notice.name,
            "you" if one.mine else notice.owner,
            notice.variant,
            notice.dataset,
            f"{notice.ended}/{notice.budget}",
            _slots(notice),
            f"{notice.priority:g}",
            "–" if notice.seconds_left is None else duration(notice.seconds_left),
            datetime.fromisoformat(notice.since).astimezone().strftime("%m-%d %H:%M"),
            f"{notice.host}, pid {notice.pid}{silent}",
        )
    return table


def _slots(notice: Heartbeat) -> str:
    """Return the trainings that run and the slots, or that the sweep is paused."""
    if notice.paused:
        return f"paused, {notice.running} ending" if notice.running else "paused"
    return f"{notice.running}/{notice.slots}" if notice.slots else "–"


if __name__ == "__main__":
    status()
