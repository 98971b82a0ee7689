"""The same job as a Python script with bleak: find the bulb by name, connect, write one frame, disconnect.

With --hold, keeps its client and writes the frame once for each line on stdin, and prints a line after each.
"""

import asyncio
import sys

from bleak import BleakClient, BleakScanner

CHARACTERISTIC = "0000fff1-0000-1000-8000-00805f9b34fb"


async def main(name: str, frame: bytes, hold: bool) -> None:
    """Runs the job."""
    device = await BleakScanner.find_device_by_name(name, timeout=30, adapter="hci0")
    if device is None:
        sys.exit(f"{name} was not found")
    async with BleakClient(device, adapter="hci0") as client:
        if not hold:
            await client.write_gatt_char(CHARACTERISTIC, frame, response=True)
            return
        while await asyncio.to_thread(sys.stdin.readline):
            await client.write_gatt_char(CHARACTERISTIC, frame, response=True)
            print("written", flush=True)


asyncio.run(main(sys.argv[1], bytes.fromhex(sys.argv[2]), "--hold" in sys.argv))
