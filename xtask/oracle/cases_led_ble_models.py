"""led-ble by model: a bulb learns its model from a report, and has the names that its table of models has for it."""

import asyncio

from bleak.backends.device import BLEDevice
from common import Cases, Client, hexcolor
from led_ble import LEDBLE
from led_ble.model_db import MODELS
from zengge_effects import EFFECTS


async def main():
    cases = Cases("led-ble")
    for model in MODELS:
        for name in model.models:
            led = LEDBLE(BLEDevice("AA:BB:CC:DD:EE:FF", name, None))
            led._client = Client()
            led._read_char, led._write_char = "ffd4", "ffd9"
            frame = bytes([0x66, model.model_num, 0x23, 0x41, 0x20, 16, 255, 0, 0, 0, 6, 0x99])
            led._notification_handler(0, bytearray(frame))
            sent = led._client.take
            # Another family has one of these names: the characteristics that the library looks for tell them apart.
            device = cases.device("zengge", f"{model.model_num:02X}", name, table=["ffd5/ffd9"])
            await led.turn_on()
            device.writes("on", {"power": True}, sent())
            await led.turn_off()
            device.writes("off", {"power": False}, sent())
            for rgb in ((255, 0, 0), (0, 255, 0), (18, 52, 86)):
                await led.set_rgb(rgb)
                device.writes(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, sent())
            await led.set_white(255)
            device.writes("white 100", {"white": 100}, sent())
            if set(EFFECTS) <= set(led.effect_list):
                for theirs in ("colorloop", "red_strobe", "colorjump"):
                    await led.async_set_effect(theirs, 100)
                    ask = {"effect": EFFECTS[theirs], "speed": 100}
                    device.writes(f"effect {EFFECTS[theirs]}", ask, sent())
            else:
                await led.async_set_preset_pattern(7, 100, 100)
                device.writes("effect 7", {"effect": "7", "speed": 100, "brightness": 100}, sent())
            device.say()


asyncio.run(main())
