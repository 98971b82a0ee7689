"""PySwitchbot: SwitchBot's bulb and strip. Its own methods are called; what would go over the air is kept."""

import asyncio

from bleak.backends.device import BLEDevice
from common import COLORS, KELVINS, PERCENTS, Cases, hexcolor
from switchbot.adv_parsers.bulb import process_color_bulb
from switchbot.adv_parsers.light_strip import process_wostrip
from switchbot.devices.bulb import SwitchbotBulb
from switchbot.devices.light_strip import SwitchbotLightStrip

COMPANY = 0x0969
EFFECTS = {"colorful": "colorful", "flickering": "flicker", "breathing": "breathe"}
VERSION = bytes([1, 0, 10])


class Recording:
    """Before the transport of either class: keeps commands, and answers as a bulb does."""

    def __init__(self):
        super().__init__(BLEDevice("AA:BB:CC:DD:EE:FF", "WoBulb", None))
        self.writes = []
        self.status = bytes(11)

    async def _send_command_locked_with_retry(self, key, command, retry, attempts):
        self.writes.append(bytes(command))
        answers = {b"\x57\x00\x03": VERSION, b"\x57\x0f\x48\x01": self.status, b"\x57\x0f\x4a\x01": self.status}
        return answers.get(bytes(command), b"\x01")

    async def update(self, *_):
        pass

    def take(self):
        taken, self.writes = self.writes, []
        return taken


class Bulb(Recording, SwitchbotBulb):
    pass


class Strip(Recording, SwitchbotLightStrip):
    pass


async def commands(cases, profile, bulb):
    for on in (True, False):
        await (bulb.turn_on() if on else bulb.turn_off())
        cases.encode(profile, "on" if on else "off", {"power": on}, bulb.take())
    for percent in PERCENTS:
        await bulb.set_brightness(percent)
        cases.encode(profile, f"brightness {percent}", {"brightness": percent}, bulb.take())
    for rgb in COLORS:
        for percent in (0, 50, 100):
            await bulb.set_rgb(percent, *rgb)
            ask = {"color": hexcolor(rgb), "brightness": percent}
            cases.encode(profile, f"color {hexcolor(rgb)} {percent}", ask, bulb.take())


async def reports(cases, profile, bulb):
    for on in (True, False):
        for percent in (0, 1, 50, 100):
            for rgb in ((255, 0, 0), (255, 136, 0), (0, 64, 255)):
                bulb.status = bytes([1, 0x80 if on else 0, percent, *rgb, 0, 0, 0xFF, 0xFF, 2])
                info = await bulb.get_basic_info()
                says = {
                    "power": info["isOn"],
                    "brightness": info["brightness"],
                    "color": hexcolor((info["r"], info["g"], info["b"])),
                    "mode": {1: "white", 2: "color"}[info["color_mode"]],
                }
                frame = bulb.status
                cases.query(profile, "query", bulb.take()[-1])
                cases.decode(profile, f"report {frame.hex()}", frame, says)
    if profile == "switchbot":
        for kelvin in KELVINS:
            bulb.status = bytes([1, 0x80, 50, 0, 0, 0, *kelvin.to_bytes(2, "big"), 0xFF, 0xFF, 1])
            info = await bulb.get_basic_info()
            says = {"power": info["isOn"], "brightness": info["brightness"], "kelvin": info["cw"]}
            cases.decode(profile, f"report {bulb.status.hex()}", bulb.status, says)


def adverts(cases, profile, parser, modes):
    for power in (0x80, 0):
        for percent in (0, 1, 50, 100):
            for number, mode in modes.items():
                data = bytes([0xC4, 0x11, 0, 0, 0, 1, 7, power | percent, number, 0, 0])
                parsed = parser(None, data)
                says = {"power": parsed["isOn"], "brightness": parsed["brightness"]}
                assert parsed["color_mode"] == number
                if mode:
                    says["mode"] = mode
                cases.advert(profile, f"advert {data.hex()}", COMPANY, data, says)


async def main():
    cases = Cases("PySwitchbot")
    bulb, strip = Bulb(), Strip()
    await commands(cases, "switchbot", bulb)
    for kelvin in KELVINS:
        for percent in (0, 50, 100):
            await bulb.set_color_temp(percent, kelvin)
            ask = {"kelvin": kelvin, "brightness": percent}
            cases.encode("switchbot", f"kelvin {kelvin} {percent}", ask, bulb.take())
    for theirs, ours in EFFECTS.items():
        await bulb.set_effect(theirs)
        cases.encode("switchbot", f"effect {ours}", {"effect": ours}, bulb.take())
    await reports(cases, "switchbot", bulb)
    adverts(cases, "switchbot", process_color_bulb, {1: "white", 2: "color", 3: "effect"})

    await commands(cases, "switchbot:strip", strip)
    await reports(cases, "switchbot:strip", strip)
    adverts(cases, "switchbot:strip", process_wostrip, {2: "color", 3: None})


asyncio.run(main())
