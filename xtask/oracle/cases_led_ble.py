"""led-ble: Home Assistant's library for the older Zengge bulbs. Its own methods are called, on a client that records."""

import asyncio

from bleak.backends.device import BLEDevice
from common import COLORS, FULL, PERCENTS, Cases, Client, hexcolor, level
from led_ble import LEDBLE
from zengge_effects import EFFECTS

def status(model, on, pattern, rgb, white, speed=16):
    return bytes([0x66, model, 0x23 if on else 0x24, pattern, 0x20, speed, *rgb, white, 6, 0x99])


async def bulb(model):
    led = LEDBLE(BLEDevice("AA:BB:CC:DD:EE:FF", "Triones:AABBCCDDEEFF", None))
    led._client = Client()
    led._read_char, led._write_char = "ffd4", "ffd9"
    # As on a real link: the first report tells the model, and with it the protocol.
    led._notification_handler(0, bytearray(status(model, True, 0x41, (255, 0, 0), 0)))
    return led


async def main():
    cases = Cases("led-ble")
    led = await bulb(0x15)
    sent = led._client.take

    await led.turn_on()
    cases.encode("zengge", "on", {"power": True}, sent())
    await led.turn_off()
    cases.encode("zengge", "off", {"power": False}, sent())
    await led.update()
    cases.query("zengge", "query", bytes.fromhex(sent()[0][1]))
    for rgb in COLORS:
        await led.set_rgb(rgb)
        cases.encode("zengge", f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, sent())
    for percent in PERCENTS:
        await led.set_white(level(percent, 255))
        cases.encode("zengge", f"white {percent}", {"white": percent}, sent())
    for rgb in ((255, 136, 0), (255, 255, 255), (0, 64, 255)):
        for percent in PERCENTS:
            await led.set_rgb(rgb, level(percent, 255))
            ask = {"color": hexcolor(rgb), "brightness": percent}
            cases.encode("zengge", f"brightness {percent} of {hexcolor(rgb)}", ask, sent())
    assert set(EFFECTS) <= set(led.effect_list), set(EFFECTS) - set(led.effect_list)
    for theirs, ours in EFFECTS.items():
        for speed in (0, 1, 33, 50, 67, 99, 100):
            await led.async_set_effect(theirs, speed)
            cases.encode("zengge", f"effect {ours} {speed}", {"effect": ours, "speed": speed}, sent())
    for speed in PERCENTS:
        await led.async_set_effect("colorloop", speed)
        cases.encode("zengge", f"speed {speed}", {"effect": "fade-7", "speed": speed}, sent())

    for on in (True, False):
        for rgb in FULL:
            report(cases, led, "zengge", status(0x15, on, 0x41, rgb, 0))
        for white in range(256):
            report(cases, led, "zengge", status(0x15, on, 0x41, (0, 0, 0), white))
        for pattern in range(0x25, 0x39):
            report(cases, led, "zengge", status(0x15, on, pattern, (0, 0, 0), 0))
        acknowledged = bytes([0xCC, 0x23 if on else 0x24, 0, 0])
        report(cases, led, "zengge", acknowledged, ack=True)

    dream = await bulb(0x10)
    sent = dream._client.take
    for number in (1, 2, 5, 128, 254, 255):
        await dream.async_set_preset_pattern(number, 50, 100)
        ask = {"effect": str(number), "speed": 50, "brightness": 100}
        cases.encode("zengge:dream", f"effect {number}", ask, sent())
    for percent in PERCENTS:
        await dream.async_set_preset_pattern(7, percent, 100)
        ask = {"effect": "7", "speed": percent, "brightness": 100}
        cases.encode("zengge:dream", f"speed {percent}", ask, sent())
        await dream.async_set_preset_pattern(7, 100, percent)
        ask = {"effect": "7", "speed": 100, "brightness": percent}
        cases.encode("zengge:dream", f"effect brightness {percent}", ask, sent())
    for rgb in FULL:
        await dream.set_rgb(rgb)
        cases.encode("zengge:dream", f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, sent())


def report(cases, led, profile, frame, ack=False):
    led._notification_handler(0, bytearray(frame))
    says = {"power": led.on}
    if ack:
        pass
    elif led.preset_pattern_num != 0x41:
        says["effect"] = EFFECTS[led.effect]
    elif led.w:
        # A bulb whose brightness is scaled tells its level of white in one number.
        says["white_level"] = led.w
    else:
        says["color"] = hexcolor(led.rgb)
    cases.decode(profile, f"{'ack' if ack else 'report'} {frame.hex()}", frame, says)


asyncio.run(main())
