"""A rig, played: its stations advertise, its bulbs answer, its events happen."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

from board import Boards
from bulb import Bulb, advert
from controller import Advert, Air
from rig import Event, Rig, Station

logger = logging.getLogger(__name__)


class AirLog:
    """What happened at the bulbs, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._start = time.monotonic()

    def write(self, bulb: str, event: str, **more: str) -> None:
        """Adds a line."""
        ms = round((time.monotonic() - self._start) * 1000)
        line = {"ms": ms, "bulb": bulb, "event": event, **more}
        print(json.dumps(line, separators=(",", ":")), file=self._file)

    def close(self) -> None:
        """Ends the log."""
        self._file.close()


async def set_adapter(on: bool) -> None:
    """Switches the adapter, as the user would: bluetoothd does it."""
    process = await asyncio.create_subprocess_exec(
        "dbus-send", "--system", "--print-reply", "--dest=org.bluez", "/org/bluez/hci0",
        "org.freedesktop.DBus.Properties.Set",
        "string:org.bluez.Adapter1", "string:Powered", f"variant:boolean:{'true' if on else 'false'}",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait() != 0:
        logger.warning("bluetoothd did not switch the adapter %s", "on" if on else "off")


class World:
    """One rig on the air, until it is stopped."""

    def __init__(self, rig: Rig, air: Air, log: AirLog, boards: Boards) -> None:
        boards.clear()
        self._rig = rig
        self._air = air
        self._log = log
        self.bulbs = {spec.station.address: Bulb(spec, air, log, boards) for spec in rig.bulbs}
        self._bystanders = [(station, advert(station, connectable=False)) for station in rig.bystanders]
        self._tasks: list[asyncio.Task[None]] = []
        self._events: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Puts the adapter into the rig's state, and every station on the air."""
        await set_adapter(self._rig.adapter == "on")
        for bulb in self.bulbs.values():
            self._run(self._advertise_bulb(bulb))
            if bulb.battery is not None and bulb.spec.battery_drain:
                self._run(bulb.drain())
        for station, sent in self._bystanders:
            self._run(self._advertise(station, sent))

    def _run(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _advertise_bulb(self, bulb: Bulb) -> None:
        while True:
            if bulb.advertising:
                self._air.central.hear(bulb.advert)
            await asyncio.sleep(bulb.spec.station.interval)

    async def _advertise(self, station: Station, sent: Advert) -> None:
        while True:
            self._air.central.hear(sent)
            await asyncio.sleep(station.interval)

    def go(self) -> None:
        """The command under test starts now: the events count from here."""
        if self._events is not None:
            self._events.cancel()
        self._events = asyncio.create_task(self._play())

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for event in self._rig.events:
            await asyncio.sleep(max(0.0, start + event.at - loop.time()))
            await self._happen(event)

    async def _happen(self, event: Event) -> None:
        logger.info("event %s", event)
        if event.adapter is not None:
            await set_adapter(event.adapter == "on")
            return
        bulb = self.bulbs[event.bulb or ""]
        match event.do:
            case "set":
                bulb.set(event.state)
            case "drop":
                bulb.drop()
            case "vanish":
                bulb.vanish()
            case "appear":
                bulb.appear()
            case "rename":
                bulb.rename(event.name or "")

    async def stop(self) -> None:
        """Takes everything off the air; a link that is still up is dropped."""
        tasks = [*self._tasks, *([self._events] if self._events else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bulb in self.bulbs.values():
            bulb.present = False
            bulb.drop()
            self._air.peers.pop(bulb.address, None)
        self._log.close()
