"""A witness for `bulbctl emulate`: Bumble's own central, on a controller of its own beside the kernel's adapters.

`drive` does what witness_bleak.py does. `connect` connects again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


async def connect(air: Air, address: str, times: int) -> dict[str, Any]:
    """Connects this often, and reads the state each time. Returns how many answers were as long as a state."""
    good = 0
    async with central(air) as device:
        for _ in range(times):
            connection = await link(device, address)
            async with asyncio.timeout(60):
                (state,) = await Peer(connection).read_characteristics_by_uuid(STATUS)
                good += len(state) == 5
                await connection.disconnect()
    return {"good": good}
