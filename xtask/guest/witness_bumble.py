"""A witness for `bulbctl emulate`: Bumble's own central, on a controller of its own beside the kernel's adapters.

`drive` does what witness_bleak.py does. `connect` connects again and again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bumble import hci
from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink
from controller import Air, KernelController

ADDRESS = "02:B0:1B:00:00:04"
CONTROL, STATUS = UUID.from_16_bits(0xFFF1), UUID.from_16_bits(0xFFF2)
BATTERY = UUID.from_16_bits(0x2A19)
CONFIGURATION = UUID.from_16_bits(0x2902)


@asynccontextmanager
async def central(air: Air) -> AsyncIterator[Device]:
    """Bumble's central while it is used."""
    controller = KernelController("witness", None, None, air, ADDRESS)
    try:
        device = Device(
            name="witness",
            address=hci.Address(ADDRESS, hci.Address.PUBLIC_DEVICE_ADDRESS),
            host=Host(controller, AsyncPipeSink(controller)),
        )
        await device.power_on()
        yield device
    finally:
        air.remove_controller(controller)


async def link(device: Device, bulb: str) -> Connection:
    """Connects to a bulb, by its name or its address; a public one ends with `/P`."""
    async with asyncio.timeout(60):
        return await device.connect(bulb, own_address_type=hci.OwnAddressType.PUBLIC)


def characteristic(peer: Peer, uuid: UUID) -> CharacteristicProxy:
    """The only characteristic with this UUID."""
    (found,) = peer.get_characteristics_by_uuid(uuid)
    return found


async def drive(air: Air, name: str, frames: list[str]) -> dict[str, Any]:
    """Subscribes, writes the frames, and reads. Returns what was notified and read."""
    notified: asyncio.Queue[bytes] = asyncio.Queue()
    received = []
    async with central(air) as device, asyncio.timeout(120):
        connection = await link(device, name)
        async with Peer(connection) as peer:
            status = characteristic(peer, STATUS)
            await peer.discover_descriptors(status)
            await peer.subscribe(status, notified.put_nowait)
            for frame in frames:
                await peer.write_value(characteristic(peer, CONTROL), bytes.fromhex(frame), with_response=True)
                received.append((await notified.get()).hex())
            read = (await peer.read_value(status)).hex()
            battery = (await peer.read_value(characteristic(peer, BATTERY)))[0]
        await connection.disconnect()
    return {"notified": received, "read": read, "battery": battery}


async def connect(air: Air, address: str, frames: list[str], times: int) -> dict[str, Any]:
    """Connects this often. Each time it subscribes, writes the next frame, and awaits its notification.

    Finds the handles in the first link only. Returns how many frames were notified, and the seconds that each step took.
    """
    good = 0
    seconds = {"connect": 0.0, "frame": 0.0, "disconnect": 0.0}
    handles: Handles | None = None
    async with central(air) as device:
        for number in range(times):
            frame = bytes.fromhex(frames[number % len(frames)])
            start = time.monotonic()
            connection = await link(device, address)
            linked = time.monotonic()
            async with asyncio.timeout(60):
                peer = Peer(connection)
                handles = handles or await find_handles(peer)
                good += await is_notified(peer, handles, frame)
                written = time.monotonic()
                await connection.disconnect()
            seconds["connect"] += linked - start
            seconds["frame"] += written - linked
            seconds["disconnect"] += time.monotonic() - written
    return {"good": good, "seconds": {step: round(value, 1) for step, value in seconds.items()}}


@dataclass(frozen=True)
class Handles:
    """The attribute handles that `connect` uses."""

    control: int
    status: int
    configuration: int


async def find_handles(peer: Peer) -> Handles:
    """Reads the table of a bulb."""
    async with peer:
        status = characteristic(peer, STATUS)
        await peer.discover_descriptors(status)
        (configuration,) = (one for one in status.descriptors if one.type == CONFIGURATION)
        return Handles(characteristic(peer, CONTROL).handle, status.handle, configuration.handle)


async def is_notified(peer: Peer, handles: Handles, frame: bytes) -> bool:
    """Subscribes and writes a frame. Returns true if the same frame is notified."""
    notified: asyncio.Queue[bytes] = asyncio.Queue()
    peer.gatt_client.notification_subscribers[handles.status] = {notified.put_nowait}
    await peer.write_value(handles.configuration, bytes([1, 0]), with_response=True)
    await peer.write_value(handles.control, frame, with_response=True)
    return await notified.get() == frame
