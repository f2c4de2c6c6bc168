"""A headless Chromium, driven by the DevTools protocol: what a page complains of, asks for and looks like."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)
SMALLEST = 10.0  # pixels: smaller text is not read
_SECONDS = 60.0
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0")
_LOOK = """(() => {
  const root = document.documentElement, texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement, words = walker.currentNode.data.trim();
    if (!words || !owner.getClientRects().length || owner.closest("style, title")) continue;
    const scale = owner.ownerSVGElement ? owner.getScreenCTM() : {a: 1, b: 0};
    texts.push([parseFloat(getComputedStyle(owner).fontSize) * Math.hypot(scale.a, scale.b), words]);
  }
  texts.sort((one, other) => one[0] - other[0]);
  return {wide: root.scrollWidth, room: root.clientWidth, smallest: texts[0] || null};
})()"""


class Page:
    """One tab: commands go out by number, events come in between."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.number, self.events = socket, 0, []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        while (message := await self._next()).get("id") != self.number:
            self.events.append(message)
        assert "error" not in message, message
        return message["result"]

    async def until(self, method: str) -> None:
        while all(event["method"] != method for event in self.events):
            self.events.append(await self._next())

    async def evaluate(self, script: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=script, returnByValue=True))["result"].get("value")

    async def _next(self) -> dict[str, Any]:
        return json.loads(await self.socket.receive_str(timeout=_SECONDS))


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """Start a browser with a profile of its own; gives the address of its DevTools."""
    port = profile / "DevToolsActivePort"
    process = subprocess.Popen(
        [str(EXECUTABLE), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield asyncio.run(_address(port, process))
    finally:
        process.terminate()
        process.wait()


async def _address(port: Path, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(int(_SECONDS * 10)):
        if port.is_file() and (lines := port.read_text().splitlines()):
            return f"http://127.0.0.1:{lines[0]}"
        assert process.poll() is None, f"{EXECUTABLE} ended with {process.returncode}"
        await asyncio.sleep(0.1)
    raise AssertionError(f"{EXECUTABLE} did not open its DevTools")


def look(browser: str, path: Path, width: int, dark: bool, picture: Path | None = None) -> list[str]:
    """Open a page and say what is wrong with it: errors, requests, overflow, small text.

    Args:
        browser: Address of its DevTools.
        path: The page.
        width: Of the screen, in pixels.
        dark: Whether the reader prefers dark pages.
        picture: Where to save a picture of the whole page.
    """
    return asyncio.run(_look(browser, path, width, dark, picture))


def ask(browser: str, path: Path, script: str, width: int, height: int = 800, media: str = "screen") -> Any:
    """Open a page and return what a script finds on it.

    Args:
        browser: Address of its DevTools.
        path: The page.
        script: An expression.
        width: Of the screen, in pixels.
        height: Of the screen, in pixels.
        media: ``screen`` or ``print``; a printer is asked by a reader who prefers dark pages.
    """
    return asyncio.run(_ask(browser, path, script, width, height, media))


async def _ask(browser: str, path: Path, script: str, width: int, height: int, media: str) -> Any:
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{browser}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            await page.call("Page.enable")
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            await page.call("Emulation.setDeviceMetricsOverride", **size)
            dark = {"name": "prefers-color-scheme", "value": "dark" if media == "print" else "light"}
            await page.call("Emulation.setEmulatedMedia", media=media, features=[dark])
            await page.call("Page.navigate", url=path.as_uri())
            await page.until("Page.loadEventFired")
            found = await page.evaluate(script)
            await page.call("Page.close")
    return found


async def _look(browser: str, path: Path, width: int, dark: bool, picture: Path | None) -> list[str]:
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{browser}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            await page.call("Emulation.setDeviceMetricsOverride", **size)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            await page.call("Emulation.setEmulatedMedia", features=[scheme])
            await page.call("Page.navigate", url=path.as_uri())
            await page.until("Page.loadEventFired")
            found = _shape(await page.evaluate(_LOOK), "folded")
            if picture is not None:
                shot = await page.call("Page.captureScreenshot", captureBeyondViewport=True)
                picture.write_bytes(base64.b64decode(shot["data"]))
            await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            found += _shape(await page.evaluate(_LOOK), "unfolded")
            found += _complaints(page.events, path.as_uri())
            await page.call("Page.close")
    return found


def _shape(measured: dict[str, Any], state: str) -> list[str]:
    found = []
    if measured["wide"] > measured["room"]:
        found.append(f"{state}: {measured['wide']} pixels wide in a window of {measured['room']}")
    if measured["smallest"] and measured["smallest"][0] < SMALLEST:
        found.append(f"{state}: text of {measured['smallest'][0]:.1f} pixels: {measured['smallest'][1]}")
    return found


def _complaints(events: list[dict[str, Any]], address: str) -> list[str]:
    found = []
    for event in events:
        method, told = event["method"], event.get("params", {})
        if method == "Runtime.exceptionThrown":
            found.append(f"exception: {told['exceptionDetails']['text']}")
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert", "warning"):
            found.append(f"console: {told['args']}")
        if method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            found.append(f"log: {told['entry']['text']}")
        if method == "Network.requestWillBeSent" and not told["request"]["url"].startswith((address, "data:")):
            found.append(f"request: {told['request']['url']}")
    return found
