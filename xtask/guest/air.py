"""The virtual air of the real-stack run: a Bluetooth controller for the kernel, and the bulbs of a rig file around it.

Runs in the virtual machine for as long as that is up. Obeys a unix socket: one JSON object a line, one in answer.

    {"do": "load", "rig": PATH}     takes the old world down and plays this rig; its bulbs are on the air when it answers
    {"do": "go"}                    the command under test starts now: the rig's events count from here
    {"do": "state"}                 what every bulb is doing
    {"do": "stop"}                  takes the world down

An answer has "ok"; a refusal has "error" as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

import rig as rigs
from board import BoardError, Boards
from bumble.transport.vhci import open_vhci_transport
from controller import REMOTE_USER_TERMINATED, Air, KernelController
from world import AirLog, World

logger = logging.getLogger(__name__)

ADAPTER_ADDRESS = "02:B0:1B:00:00:01"


class Control:
    """What the socket can ask for."""

    def __init__(self, air: Air, log: Path, boards: Boards) -> None:
        self._air = air
        self._boards = boards
        self._log = log
        self._world: World | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it hangs up."""
        while line := await reader.readline():
            try:
                answer = await self._answer(json.loads(line))
            except (rigs.RigError, BoardError, ValueError, KeyError) as error:
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
                rig = rigs.load(Path(request["rig"]))
                await self._stop()
                self._air.reason = REMOTE_USER_TERMINATED
                logger.info("rig %s", request["rig"])
                self._world = World(rig, self._air, AirLog(self._log), self._boards)
                await self._world.start()
            case "reason":
                self._air.reason = request["code"]
            case "go":
                self._need().go()
            case "state":
                return {"ok": True, "bulbs": [bulb.describe() for bulb in self._need().bulbs.values()]}
            case "stop":
                await self._stop()
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
    """Opens the controller, serves the socket, and stays."""
    air = Air()
    transport = await open_vhci_transport(arguments.vhci)
    KernelController(transport.source, transport.sink, air, ADAPTER_ADDRESS)
    control = Control(air, arguments.log, Boards(arguments.board))
    arguments.socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(control.serve, arguments.socket)
    logger.info("on the air")
    async with server:
        await transport.source.wait_for_termination()


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description="virtual Bluetooth air")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen for control")
    parser.add_argument("--log", type=Path, required=True, help="where the air log of the present rig goes")
    parser.add_argument("--board", type=Path, required=True, help="the program that plays the lamps themselves")
    parser.add_argument("--vhci", default="/dev/vhci", help="the kernel's virtual HCI device")
    parser.add_argument("--check", type=Path, nargs="*", help="only read these rig files")
    arguments = parser.parse_args()
    if arguments.check is not None:
        for path in arguments.check:
            rigs.load(path)
        return
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
