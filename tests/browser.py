"""Chromium without a window, asked over its DevTools protocol what it shows of a page and what went wrong in it."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_MEASURE = """(async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const root = document.documentElement;
  const shown = node => node.getClientRects().length > 0;
  const plots = [...document.querySelectorAll(".plot")].filter(shown);
  const marks = ".trace path, .trace rect, .trace use, .points path, .contourfill path, .hm image";
  const points = ".scatterlayer .point, .barlayer .point path, .barlayer .bar";
  const covered = plots.filter(plot => {
    const legend = plot.querySelector(".legend");
    if (!legend) return false;
    const box = legend.getBoundingClientRect();
    return [...plot.querySelectorAll(points)].some(one => {
      const mark = one.getBoundingClientRect();
      return mark.width && mark.right > box.left + 1 && mark.left < box.right - 1 &&
        mark.bottom > box.top + 1 && mark.top < box.bottom - 1;
    });
  });
  return {
    title: document.title,
    text: document.body.innerText,
    scroll: root.scrollWidth - root.clientWidth,
    plots: plots.map(plot => plot.id),
    empty: plots.filter(plot => !plot.querySelector(marks)).map(plot => plot.id),
    covered: covered.map(plot => plot.id),
    hidden: [...document.querySelectorAll(".plot")].filter(plot => !shown(plot)).map(plot => plot.id),
    images: [...document.images].filter(image => !image.naturalWidth).length,
    injected: window.injected || 0,
  };
})()"""


@dataclass
class Shown:
    """Content of a page at one width, as measured.

    Attributes:
        errors: exceptions, and messages of the console that are warnings or errors.
        requests: addresses that the page asked for, itself and data in it aside.
        measured: what `_MEASURE` returns.
        screenshot: the whole page as PNG.
        pdf: the page as it is printed.
    """

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    screenshot: bytes = b""
    pdf: bytes = b""


def require_browser() -> None:
    """Skip the test without Chromium; in CI, which installs it, a skip is a failure."""
    if PROGRAM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")


@contextmanager
def _running() -> Iterator[str]:
    """Start Chromium and yield the address of its DevTools."""
    assert PROGRAM
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
        command = [PROGRAM, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "HOME": profile}, encoding="utf-8"
        )
        try:
            assert process.stderr
            for line in process.stderr:
                if "DevTools listening on " in line:
                    yield line.partition("DevTools listening on ")[2].strip()
                    break
        finally:
            process.terminate()
            process.wait(20)


def show(path: Path, width: int, dark: bool = False, pdf: bool = False) -> Shown:
    """Open a file in Chromium at a width and return what it shows."""
    with _running() as address:
        return asyncio.run(_show(address, path.as_uri(), width, dark, pdf))


async def _show(address: str, url: str, width: int, dark: bool, pdf: bool) -> Shown:
    shown = Shown()
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        devtools = _DevTools(socket, shown)
        target = await devtools.call("Target.createTarget", url="about:blank")
        attached = await devtools.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        devtools.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await devtools.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await devtools.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await devtools.call("Emulation.setDeviceMetricsOverride", **size)
        await devtools.call("Page.navigate", url=url)
        await devtools.wait_for("Page.loadEventFired")
        found = await devtools.call("Runtime.evaluate", expression=_MEASURE, awaitPromise=True, returnByValue=True)
        shown.measured = found["result"]["value"]
        picture = await devtools.call("Page.captureScreenshot", captureBeyondViewport=True)
        shown.screenshot = base64.b64decode(picture["data"])
        if pdf:
            printed = await devtools.call("Page.printToPDF", printBackground=True)
            shown.pdf = base64.b64decode(printed["data"])
    shown.requests = [one for one in shown.requests if one != url and not one.startswith(("data:", "blob:", "about:"))]
    return shown


class _DevTools:
    """Calls of the protocol; events between them are noted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, shown: Shown) -> None:
        self._socket, self._shown, self._number, self._seen = socket, shown, 0, set[str]()
        self.session: str | None = None

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        await self._socket.send_str(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while (answer := await self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def wait_for(self, event: str) -> None:
        while event not in self._seen:
            await self._next()

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await self._socket.receive(timeout=120)).data)
        method, params = message.get("method", ""), message.get("params", {})
        self._seen.add(method)
        if method == "Runtime.exceptionThrown":
            self._shown.errors.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self._shown.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self._shown.errors.append(str(params["entry"]))
        elif method == "Network.requestWillBeSent":
            self._shown.requests.append(params["request"]["url"])
        return message
