"""flux_led by model: a bulb learns its product and version from a report, and its methods are called.

Its bulbs are the same on WiFi. Power is left out, because it has the bytes of another transport there.
"""

import asyncio

from common import Cases, hexcolor
from flux_led import aiodevice
from flux_led.aio import AIOWifiLedBulb
from flux_led.const import COLOR_MODE_CCT, COLOR_MODE_DIM, COLOR_MODE_RGBW, COLOR_MODE_RGBWW, COLOR_MODES_RGB
from flux_led.models_db import MODELS
from flux_led.protocol import ProtocolLEDENET8Byte
from zengge_effects import EFFECTS

COLORS = [(255, 0, 0), (0, 255, 0), (18, 52, 86)]
SWITCHES = {"Switch", "Socket", "Power"}


def report(product, version, mode):
    body = bytes([0x81, product, 0x23, 0x61, mode, 0x10, 0, 0, 0, 0, version, 0, 0xF0])
    return body + bytes([sum(body) & 0xFF])


def mode_of(model):
    """What a controller says of its outputs. If its owner can set that: colour or white, not both together."""
    modes = model.mode_to_color_mode.items()
    return next((mode for mode, modes in modes if len(modes) > 1), 0x23)


def bulb_of(model, version):
    bulb = AIOWifiLedBulb("127.0.0.1")
    sent = []

    async def send(message):
        sent.append(bytes(message))

    bulb._async_send_msg = send
    bulb._protocol = ProtocolLEDENET8Byte()
    frame = report(model.model_num, version, mode_of(model))
    bulb._set_protocol_from_msg(frame, bulb._protocol.name)
    # The very old controllers have reports of their own, and are not these.
    return (bulb, sent) if bulb._protocol.is_valid_state_response(frame) and bulb.process_state_response(frame) else None


async def commands(bulb, sent, device):
    async def writes(call):
        sent.clear()
        await call
        return [bytes(frame) for frame in sent]

    modes = bulb._internal_color_modes
    colour = bool(COLOR_MODES_RGB.intersection(modes))
    for rgb in COLORS:
        ask = {"color": hexcolor(rgb)}
        if colour:
            device.writes(f"color {hexcolor(rgb)}", ask, await writes(bulb.async_set_levels(*rgb)))
        else:
            device.refuses(f"color {hexcolor(rgb)}", ask)
    has_white = COLOR_MODE_RGBW in modes or colour and COLOR_MODE_DIM in modes
    if has_white and not bulb.rgbwprotocol:
        device.writes("white 100", {"white": 100}, await writes(bulb.async_set_levels(w=255)))
    if COLOR_MODE_CCT in modes or COLOR_MODE_RGBWW in modes:
        for kelvin in (2700, 6500):
            device.writes(f"kelvin {kelvin}", {"kelvin": kelvin}, await writes(bulb.async_set_white_temp(kelvin, 255)))
    if modes == {COLOR_MODE_DIM}:
        for percent in (1, 50, 100):
            level = round(percent * 255 / 100)
            device.writes(f"brightness {percent}", {"brightness": percent}, await writes(bulb.async_set_levels(w=level)))
    if colour and set(EFFECTS) <= set(bulb.effect_list):
        for theirs in ("colorloop", "red_strobe", "colorjump"):
            ask = {"effect": EFFECTS[theirs], "speed": 50}
            device.writes(f"effect {EFFECTS[theirs]}", ask, await writes(bulb.async_set_effect(theirs, 50)))


async def main():
    aiodevice.COMMAND_SPACING_DELAY = 0
    cases = Cases("flux_led")
    for model in MODELS:
        versions = sorted({max(protocol.min_version, 1) for protocol in model.protocols})
        for version in versions:
            known = bulb_of(model, version)
            if known is None:
                continue
            label = f"{model.model_num:02X} version {version}"
            name = f"LEDnetWF0200{model.model_num:02X}112233"
            device = cases.device("lednetwf", label, name, payload=True)
            if SWITCHES & set(model.description.split()):
                device.not_driven("a switch")
            else:
                await commands(*known, device)
            device.say()


asyncio.run(main())
