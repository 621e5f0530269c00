"""A headless chromium that is told what to do over its DevTools protocol: open, run, click, type, wait.

It waits for conditions of the page, never for time. What the page writes to its console as an error or warning, and
what it throws, is kept in `complaints`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

START_S = 40.0
WITHIN_S = 40.0
FLAGS = (
    "--headless=new", "--disable-gpu", "--no-sandbox", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip


class Wire:
    """Commands to one page and what it says by itself. An expression is JavaScript whose value is JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Hand answers to who waits for them, until the browser is gone."""
        async for frame in self._socket:
            said = json.loads(frame.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(said["params"]["exceptionDetails"])[:2000])
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] in ("error", "warning"):
                self.complaints.append(str(said["params"]["entry"]["text"]))
            elif said["method"] == "Runtime.consoleAPICalled" and said["params"]["type"] in ("error", "warning"):
                self.complaints.append(json.dumps(said["params"]["args"])[:2000])

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and what it gives."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(WITHIN_S):
            said = await answer
        assert "error" not in said, (method, said)
        found: dict[str, Any] = said["result"]
        return found

    async def value(self, expression: str) -> Any:
        """What the expression gives; a promise is waited for."""
        told = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until the condition holds on the page, looked at once for each frame that it draws."""
        await self.value(
            "new Promise((done, failed) => { const began = performance.now(); const look = () => {"
            f" if ({condition}) {{ done(true); }}"
            f" else if (performance.now() - began > {WITHIN_S * 900}) {{ failed(new Error({json.dumps(condition)})); }}"
            " else { setTimeout(look, 20); } }; look(); })"
        )


class Tab(Wire):
    """One page as a person uses it. Selectors are CSS."""

    async def open(self, url: str) -> None:
        """Go there and wait until the document and its scripts are in place."""
        await self.command("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    async def click(self, selector: str) -> None:
        """Wait for it and click it in its middle, as a hand would."""
        await self._aim(selector)
        place = await self.value(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    async def type(self, selector: str, text: str) -> None:
        """Put the cursor there and write."""
        await self.click(selector)
        await self.command("Input.insertText", text=text)

    async def text(self, selector: str) -> str:
        """What stands there, once it is there."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        return str(await self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def width(self, pixels: int) -> None:
        """Make the window that wide."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=pixels < 600
        )

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        shot = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=False)
        return base64.b64decode(shot["data"])

    async def _aim(self, selector: str) -> None:
        name = json.dumps(selector)
        await self.until(f"document.querySelector({name})")
        await self.value(f"document.querySelector({name}).scrollIntoView({{block: 'center', behavior: 'instant'}})")


@contextlib.asynccontextmanager
async def browser(program: str, folder: Path) -> AsyncIterator[Tab]:
    """A fresh browser with one tab; its whole process group is ended behind the block."""
    with _running(program, folder) as port:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await tab.command(f"{domain}.enable")
                yield tab
                listening.cancel()


@contextlib.contextmanager
def _running(program: str, folder: Path) -> Iterator[int]:
    """The browser's process; gives the port on which it is told what to do."""
    folder.mkdir(exist_ok=True)
    told, log = folder / "DevToolsActivePort", folder / "browser.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while not told.exists() or "\n" not in told.read_text(encoding="ascii"):
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, "the browser did not start"
            time.sleep(0.02)
        yield int(told.read_text(encoding="ascii").split()[0])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
