"""govee-h6199-ble: one model in its generations. Its device is asked; what would go over the air is kept."""

import asyncio

from common import Cases, Client, hexcolor
from govee_h6199_ble import DeviceInfo, GoveeH6199, Pact, Version

NAME = "ihoment_H6199_1A2B"


async def main():
    cases = Cases("govee-h6199-ble")
    for generation in ((1, 1), (1, 2), (2, 1), (3, 1), (4, 1)):
        info = DeviceInfo(Version(1, 10, 4), Version(3, 2, 1), pact=Pact(*generation))
        bulb = GoveeH6199(Client(), device_info=info, keep_alive_interval=None)
        sent = []

        async def exchange(frame, _, sent=sent):
            sent.append(bytes(frame))
            return bytes(17)

        bulb.transport.exchange_frame = exchange

        async def writes(call, sent=sent):
            sent.clear()
            await call
            return list(sent)

        label = f"H6199@{generation[0]}.{generation[1]}"
        device = cases.device("govee", label, NAME, company=0x8802, data=bytes([0xEC, 0, *generation, 1]))
        for on in (True, False):
            device.writes("on" if on else "off", {"power": on}, await writes(bulb.set_power(on)))
        for percent in (1, 50, 100):
            ask = {"brightness": percent}
            device.writes(f"brightness {percent}", ask, await writes(bulb.set_brightness(percent)))
        for rgb in ((18, 171, 52), (0, 0, 255)):
            ask = {"color": hexcolor(rgb)}
            device.writes(f"color {hexcolor(rgb)}", ask, await writes(bulb.set_static_color(rgb)))
        for kelvin in (2000, 4000, 9000):
            ask = {"kelvin": kelvin}
            device.writes(f"kelvin {kelvin}", ask, await writes(bulb.set_color_temperature(kelvin)))
        device.say()


asyncio.run(main())
