"""sp110e: controllers of addressable strips. Its driver is called, on a client that records."""

import asyncio

from common import COLORS, PERCENTS, Cases, Client, hexcolor, level
from sp110e.driver import Driver


async def main():
    cases = Cases("sp110e")
    driver = Driver()
    driver._client = Client()

    async def write(name, ask, parameter, value):
        await driver.write_parameter(parameter, value, auto_read=False)
        cases.encode("sp110e", name, ask, driver._client.take())

    await write("on", {"power": True}, "state", True)
    await write("off", {"power": False}, "state", False)
    await driver.send_command(0x10)
    cases.query("sp110e", "query", bytes.fromhex(driver._client.take()[0][1]))
    for rgb in COLORS:
        await write(f"color {hexcolor(rgb)}", {"color": hexcolor(rgb)}, "color", rgb)
    for percent in PERCENTS:
        await write(f"brightness {percent}", {"brightness": percent}, "brightness", level(percent, 255))
        await write(f"white {percent}", {"white": percent}, "white", level(percent, 255))
        await write(f"speed {percent}", {"speed": percent}, "speed", level(percent, 255))
    for number in range(1, 121):
        await write(f"effect {number}", {"effect": str(number)}, "mode", number)

    for frame in (
        "01 79 C4 FF 03 00 00 32 69 FF 00 00",
        "00 79 E8 DB 03 02 00 15 00 FF FF 66",
        "01 65 C4 38 03 00 00 32 69 FF 00 00",
        "00 01 00 00 03 05 04 00 00 00 00 00",
    ):
        frame = bytes.fromhex(frame)
        # 12 is the handle that the library wants its reports from.
        driver._callback_handler(12, bytearray(frame))
        read = driver.get_parameters()
        says = {
            "power": read["state"],
            "brightness": (200 * read["brightness"] + 255) // 510,
            "speed": (200 * read["speed"] + 255) // 510,
        }
        if read["mode"] == 0x79:
            says["color"] = hexcolor(read["color"])
            says["white"] = (200 * read["white"] + 255) // 510
        else:
            says["effect"] = str(read["mode"])
        cases.decode("sp110e", f"report {frame.hex()}", frame, says)


asyncio.run(main())
