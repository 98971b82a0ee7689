"""The same job as a Python script with bleak: find the bulb by name, connect, write one frame, disconnect."""

import asyncio
import sys

from bleak import BleakClient, BleakScanner


async def main(name: str, frame: bytes) -> None:
    """Runs the job."""
    device = await BleakScanner.find_device_by_name(name, timeout=30)
    if device is None:
        sys.exit(f"{name} was not found")
    async with BleakClient(device) as client:
        await client.write_gatt_char("0000fff1-0000-1000-8000-00805f9b34fb", frame, response=True)


asyncio.run(main(sys.argv[1], bytes.fromhex(sys.argv[2])))
