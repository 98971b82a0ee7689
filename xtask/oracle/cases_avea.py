"""avea: Elgato's bulb. Its own methods are called, on a client that records."""

from common import FULL, PERCENTS, Cases, Client, hexcolor, level

from avea import Bulb

cases = Cases("avea")
bulb = Bulb("AA:BB:CC:DD:EE:FF")
bulb._client = Client()


def sent(name, ask):
    cases.encode("avea", name, ask, bulb._client.take())


for percent in PERCENTS[1:]:
    # 1 to 100 % on 1 to 4095: 0 is off.
    bulb.set_brightness(1 + (2 * (percent - 1) * 4094 + 99) // 198)
    sent(f"brightness {percent}", {"brightness": percent})
bulb.set_brightness(0)
sent("off", {"power": False})
for rgb in FULL:
    bulb.set_rgb(*rgb)
    sent(f"rgb {hexcolor(rgb)}", {"color": hexcolor(rgb)})
    # The same in the twelve bits that the bulb has.
    bulb.set_color(0, *((2 * channel * 4095 + 255) // 510 for channel in rgb))
    sent(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)})
for percent in PERCENTS:
    bulb.set_color(level(percent, 4095), 0, 0, 0)
    sent(f"white {percent}", {"white": percent})
bulb._submit(bulb._request_notification(b"\x57", expected_cmd=0x57, timeout=0.01))
cases.query("avea", "query brightness", bytes.fromhex(bulb._client.take()[0][1]))
bulb._submit(bulb._request_notification(b"\x35", expected_cmd=0x35, timeout=0.01))
cases.query("avea", "query color", bytes.fromhex(bulb._client.take()[0][1]))

for value in (1, 2048, 4095):
    frame = bytes([0x57]) + value.to_bytes(2, "little")
    bulb.process_notification(frame)
    percent = 1 + (2 * (bulb.brightness - 1) * 99 + 4094) // 8188
    cases.decode("avea", f"report {frame.hex()}", frame, {"power": True, "brightness": percent})
for rgb in ((4095, 0, 0), (0, 4095, 0), (0, 0, 4095), (4095, 2184, 0)):
    # What it reports ends in white, blue, green, red, each with its tag.
    red, green, blue = (value | tag for value, tag in zip(rgb, (0x3000, 0x2000, 0x1000)))
    tagged = b"".join(value.to_bytes(2, "little") for value in (0x8000, blue, green, red))
    frame = bytes.fromhex("35 11 01 0a 00") + tagged
    bulb.process_notification(frame)
    channels = [(2 * value * 255 + 4095) // 8190 for value in (bulb.red, bulb.green, bulb.blue)]
    cases.decode("avea", f"report {frame.hex()}", frame, {"color": hexcolor(channels)})
bulb.close()
