"""govee-led-wez: it looks a model up and builds its packets."""

import sys
from contextlib import redirect_stdout

from common import Cases, hexcolor
from govee_led_wez.ble import GoveeBlePacket
from govee_led_wez.color import GoveeColor
from govee_led_wez.models import INFO_BY_MODEL, ModelInfo

COLORS = [(18, 171, 52), (0, 0, 255)]

cases = Cases("govee-led-wez")
for model in INFO_BY_MODEL:
    info = ModelInfo.resolve(model)
    device = cases.device("govee", model, f"GV{model}A1B2")
    for on in (True, False):
        device.writes("on" if on else "off", {"power": on}, [GoveeBlePacket.power(on)])
    for percent in (1, 50, 100):
        device.writes(f"brightness {percent}", {"brightness": percent}, [GoveeBlePacket.brightness(percent, info)])
    for rgb in COLORS:
        frame = GoveeBlePacket.rgb_color(GoveeColor(red=rgb[0], green=rgb[1], blue=rgb[2]), info)
        device.writes(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, [frame])
    with redirect_stdout(sys.stderr):
        # It prints the colour.
        frame = GoveeBlePacket.color_temperature(4000, info)
    device.writes("kelvin 4000", {"kelvin": 4000}, [frame])
    device.say()
