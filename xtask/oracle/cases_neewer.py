"""neewer: its fleet takes lights by their advertisements, on the radio that the library has for tests."""

import asyncio

from common import Cases, hexcolor
from neewer import Fleet
from neewer.protocol.identity import model_for_name
from neewer.testing import MockTransport, MockTube

ADDRESS = "F7:AC:16:F1:58:96"
COLORS = [(0, 100, 100, (255, 0, 0)), (240, 100, 50, (0, 0, 255)), (120, 100, 100, (0, 255, 0))]
# The batch numbers of tube lights, which the library was tried on.
NUMBERS = ["20240012", "20230031", "20240047"]


async def main():
    cases = Cases("neewer")
    for number in NUMBERS:
        name = f"NW-{number}&00000000"
        assert model_for_name(name).startswith("TL")
        tube = MockTube(mac=ADDRESS, name=name)
        fleet = Fleet(transport=MockTransport(tubes=[tube]))
        await fleet.start()
        while not tube.link_up:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        device = cases.device("neewer", number, name, address=ADDRESS)

        async def writes(call, tube=tube):
            tube.writes.clear()
            await call
            return list(tube.writes)

        for on in (True, False):
            device.writes("on" if on else "off", {"power": on}, await writes(fleet.power("all", on)))
        for hue, saturation, brightness, rgb in COLORS:
            ask = {"color": hexcolor(rgb), "brightness": brightness}
            sent = await writes(fleet.set_hsi("all", hue, saturation, brightness))
            device.writes(f"color {hexcolor(rgb)} {brightness}", ask, sent)
        for kelvin, brightness in ((3200, 50), (4400, 100), (5600, 10)):
            ask = {"kelvin": kelvin, "brightness": brightness}
            sent = await writes(fleet.set_cct("all", brightness, kelvin // 100))
            device.writes(f"kelvin {kelvin} {brightness}", ask, sent)
        await fleet.stop()
        device.say()


asyncio.run(main())
