"""govee-btled-h613b: one model. Its methods are called; what would go over the air is kept."""

import asyncio

from bleak.backends.device import BLEDevice
from common import Cases, Client, hexcolor
from govee_btled_H613B import GoveeInstance

NAME = "GBK_H613B_1A2B"


async def main():
    cases = Cases("govee-btled-h613b")
    bulb = GoveeInstance(BLEDevice("C4:11:00:00:00:01", NAME, {"path": ""}))
    sent = []

    async def connected():
        pass

    async def send(commands):
        sent.extend(bytes(command) for command in commands)

    bulb._ensure_connected, bulb._send_command_locked = connected, send
    bulb._client = Client()

    async def writes(call):
        sent.clear()
        await call
        return list(sent)

    device = cases.device("govee", "H613B", NAME)
    device.writes("on", {"power": True}, await writes(bulb.turn_on()))
    device.writes("off", {"power": False}, await writes(bulb.turn_off()))
    for percent in (1, 50, 100):
        device.writes(f"brightness {percent}", {"brightness": percent}, await writes(bulb.set_brightness(percent)))
    for rgb in ((18, 171, 52), (0, 0, 255)):
        device.writes(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, await writes(bulb.set_color(rgb)))
    for kelvin in (2000, 4000, 9000):
        device.writes(f"kelvin {kelvin}", {"kelvin": kelvin}, await writes(bulb.set_color_temp(kelvin)))
    device.say()


asyncio.run(main())
