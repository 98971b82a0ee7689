"""The virtual air of the real-stack run: Bluetooth controllers for the kernel, and the bulbs of a rig around the first.

Runs in the virtual machine until that is switched off. Gives each program that connects to a second socket a controller
of its own, which speaks HCI as on a serial line (H4). Takes requests from a unix socket: a JSON object a line, and a
JSON object in response.

    {"do": "load", "rig": PATH}     stops the present rig and plays this one; its bulbs advertise from now on
    {"do": "go"}                    the command under test starts now: the rig's events count from here
    {"do": "unplug"}, {"do": "plug"}  takes the adapters away from the kernel, and gives them back
    {"do": "reason", "code": CODE}  sets the HCI reason that the kernel gets when a bulb ends its link
    {"do": "state"}                 describes every bulb
    {"do": "stop"}                  stops the rig
    {"do": "drive", "name": NAME, "frames": [HEX]}  drives a bulb that an adapter plays, as Bumble's central
    {"do": "connect", "to": ADDRESS, "frames": [HEX], "times": N}    connects to such a bulb again and again

A response has "ok". If that is false, it has "error" too.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from bumble.transport.common import ParserSource, StreamPacketSink, Transport
from bumble.transport.vhci import open_vhci_transport
from controller import REMOTE_USER_TERMINATED, Air, KernelController
from server import BulbServer, ServerError
from world import AirLog, World

logger = logging.getLogger(__name__)

# The kernel's adapters, in the order of their names: one that drives bulbs, one that is a bulb, and one more to drive that.
ADAPTERS = {f"hci{number}": f"02:B0:1B:00:00:0{number + 1}" for number in range(3)}

# What the controllers of boards have besides the static random address that firmware sets.
BOARD = "02:B0:1B:00:00:05"


class Adapters:
    """The kernel's adapters, which can be unplugged."""

    def __init__(self, path: str, air: Air) -> None:
        self._path = path
        self._air = air
        self._plugged: list[tuple[Transport, KernelController]] = []

    async def plug(self) -> None:
        """Gives the kernel its adapters, if it has none."""
        if self._plugged:
            return
        for name, address in ADAPTERS.items():
            transport = await open_vhci_transport(self._path)
            controller = KernelController(name, transport.source, transport.sink, self._air, address)
            self._plugged.append((transport, controller))

    async def unplug(self) -> None:
        """Takes them away."""
        plugged, self._plugged = self._plugged, []
        for transport, controller in plugged:
            self._air.remove_controller(controller)
            await transport.close()


class Boards:
    """Controllers for programs that are firmware."""

    def __init__(self, air: Air) -> None:
        self._air = air

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a program until it hangs up."""
        source = ParserSource()
        controller = KernelController("board", source, StreamPacketSink(writer.transport), self._air, BOARD)
        try:
            while data := await reader.read(4096):
                source.parser.feed_data(data)
        finally:
            controller.switch_off()
            self._air.remove_controller(controller)
            writer.close()


async def witness() -> Any:
    """Bumble's central. Its import takes so long that it waits until it is needed, in a thread."""
    return await asyncio.to_thread(importlib.import_module, "witness_bumble")


class Control:
    """Handles the requests from the socket."""

    def __init__(self, air: Air, adapters: Adapters, log: Path, server: BulbServer) -> None:
        self._air = air
        self._adapters = adapters
        self._server = server
        self._log = log
        self._world: World | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a client until it hangs up."""
        while line := await reader.readline():
            try:
                answer = await self._answer(json.loads(line))
            except (ServerError, ValueError, KeyError) as error:
                answer = {"ok": False, "error": str(error)}
            except Exception as error:
                logger.exception("control")
                answer = {"ok": False, "error": repr(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "load":
                await self._stop()
                rig = self._server.ask("load", rig=request["rig"])
                self._air.reason = REMOTE_USER_TERMINATED
                logger.info("rig %s", request["rig"])
                self._world = World(rig, self._air, AirLog(self._log), self._server)
                await self._world.start()
            case "plug":
                await self._adapters.plug()
            case "unplug":
                await self._adapters.unplug()
            case "reason":
                self._air.reason = request["code"]
            case "go":
                self._need().go()
            case "state":
                return {"ok": True, "bulbs": [bulb.describe() for bulb in self._need().bulbs.values()]}
            case "stop":
                await self._stop()
            case "drive":
                return {"ok": True, **await (await witness()).drive(self._air, request["name"], request["frames"])}
            case "connect":
                connect = (await witness()).connect
                arguments = (request["to"], request["frames"], request["times"])
                return {"ok": True, **await connect(self._air, *arguments)}
            case other:
                return {"ok": False, "error": f"unknown request {other!r}"}
        return {"ok": True}

    def _need(self) -> World:
        if self._world is None:
            raise ValueError("no rig is loaded")
        return self._world

    async def _stop(self) -> None:
        if self._world is not None:
            world, self._world = self._world, None
            await world.stop()


async def run(arguments: argparse.Namespace) -> None:
    """Opens the controller and serves the socket."""
    air = Air()
    adapters = Adapters(arguments.vhci, air)
    await adapters.plug()
    control = Control(air, adapters, arguments.log, BulbServer(arguments.bulbs))
    arguments.socket.unlink(missing_ok=True)
    arguments.boards.unlink(missing_ok=True)
    boards = await asyncio.start_unix_server(Boards(air).serve, arguments.boards)
    server = await asyncio.start_unix_server(control.serve, arguments.socket)
    logger.info("on the air")
    async with boards, server:
        await server.serve_forever()


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="virtual Bluetooth air")
    parser.add_argument("--socket", type=Path, required=True, help="the socket for requests")
    parser.add_argument("--boards", type=Path, required=True, help="the socket for firmware")
    parser.add_argument("--log", type=Path, required=True, help="the air log of the present rig")
    parser.add_argument("--bulbs", type=Path, required=True, help="the program that plays the bulbs")
    parser.add_argument("--vhci", default="/dev/vhci", help="the kernel's virtual HCI device")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
