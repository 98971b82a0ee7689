"""A bridge as a Python script with paho and bleak: writes the frame of each message to a bulb over a link that it holds."""

import asyncio
import sys

from bleak import BleakClient, BleakScanner
from paho.mqtt.client import CallbackAPIVersion, Client

CHARACTERISTIC = "0000fff1-0000-1000-8000-00805f9b34fb"


async def main(name: str, commands: str, ready: str) -> None:
    """Runs until it is interrupted."""
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[bytes] = asyncio.Queue()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: loop.call_soon_threadsafe(
        frames.put_nowait, bytes.fromhex(message.payload.decode())
    )
    client.connect("127.0.0.1")
    client.loop_start()
    device = await BleakScanner.find_device_by_name(name, timeout=30, adapter="hci0")
    if device is None:
        sys.exit(f"{name} was not found")
    async with BleakClient(device, adapter="hci0") as bulb:
        client.subscribe(commands, 1)
        client.publish(ready, "1", qos=1)
        while True:
            await bulb.write_gatt_char(CHARACTERISTIC, await frames.get(), response=True)


try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    pass
