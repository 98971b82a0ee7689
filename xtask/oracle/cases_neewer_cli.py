"""neewer-cli: its scan finds lights by name, and its commands are sent to a client that records."""

import asyncio
from types import SimpleNamespace

import neewer_cli as cli
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from common import Cases, Client, hexcolor

ADDRESS = "F7:AC:16:F1:58:96"
# Hue, saturation and brightness, with the colour that they are.
COLORS = [(0, 100, 100, (255, 0, 0)), (240, 100, 50, (0, 0, 255)), (120, 100, 100, (0, 255, 0))]


def config():
    return cli.AppConfig(
        debug=False, scan_timeout=0, scan_attempts=1, connect_timeout=0, connect_retries=1, write_retries=1,
        passes=1, parallel=1, settle_delay=0, power_with_response=False,
    )  # fmt: skip


async def scanned(name):
    """What its scan makes of a name."""
    device = BLEDevice(ADDRESS, name, None)
    advertised = AdvertisementData(name, {}, {}, [], None, -50, ())

    async def discover(**_):
        return {ADDRESS: (device, advertised)}

    cli.BleakScanner = SimpleNamespace(discover=discover)
    found = await cli.discover_devices(0, None, False)
    light = found[ADDRESS]
    light.client = Client()
    return light


async def commands(light, device):
    async def send(command):
        done, _ = await cli.send_command_once(light, command, config())
        return light.client.take() if done else None

    def values(**given):
        return SimpleNamespace(**{"temp": 0, "bri": 0, "gm": 0, "hue": 0, "sat": 0, **given})

    device.writes("on", {"power": True}, await send(cli.set_power_bytestring(True)))
    device.writes("off", {"power": False}, await send(cli.set_power_bytestring(False)))
    for hue, saturation, brightness, rgb in COLORS:
        ask = {"color": hexcolor(rgb), "brightness": brightness}
        name = f"color {hexcolor(rgb)} {brightness}"
        writes = await send(cli.calculate_bytestring("HSI", values(hue=hue, sat=saturation, bri=brightness)))
        device.refuses(name, ask) if writes is None else device.writes(name, ask, writes)
    (low, high), _, _ = cli.get_light_specs(light.name)
    device.kelvin(low, high)
    for kelvin, brightness in ((low, 100), ((low + high) // 200 * 100, 50), (high, 10)):
        ask = {"kelvin": kelvin, "brightness": brightness}
        writes = await send(cli.calculate_bytestring("CCT", values(temp=kelvin, bri=brightness)))
        name = f"kelvin {kelvin} {brightness}"
        device.refuses(name, ask) if writes is None else device.writes(name, ask, writes)


async def main():
    cases = Cases("neewer-cli")
    names = [f"NW-{number}&00000000" for number, _ in cli.NEW_LIGHT_NAMES]
    names += [f"NEEWER-{model}" for model, *_ in cli.MASTER_LIGHT_SPECS]
    for name in names:
        light = await scanned(name)
        # Without a row for it the tool has its defaults, which say nothing of the model.
        if cli._find_light_specs_entry(light.name) is None:
            continue
        label = name.split("-", 1)[1].split("&")[0]
        device = cases.device("neewer", label, name, address=ADDRESS)
        await commands(light, device)
        device.say()


asyncio.run(main())
