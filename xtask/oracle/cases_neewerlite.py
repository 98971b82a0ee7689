"""neewerlite: it tells home lights from studio lights by the name. Its methods are called, on a client that records."""

import asyncio

from common import Cases, Client, hexcolor
from neewerlite import NeewerLight

# Names of its documentation and its scan.
NAMES = ["NH-PD20250006", "NEEWER-RGB62", "NEEWER-GL1C", "NEEWER-RGB660"]
COLORS = [(0, 100, 100, (255, 0, 0)), (240, 100, 50, (0, 0, 255)), (120, 100, 100, (0, 255, 0))]


async def main():
    cases = Cases("neewerlite")
    for name in NAMES:
        light = NeewerLight("F7:AC:16:F1:58:96", name)
        light.client = Client()
        take = light.client.take
        device = cases.device("neewer", name.split("-", 1)[1], name)
        for on in (True, False):
            await light.set_power(on)
            device.writes("on" if on else "off", {"power": on}, take())
        for hue, saturation, brightness, rgb in COLORS:
            await light.set_rgb(hue, saturation, brightness)
            ask = {"color": hexcolor(rgb), "brightness": brightness}
            device.writes(f"color {hexcolor(rgb)} {brightness}", ask, take())
        for kelvin, brightness in ((3200, 50), (4400, 100), (5600, 10)):
            await light.set_cct(kelvin, brightness)
            ask = {"kelvin": kelvin, "brightness": brightness}
            device.writes(f"kelvin {kelvin} {brightness}", ask, take())
        device.say()


asyncio.run(main())
