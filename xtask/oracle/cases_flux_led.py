"""flux_led: Zengge's protocols over WiFi, whose payloads the Bluetooth bulbs take too. Its frame builders are called."""

from common import COLORS, PERCENTS, Cases, hexcolor, level
from flux_led.const import LevelWriteMode
from flux_led.pattern import EFFECT_MAP
from flux_led.protocol import (
    ProtocolLEDENET8Byte,
    ProtocolLEDENET9Byte,
    ProtocolLEDENETAddressableA2,
    ProtocolLEDENETOriginal,
    ProtocolLEDENETOriginalRGBW,
)
from zengge_effects import EFFECTS


def levels(protocol, rgb=(0, 0, 0), white=0, mode=LevelWriteMode.COLORS):
    red, green, blue = rgb
    return protocol.construct_levels_change(True, red, green, blue, white, 0, mode)


def original(cases):
    """Very old controllers: a colour, and nothing else."""
    protocol = ProtocolLEDENETOriginal()
    profile = "zengge:no-white"
    cases.encode(profile, "on", {"power": True}, [protocol.construct_state_change(True)])
    cases.encode(profile, "off", {"power": False}, [protocol.construct_state_change(False)])
    for rgb in COLORS:
        cases.encode(profile, f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, levels(protocol, rgb))
    protocol = ProtocolLEDENETOriginalRGBW()
    for percent in PERCENTS:
        writes = levels(protocol, white=level(percent, 255), mode=LevelWriteMode.WHITES)
        cases.encode("zengge", f"white {percent}", {"white": percent}, writes)


def simple(cases):
    """LEDnetWF controllers with eight bytes for a colour: the one that has no white, and one that has."""
    protocol = ProtocolLEDENET8Byte()
    profile = "lednetwf:simple"
    cases.encode(profile, "on", {"power": True}, [protocol.construct_state_change(True)], payload=True)
    cases.encode(profile, "off", {"power": False}, [protocol.construct_state_change(False)], payload=True)
    cases.query(profile, "query", protocol.construct_state_query(), payload=True)
    for rgb in COLORS:
        ask = {"color": hexcolor(rgb)}
        writes = levels(protocol, rgb, mode=LevelWriteMode.ALL)
        cases.encode(profile, f"color {hexcolor(rgb)}", ask, writes, payload=True)
        cases.encode("lednetwf:rgbw", f"color {hexcolor(rgb)}", ask, levels(protocol, rgb), payload=True)
    for percent in PERCENTS:
        writes = levels(protocol, white=level(percent, 255), mode=LevelWriteMode.WHITES)
        cases.encode("lednetwf:rgbw", f"white {percent}", {"white": percent}, writes, payload=True)
    nine = ProtocolLEDENET9Byte()
    for rgb in COLORS:
        ask = {"color": hexcolor(rgb)}
        cases.encode("lednetwf:rgbcct", f"color {hexcolor(rgb)}", ask, levels(nine, rgb), payload=True)
    for theirs, ours in EFFECTS.items():
        for speed in (0, 1, 33, 50, 67, 99, 100):
            frame = protocol.construct_preset_pattern(EFFECT_MAP[theirs], speed, 100)
            ask = {"effect": ours, "speed": speed}
            cases.encode(profile, f"effect {ours} {speed}", ask, [frame], payload=True)
    for rgb in ((255, 0, 0), (0, 255, 0), (255, 136, 0)):
        for on in (True, False):
            body = [0x81, 0x33, 0x23 if on else 0x24, 0x61, 0xF0, 0, *rgb, 0, 2, 0, 0x30]
            frame = bytes(protocol.construct_message(bytearray(body)))
            assert protocol.is_valid_state_response(frame)
            state = protocol.named_raw_state(frame)
            says = {
                "power": state.power_state == protocol.on_byte,
                "color": hexcolor((state.red, state.green, state.blue)),
            }
            cases.decode(profile, f"report {frame.hex()}", frame, says, payload=True)


def addressable(cases):
    """Addressable strips and Symphony controllers."""
    protocol = ProtocolLEDENETAddressableA2()
    for profile, most in (("lednetwf:strip", 99), ("lednetwf:symphony", 100)):
        for number in (1, 2, 50, most):
            for speed, brightness in ((0, 1), (50, 50), (100, 100)):
                frame = protocol.construct_preset_pattern(number, speed, brightness)
                ask = {"effect": str(number), "speed": speed, "brightness": brightness}
                name = f"effect {number} {speed} {brightness}"
                cases.encode(profile, name, ask, [frame], payload=True)
    for rgb in ((255, 0, 0), (255, 136, 0), (0, 0, 255)):
        writes = protocol.construct_levels_change(True, *rgb, None, None, LevelWriteMode.COLORS)
        cases.encode("lednetwf:strip", f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, writes, payload=True)
    query = ProtocolLEDENET8Byte().construct_state_query()
    cases.query("lednetwf", "query", query, payload=True)


cases = Cases("flux_led")
original(cases)
simple(cases)
addressable(cases)
