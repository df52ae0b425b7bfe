"""Draw a Plotly figure of lines, markers, bars and contours with Matplotlib, so that PNG and page show the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

_DASHES = {"dot": ":", "dash": "--"}


def draw_like(figure: PlotlyFigure) -> Callable[[MatplotlibFigure], None]:
    """Return a function that draws the figure on an empty Matplotlib figure."""

    def draw(canvas: MatplotlibFigure) -> None:
        content = figure.to_plotly_json()
        layout = content["layout"]
        canvas.set_size_inches(7, max(3.0, min(12.0, (layout.get("height") or 400) / 100)))
        names = list(dict.fromkeys(trace.get("xaxis") or "x" for trace in content["data"]))
        grid: Any = canvas.subplots(1, len(names), sharey=len(names) > 1, squeeze=False)
        axes: dict[str, Axes] = dict(zip(names, grid[0], strict=True))
        for trace in content["data"]:
            if trace["type"] in _DRAW:
                _DRAW[trace["type"]](axes[trace.get("xaxis") or "x"], trace)
        for name, axis in axes.items():
            _finish(axis, layout, name)
        handles = {
            label: h for axis in axes.values() for h, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        if len(handles) > 1 and layout.get("showlegend") is not False:
            canvas.legend(
                list(handles.values()), list(handles), loc="outside lower center", ncols=3, frameon=False, fontsize=8
            )

    return draw


def _scatter(axis: Axes, trace: dict[str, Any]) -> None:
    x, y = (_gaps(trace.get(name)) for name in ("x", "y"))
    line, marker, mode = trace.get("line") or {}, trace.get("marker") or {}, trace.get("mode") or "markers"
    label = _plain(trace["name"]) if trace.get("name") and trace.get("showlegend") is not False else None
    colours = marker.get("color")
    if not isinstance(colours, str) and colours is not None and "lines" not in mode:
        size = marker["size"] if isinstance(marker.get("size"), int | float) else 6
        axis.scatter(x, y, c=_values(colours), s=size**2 * 0.6, label=label, cmap="cividis", alpha=trace.get("opacity"))
        return
    axis.plot(
        x,
        y,
        linestyle=_DASHES.get(line.get("dash", ""), "-") if "lines" in mode else "none",
        drawstyle="steps-post" if line.get("shape") == "hv" else "default",
        linewidth=line.get("width", 1.5) * 0.8,
        marker=("x" if marker.get("symbol") == "x-thin-open" else "o") if "markers" in mode else "none",
        markersize=(marker.get("size") or 6) * 0.6,
        color=line.get("color") or colours,
        markeredgecolor=(marker.get("line") or {}).get("color") or line.get("color") or colours,
        alpha=trace.get("opacity"),
        label=label,
    )


def _bar(axis: Axes, trace: dict[str, Any]) -> None:
    colour = (trace.get("marker") or {}).get("color")
    colour = colour if isinstance(colour, str) or colour is None else list(_values(colour))
    x, y = list(_values(trace["x"])), list(_values(trace["y"]))
    base = list(_values(trace["base"])) if trace.get("base") is not None else None
    if trace.get("orientation") == "h":
        axis.barh(y, x, left=base if base is not None else 0, color=colour, label=trace.get("name"), height=0.7)
    else:
        axis.bar(x, y, bottom=base if base is not None else 0, color=colour, label=trace.get("name"))


def _contour(axis: Axes, trace: dict[str, Any]) -> None:
    import numpy as np

    z = np.array([[math.nan if value is None else value for value in row] for row in _values(trace["z"])], dtype=float)
    rows, columns = np.nonzero(np.isfinite(z))
    # Plotly interpolates between the few cells that have a value; so does a triangulation.
    try:
        x, y = np.array(_values(trace["x"]), dtype=float), np.array(_values(trace["y"]), dtype=float)
        drawn = axis.tricontourf(x[columns], y[rows], z[rows, columns], levels=10, cmap="cividis")
    except (ValueError, RuntimeError):  # names on an axis, fewer than three points, or all on a line
        return
    axis.figure.colorbar(drawn, ax=axis, label="validation SRCC")


_DRAW: dict[str, Callable[[Any, dict[str, Any]], None]] = {"scatter": _scatter, "bar": _bar, "contour": _contour}


def _finish(axis: Axes, layout: dict[str, Any], name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    x_layout = layout.get(f"xaxis{name[1:]}") or {}
    y_layout = layout.get(f"yaxis{name[1:]}") or {}
    axis.set_xlabel(_title(x_layout))
    axis.set_ylabel(_title(y_layout))
    for one, set_scale, drawn in ((x_layout, axis.set_xscale, axis.xaxis), (y_layout, axis.set_yscale, axis.yaxis)):
        if one.get("type") == "log":
            set_scale("log")
            _label_log_axis(drawn)
    for one, set_ticks in ((x_layout, axis.set_xticks), (y_layout, axis.set_yticks)):
        if one.get("ticktext") is not None:
            set_ticks(list(one["tickvals"]), [_plain(text) for text in one["ticktext"]])
        elif set_ticks == axis.set_xticks and _title(one) in {"trial", "epoch"}:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y_layout.get("visible") is False:
        axis.yaxis.set_visible(False)
        axis.spines["left"].set_visible(False)
    for note in layout.get("annotations") or () if name == "x" else ():
        axis.text(note["x"], note["y"], f" {_plain(note['text'])}", fontsize=7, va="center")
    axis.grid(alpha=0.25)


def _label_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers as on the page; typesetting powers takes a fifth of a second."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _title(layout: dict[str, Any]) -> str:
    title = layout.get("title")
    return _plain(title.get("text") or "" if isinstance(title, dict) else title or "")


def _plain(text: Any) -> str:
    from html import unescape

    return unescape(str(text).replace("<br>", "\n")).replace("$", r"\$")


def _values(values: Any) -> Any:
    """Return values of a trace, which Plotly may have packed as bytes."""
    if isinstance(values, dict):
        import base64

        import numpy as np

        shape = [int(length) for length in str(values.get("shape", "-1")).split(",")]
        return np.frombuffer(base64.b64decode(values["bdata"]), np.dtype(values["dtype"])).reshape(shape)
    return list(values)


def _gaps(values: Any) -> list[Any]:
    values = list(_values(values))
    return [math.nan if value is None else value for value in values] if not any(map(_is_text, values)) else values


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
