"""A rig on the air: its devices advertise, its bulbs respond, its events happen."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

from bulb import Bulb, build_advert
from controller import Advert, Air
from server import BulbServer

logger = logging.getLogger(__name__)


class AirLog:
    """The events at the bulbs, a JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._start = time.monotonic()

    def write(self, bulb: str, event: str, **more: str) -> None:
        """Writes a line."""
        ms = round((time.monotonic() - self._start) * 1000)
        line = {"ms": ms, "bulb": bulb, "event": event, **more}
        print(json.dumps(line, separators=(",", ":")), file=self._file)

    def close(self) -> None:
        """Closes the log."""
        self._file.close()


async def set_adapter(on: bool) -> None:
    """Switches the adapter through bluetoothd, as a user does."""
    process = await asyncio.create_subprocess_exec(
        "dbus-send", "--system", "--print-reply", "--dest=org.bluez", "/org/bluez/hci0",
        "org.freedesktop.DBus.Properties.Set",
        "string:org.bluez.Adapter1", "string:Powered", f"variant:boolean:{'true' if on else 'false'}",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait() != 0:
        logger.warning("bluetoothd did not switch the adapter %s", "on" if on else "off")


class World:
    """A rig on the air, until it is stopped."""

    def __init__(self, rig: dict[str, Any], air: Air, log: AirLog, server: BulbServer) -> None:
        self._rig = rig
        self._server = server
        self._air = air
        self._log = log
        self.bulbs = {
            spec["address"]: Bulb(number, spec, air, log, server) for number, spec in enumerate(rig["bulbs"])
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._events: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the adapter as the rig says, and starts to advertise."""
        await set_adapter(self._rig["adapter"] == "on")
        for bulb in self.bulbs.values():
            self._run(self._advertise_bulb(bulb))
            if bulb.spec["battery_drain"]:
                self._run(bulb.drain())
        for spec in self._rig["bystanders"]:
            sent = build_advert(spec, spec["name"], spec["advert"], connectable=False)
            self._run(self._advertise(spec["interval"], sent))

    def _run(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _advertise_bulb(self, bulb: Bulb) -> None:
        while True:
            if bulb.advertising:
                self._air.central.hear(bulb.advert)
            await asyncio.sleep(bulb.spec["interval"])

    async def _advertise(self, interval: float, sent: Advert) -> None:
        while True:
            self._air.central.hear(sent)
            await asyncio.sleep(interval)

    def go(self) -> None:
        """Starts the events: the command under test starts now."""
        if self._events is not None:
            self._events.cancel()
        self._events = asyncio.create_task(self._play())

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, event in sorted(enumerate(self._rig["events"]), key=lambda numbered: numbered[1]["at"]):
            await asyncio.sleep(max(0.0, start + event["at"] - loop.time()))
            await self._apply(number, event)

    async def _apply(self, number: int, event: dict[str, Any]) -> None:
        logger.info("event %s", event)
        if event["adapter"] is not None:
            await set_adapter(event["adapter"])
            return
        bulb = self.bulbs[event["bulb"]]
        match event["do"]:
            case "set":
                self._server.ask("set", event=number)
                bulb.changed()
            case "drop":
                bulb.drop()
            case "vanish":
                bulb.vanish()
            case "appear":
                bulb.appear()
            case "rename":
                bulb.rename(event["name"])

    async def stop(self) -> None:
        """Stops advertising and drops all links."""
        tasks = [*self._tasks, *([self._events] if self._events else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bulb in self.bulbs.values():
            bulb.stop()
        self._log.close()
