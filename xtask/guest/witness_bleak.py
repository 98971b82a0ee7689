"""A witness for `bulbctl emulate`: bleak finds a bulb of the base protocol by name, subscribes, writes frames, and reads.

Prints one JSON object: the frames that were notified, the state that was read, and the battery level.
"""

import asyncio
import json
import sys

from bleak import BleakClient, BleakScanner

CONTROL = "0000fff1-0000-1000-8000-00805f9b34fb"
STATUS = "0000fff2-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"


async def main(name: str, frames: list[str]) -> None:
    """Runs the job."""
    device = await BleakScanner.find_device_by_name(name, timeout=30, adapter="hci0")
    if device is None:
        sys.exit(f"{name} was not found")
    notified: asyncio.Queue[str] = asyncio.Queue()
    received = []
    async with BleakClient(device, timeout=30, adapter="hci0") as client:
        await client.start_notify(STATUS, lambda _, data: notified.put_nowait(data.hex()))
        for frame in frames:
            await client.write_gatt_char(CONTROL, bytes.fromhex(frame), response=True)
            received.append(await asyncio.wait_for(notified.get(), 10))
        state = await client.read_gatt_char(STATUS)
        battery = await client.read_gatt_char(BATTERY)
    print(json.dumps({"notified": received, "read": state.hex(), "battery": battery[0]}))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
