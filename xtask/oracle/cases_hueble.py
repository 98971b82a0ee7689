"""HueBLE: Philips Hue over Bluetooth. Its own setters are called, on a client that records."""

import asyncio

import HueBLE
from bleak.backends.device import BLEDevice
from common import FULL, PERCENTS, Cases, Client, hexcolor

ROLES = {
    HueBLE.UUID_POWER.lower(): "control",
    HueBLE.UUID_BRIGHTNESS.lower(): "brightness",
    HueBLE.UUID_TEMPERATURE.lower(): "temperature",
    HueBLE.UUID_XY_COLOUR.lower(): "color",
    HueBLE.UUID_EFFECTS.lower(): "combined",
}


class Bulb(HueBLE.HueBleLight):
    """Always connected, and holds what is read."""

    def __init__(self):
        super().__init__(BLEDevice("AA:BB:CC:DD:EE:FF", "Hue color lamp", None))
        self._client = Client()
        self.value = b""

    async def connect(self, *_):
        pass

    async def _read_gatt(self, *_, **__):
        return bytearray(self.value)


def srgb_to_xy(rgb):
    """IEC 61966-2-1, worked out here and not by the program: HueBLE takes a point and knows no colours."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb)]
    rows = (
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    )
    x, y, z = (sum(a * b for a, b in zip(row, linear)) for row in rows)
    return x / (x + y + z), y / (x + y + z)


def brightness(percent):
    """1 to 100 % on 1 to 254."""
    return 1 + (2 * (percent - 1) * 253 + 99) // 198


async def main():
    cases = Cases("HueBLE")
    bulb = Bulb()

    def sent(name, ask):
        ((uuid, frame),) = bulb._client.take()
        cases.encode("hue", name, ask, [(uuid, frame)], role=ROLES[uuid])

    for on in (True, False):
        await bulb.set_power(on)
        sent("on" if on else "off", {"power": on})
    for percent in PERCENTS[1:]:
        await bulb.set_brightness(brightness(percent))
        sent(f"brightness {percent}", {"brightness": percent})
    for mired in range(153, 501):
        kelvin = (1_000_000 + mired // 2) // mired
        await bulb.set_colour_temp(mired)
        sent(f"kelvin {kelvin}", {"kelvin": min(kelvin, 6535)})
    for rgb in FULL:
        await bulb.set_colour_xy(*srgb_to_xy(rgb))
        sent(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)})
    for effect in ("CANDLE", "FIREPLACE", "PRISM", "SPARKLE", "OPAL", "GLISTEN", "UNDERWATER", "COSMOS", "SUNBEAM", "ENCHANT"):
        await bulb.set_colour_effect(0.5, 0.4, 128, HueBLE.EffectType[effect], 128)
        sent(f"effect {effect.lower()}", {"effect": effect.lower(), "speed": 50})

    for on in (0, 1):
        for value, percent in ((1, 1), (127, 50), (254, 100)):
            for tail, more in (
                ("0302 2c01", {"kelvin": 3333}),
                ("0302 9900", {"kelvin": 6535}),
                ("0302 2c01 0601 02 0801 5e", {"effect": "fireplace"}),
                ("0404 9bc5 4f36 0601 01 0801 5e", {"effect": "candle"}),
            ):
                bulb.value = bytes([1, 1, on, 2, 1, value]) + bytes.fromhex(tail)
                bulb._effect = None
                effect, _ = await bulb.poll_effects()
                says = {"power": bulb.power_state}
                if bulb._effect is not None or len(bulb.value) != 10:
                    says["brightness"] = percent
                    assert bulb.brightness == value
                if "kelvin" in more:
                    says["kelvin"] = min((1_000_000 + bulb.colour_temp // 2) // bulb.colour_temp, 6535)
                if "effect" in more:
                    says["effect"] = effect.name.lower()
                assert says.get("kelvin") == more.get("kelvin") and says.get("effect") == more.get("effect")
                name = f"combined {bulb.value.hex()}"
                cases.decode("hue", name, bulb.value, says, role="combined")
    # What bulbs send and the library does not know: it says nothing of the power then.
    bulb.value = bytes.fromhex("0101 01 0201 fe")
    bulb._power_on = None
    await bulb.poll_effects()
    cases.decode("hue", "combined of six bytes", bulb.value, {"power": bulb._power_on}, role="combined")


asyncio.run(main())
