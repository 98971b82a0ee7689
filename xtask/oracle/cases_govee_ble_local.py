"""govee-ble-local: its scanner matches an advertisement, and its device is asked. Nothing of its table of models is read here."""

import asyncio
import re

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from common import Cases, hexcolor
from govee_ble_local import (
    Capability,
    Encryption,
    GoveeBleNotSupported,
    create_device,
    match,
    supported_skus,
)
from govee_ble_local.scenes import load_scenes
from govee_ble_local.transport.connection import GoveeConnection

# Generations that an advertisement can have; the library decides which of them make a difference to a model.
GENERATIONS = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1), (10, 1), (10, 2), (10, 3)]
PLAIN, ENCRYPTED = 0x8802, 0x8842
# No tint of a kelvin, which its app sends as kelvin.
COLORS = [(18, 171, 52), (0, 0, 255)]
# What a lit bulb at full brightness answers to the questions that come before some writes: power, level, switches.
ANSWERS = {0x01: bytes([1]), 0x04: bytes([100]), 0x34: bytes([0x80])}


class Recording:
    """Before the transport: keeps what would be written, and answers."""

    def __init__(self):
        self.writes = []

    def install(self):
        async def send(_, frame, **__):
            self.writes.append(bytes(frame))
            return bytes([0x33, frame[1], 0, *bytes(17)])

        async def send_many(_, frames):
            self.writes.extend(bytes(frame) for frame in frames)

        async def send_once(_, frame):
            self.writes.append(bytes(frame))

        async def query(_, frame, **__):
            answer = ANSWERS.get(frame[1])
            return [bytes([0xAA, frame[1]]) + answer.ljust(18, b"\0")] if answer else []

        for stand_in in (send, send_many, send_once, query):
            setattr(GoveeConnection, stand_in.__name__, stand_in)

    def take(self):
        taken, self.writes = self.writes, []
        return taken


def name_of(model, generation):
    """Units of the generations 10 have names of their own; B numbers have no short form."""
    if generation and generation[0] == 10:
        return f"GBK_{model}_A1B2"
    return f"GV{model}A1B2" if model[0] in "HR" else f"Govee_{model}_A1B2"


def seen(name, company=None, data=b""):
    device = BLEDevice("C4:11:00:00:00:01", name, None)
    manufacturer = {company: data} if company else {}
    advertised = AdvertisementData(name, manufacturer, {}, [], None, -50, ())
    return device, advertised, match(device, advertised, allow_modelled=True)


def data_of(generation):
    return bytes([0xEC, 0, *generation, 1])


async def commands(recording, bulb, device):
    take, can = recording.take, bulb.capabilities
    if bulb.profile.segments:
        # As long as the model can be: others are cut, and say so.
        bulb.set_segment_count(bulb.profile.segments)
    for on in (True, False):
        await bulb.set_power(on)
        device.writes("on" if on else "off", {"power": on}, take())
    await bulb.set_power(True)
    take()
    for percent in (1, 50, 100) if Capability.BRIGHTNESS in can else ():
        try:
            await bulb.set_brightness(percent)
        except GoveeBleNotSupported:
            # It wants to know the generation first.
            continue
        device.writes(f"brightness {percent}", {"brightness": percent}, take())
    for rgb in COLORS:
        ask = {"color": hexcolor(rgb)}
        if Capability.RGB in can:
            await bulb.set_rgb(rgb)
            device.writes(f"color {hexcolor(rgb)}", ask, take())
        else:
            device.refuses(f"color {hexcolor(rgb)}", ask)
    if Capability.COLOR_TEMP in can:
        low, high = bulb.min_kelvin, bulb.max_kelvin
        device.kelvin(low, high)
        for kelvin in (low, 4000, high):
            await bulb.set_color_temp(kelvin)
            device.writes(f"kelvin {kelvin}", {"kelvin": kelvin}, take(), known={"brightness": 100})
    else:
        device.refuses("kelvin 4000", {"kelvin": 4000})
    if Capability.SCENES in can:
        for name, scene in sorted(load_scenes(bulb.sku, scene_versions=bulb.scene_versions).items()):
            if not scene.placeholder and bulb.scene_upload_frames(scene) is None:
                await bulb.set_scene_by_name(name)
                device.writes(f"effect {ours(name)}", {"effect": ours(name)}, take())


def ours(name):
    """A scene's name as profiles write it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")


async def one(recording, cases, model, generation):
    """The device of a model, or `None` if the library does not drive it like this."""
    name = name_of(model, generation)
    advert = {"company": PLAIN, "data": data_of(generation)} if generation else {}
    ble_device, advertised, found = seen(name, **advert)
    if found is None or not found.supported:
        return None
    bulb = create_device(ble_device, found.sku, found.advertisement, allow_modelled=True)
    label = f"{found.sku}@{generation[0]}.{generation[1]}" if generation else found.sku
    device = cases.device("govee", label, name, **advert)
    if bulb.encryption is not Encryption.NONE or bulb.profile.relay:
        device.not_driven("needs a key, or is a plug")
    else:
        await commands(recording, bulb, device)
    return device


async def main():
    cases = Cases("govee-ble-local")
    recording = Recording()
    recording.install()
    for model in supported_skus(allow_modelled=True):
        plain = await one(recording, cases, model, None)
        told = []
        for generation in GENERATIONS:
            device = await one(recording, cases, model, generation)
            if device and (plain is None or device.lines != plain.lines):
                told.append(device)
        for device in [plain, *told] if plain else told:
            device.say()
        name = name_of(model, None)
        advert = {"company": ENCRYPTED, "data": data_of((1, 1))}
        _, _, found = seen(name, **advert)
        assert found.advertisement.encrypted
        device = cases.device("govee", found.sku, name, **advert)
        device.not_driven("encrypted unit")
        device.say()


asyncio.run(main())
