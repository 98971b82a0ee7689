"""PySwitchbot by model: its parser finds the model in an advertisement, and the class of that model is asked.

Which class is for which model, the library does not say itself: its classes have the names of the models.
"""

import asyncio

import switchbot
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from common import Cases, hexcolor
from switchbot import SwitchbotModel, parse_advertisement_data
from switchbot.adv_parser import SUPPORTED_TYPES

COMPANY, SERVICE = 0x0969, "0000fd3d-0000-1000-8000-00805f9b34fb"
ADDRESS = "C4:11:00:00:00:01"
# Address, sequence, power and level, mode; enough for every parser.
DATA = bytes([0xC4, 0x11, 0, 0, 0, 1, 7, 0xE4, 1, 0x10, 0xA4, 0, 0, 0, 0, 0, 0x10, 0x61, 0, 0])
CLASSES = {
    SwitchbotModel.COLOR_BULB: switchbot.SwitchbotBulb,
    SwitchbotModel.LIGHT_STRIP: switchbot.SwitchbotLightStrip,
    SwitchbotModel.CEILING_LIGHT: switchbot.SwitchbotCeilingLight,
    SwitchbotModel.CEILING_LIGHT_PRO: switchbot.SwitchbotCeilingLight,
}


def advertised(key):
    """Service data of a row of its table of models: a letter first, or four bytes at the end."""
    if isinstance(key, str):
        service_data = bytes([ord(key), 0, 0xE4])
    elif len(key) == 1:
        service_data = bytes([key[0], 0, 0xE4])
    else:
        service_data = bytes([0, 0, 0x64]) + key
    return service_data, AdvertisementData(None, {COMPANY: DATA}, {SERVICE: service_data}, [], None, -50, ())


class Recording:
    """Before the transport: keeps commands."""

    def __init__(self):
        super().__init__(BLEDevice(ADDRESS, None, None))
        self.writes = []

    async def _send_command_locked_with_retry(self, key, command, retry, attempts):
        self.writes.append(bytes(command))
        return b"\x01"

    async def update(self, *_):
        pass

    def take(self):
        taken, self.writes = self.writes, []
        return taken


async def commands(light, device):
    await light.turn_on()
    device.writes("on", {"power": True}, light.take())
    await light.turn_off()
    device.writes("off", {"power": False}, light.take())
    modes = {mode.name for mode in light.color_modes}
    # A ceiling light has its white in the same frame.
    known = {} if "RGB" in modes else {"kelvin": 4001}
    for percent in (1, 50, 100):
        await light.set_brightness(percent)
        device.writes(f"brightness {percent}", {"brightness": percent}, light.take(), known=known)
    ask = {"color": hexcolor((255, 102, 0)), "brightness": 50}
    if "RGB" in modes:
        await light.set_rgb(50, 255, 102, 0)
        device.writes("color #ff6600 50", ask, light.take())
    else:
        device.refuses("color #ff6600 50", ask)
    for kelvin in (2700, 4000, 6500):
        ask = {"kelvin": kelvin, "brightness": 50}
        if "COLOR_TEMP" in modes:
            await light.set_color_temp(50, kelvin)
            device.writes(f"kelvin {kelvin} 50", ask, light.take())
        else:
            device.refuses(f"kelvin {kelvin} 50", ask)
    for name in light.get_effect_list or []:
        if name in ("flickering", "breathing"):
            continue
        await light.set_effect(name)
        device.writes(f"effect {name}", {"effect": name}, light.take())


async def main():
    cases = Cases("PySwitchbot")
    for key in SUPPORTED_TYPES:
        service_data, seen = advertised(key)
        found = parse_advertisement_data(BLEDevice(ADDRESS, None, None), seen)
        model = found and found.data.get("modelName")
        if model is None:
            # It has too few bytes for the parser of that model.
            continue
        code = key.encode("latin-1") if isinstance(key, str) else key
        label = f"{model} ({code.hex()})"
        rest = {"company": COMPANY, "data": DATA, "service": SERVICE, "service_data": service_data}
        device = cases.device("switchbot", label, None, **rest)
        kind = CLASSES.get(model)
        if kind is None:
            device.not_driven("no light, or it needs a key")
        else:
            light = type(kind.__name__, (Recording, kind), {})()
            await commands(light, device)
        device.say()


asyncio.run(main())
