"""What the case files share: a client that records, a few values to sweep, and the form in which cases are handed over.

A case is one line of JSON. `ask` and `known` are in the words of the profile files: percent, kelvin, `#rrggbb`, names of
effects. What a library wants in other units is converted here, in `level` and nowhere else.
"""

import json
import logging
from importlib.metadata import version

logging.disable(logging.CRITICAL)

PERCENTS = range(101)
COLORS = [(r, g, b) for r in (0, 1, 127, 136, 255) for g in (0, 68, 128, 255) for b in (0, 64, 255)]
FULL = [color for color in COLORS if max(color) == 255]
KELVINS = [2700, 2701, 3000, 3333, 4000, 5000, 6499, 6500]


def level(percent, most):
    """A percentage of what the wire has, to the nearest."""
    return (2 * percent * most + 100) // 200


def hexcolor(rgb):
    return "#{:02x}{:02x}{:02x}".format(*rgb)


class Client:
    """Stands in for bleak's client: connected, and everything that is written stays here."""

    is_connected = True

    def __init__(self):
        self.writes = []

    async def write_gatt_char(self, characteristic, data, response=None):
        self.writes.append((str(characteristic).lower(), bytes(data).hex()))

    def take(self):
        taken, self.writes = self.writes, []
        return taken


class Cases:
    def __init__(self, library):
        self.library = library
        print(json.dumps({"library": library, "version": version(library)}))

    def _say(self, kind, profile, name, **rest):
        print(json.dumps({"library": self.library, "kind": kind, "profile": profile, "case": name, **rest}))

    def encode(self, profile, name, ask, writes, known=None, role=None, payload=False):
        """What the library writes for `ask`. `payload`: without LEDnetWF's transport, which the library has not."""
        writes = [write[1] if isinstance(write, tuple) else bytes(write).hex() for write in writes]
        self._say(
            "encode", profile, name, ask=ask, known=known or {}, writes=writes, role=role, payload=payload
        )

    def query(self, profile, name, frame, payload=False):
        """What the library asks a bulb with."""
        self._say("query", profile, name, writes=[bytes(frame).hex()], payload=payload)

    def decode(self, profile, name, frame, says, role="status", payload=False):
        """What the library reads in a report; values that it does not tell are left out."""
        self._say("decode", profile, name, hex=bytes(frame).hex(), says=says, role=role, payload=payload)

    def device(self, family, model, name, **rest):
        """A device as it advertises, of a model that the library knows. See `Device`."""
        return Device(self, family, model, name, **rest)

    def advert(self, profile, name, company, data, says):
        """What the library reads in an advertisement's manufacturer data."""
        self._say("advert", profile, name, company=company, hex=bytes(data).hex(), says=says)


class Device:
    """A device by its advertisement. The library finds its model by itself, and so do we: neither is told of the other's.

    `company` and `data` are manufacturer data, `service` and `service_data` those of a service. `payload` as in `encode`.
    """

    def __init__(self, cases, family, model, name, payload=False, **advert):
        self.cases, self.family = cases, family
        for key in ("data", "service_data"):
            if key in advert:
                advert[key] = bytes(advert[key]).hex()
        self.rest = {"model": model, "payload": payload, "device": {"name": name, **advert}}
        self.lines = []

    def _add(self, case, **what):
        self.lines.append((case, what))

    def writes(self, case, ask, writes, known=None):
        """What the library writes for `ask`."""
        writes = [write[1] if isinstance(write, tuple) else bytes(write).hex() for write in writes]
        self._add(case, ask=ask, known=known or {}, writes=writes)

    def refuses(self, case, ask):
        """The library knows that this model cannot do it."""
        self._add(case, ask=ask, refused=True)

    def kelvin(self, low, high):
        """The range that the library has for this model."""
        self._add("kelvin range", kelvin=[low, high])

    def not_driven(self, case):
        """The library does not drive this device, or only with a key."""
        self._add(case, not_driven=True)

    def say(self):
        """Hands the cases over."""
        for case, what in self.lines:
            self.cases._say("model", self.family, case, **self.rest, **what)
