"""Rig files: virtual bulbs, the strangers around them, their faults, and what happens by itself.

The format is described in fixtures/rigs/README.md. A key that is not in there is refused, with the place where it stands.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defect import DEFECTS

_ADDRESS = re.compile(r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$")
_COLOR = re.compile(r"^#[0-9a-fA-F]{6}$")
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_UUID = re.compile(r"^[0-9a-f]{4}$|^[0-9a-f]{32}$")

PROPERTIES = ("read", "write", "write-without-response", "notify", "indicate")
POINTS = ("connect", "discover", "read", "write", "subscribe", "notify")
# What a fault can do at each point.
ACTS = {
    "drop": POINTS,
    "delay": POINTS,
    "silent": ("connect", "discover", "read", "write", "subscribe"),
    "error": ("read", "write", "subscribe"),
    "reply": ("read", "notify"),
    "lose": ("write", "notify"),
}


class RigError(Exception):
    """The file is not a rig; says where and why."""


class Table:
    """One table of the file, of which every key has to be asked for."""

    def __init__(self, place: str, content: Any) -> None:
        if not isinstance(content, dict):
            raise RigError(f"{place}: must be a table")
        self.place = place
        self._rest = dict(content)

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of a key, which must be of this type; the default where it is left out."""
        if key not in self._rest:
            return default
        value = self._rest.pop(key)
        # A boolean is an int to Python, and is no number to us.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise RigError(f"{self.place}.{key}: must be a {kind.__name__}, is {value!r}")
        return value

    def need(self, key: str, kind: type) -> Any:
        """The value of a key that may not be left out."""
        value = self.take(key, kind)
        if value is None:
            raise RigError(f"{self.place}.{key}: is missing")
        return value

    def tables(self, key: str) -> list[Table]:
        """An array of tables; empty where it is left out."""
        return [Table(f"{self.place}.{key}[{i}]", t) for i, t in enumerate(self.take(key, list, []))]

    def has(self, key: str) -> bool:
        """Whether the key is still there."""
        return key in self._rest

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of several words."""
        word = self.take(key, str, default)
        if word not in choices:
            raise RigError(f"{self.place}.{key}: must be one of {', '.join(choices)}, is {word!r}")
        return word

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int | None:
        """A whole number of a range."""
        value = self.take(key, int, default)
        if value is not None and not low <= value <= high:
            raise RigError(f"{self.place}.{key}: must be {low} to {high}, is {value}")
        return value

    def text(self, key: str, form: re.Pattern[str], what: str, default: str | None = None) -> str | None:
        """A string of a given form."""
        value = self.take(key, str, default)
        if value is not None and not form.match(value):
            raise RigError(f"{self.place}.{key}: must be {what}, is {value!r}")
        return value

    def duration(self, key: str, default: str | None = None) -> float | None:
        """A duration such as `20ms`, in seconds."""
        value = self.text(key, _DURATION, "a duration such as 20ms, 2s or 5m", default)
        if value is None:
            return None
        number, unit = _DURATION.match(value).groups()  # type: ignore[union-attr]
        return float(number) * _SECONDS[unit]

    def bytes(self, key: str) -> bytes | None:
        """Bytes in hex."""
        value = self.take(key, str)
        if value is None:
            return None
        try:
            return bytes.fromhex(value)
        except ValueError:
            raise RigError(f"{self.place}.{key}: must be hex, is {value!r}") from None

    def address(self, key: str) -> str:
        """A device address, which may not be left out."""
        self.need_present(key)
        return self.text(key, _ADDRESS, "an address such as C4:11:00:00:00:01").upper()  # type: ignore[union-attr]

    def uuid(self, key: str) -> str:
        """A UUID, which may not be left out."""
        self.need_present(key)
        return self.text(key, _UUID, "a UUID of 4 or 32 hex digits")  # type: ignore[return-value]

    def need_present(self, key: str) -> None:
        """Refuses a table without the key."""
        if key not in self._rest:
            raise RigError(f"{self.place}.{key}: is missing")

    def end(self) -> None:
        """Refuses what nobody asked for."""
        if self._rest:
            raise RigError(f"{self.place}: unknown key {', '.join(sorted(self._rest))}")


@dataclass
class Characteristic:
    """One characteristic of a bulb."""

    uuid: str
    properties: list[str]
    value: bytes = b""


@dataclass
class Service:
    """One service of a bulb."""

    uuid: str
    characteristics: list[Characteristic]


@dataclass
class Fault:
    """One way in which a bulb misbehaves. `left` counts down to how often it still does; absent: always. `passes` counts down
    to how often it does not yet."""

    on: str
    do: str
    characteristic: str | None = None
    left: int | None = None
    passes: int = 0
    att: int = 0
    bytes: bytes = b""
    seconds: float = 0.0

    def strikes(self, characteristic: str | None) -> bool:
        """Whether it acts at this characteristic (absent: at none in particular), once more."""
        if self.left == 0 or (self.characteristic is not None and self.characteristic != characteristic):
            return False
        if self.passes > 0:
            self.passes -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


@dataclass
class Verdict:
    """What all faults together do at one point: wait, and then something else than usual or not."""

    seconds: float = 0.0
    act: Fault | None = None

    def does(self, act: str) -> bool:
        """Whether it ends in this."""
        return self.act is not None and self.act.do == act


@dataclass
class Station:
    """Whatever advertises."""

    name: str | None
    address: str
    address_type: str
    rssi: int
    interval: float
    name_in: str
    advertises: list[str] | None
    manufacturer: tuple[int, bytes] | None
    service_data: tuple[str, bytes] | None


@dataclass
class BulbSpec:
    """One bulb. What its profile says is not in here, see `board.py`."""

    station: Station
    profile: str
    folder: str
    state: dict[str, Any]
    battery: int | None
    battery_drain: float | None
    status_latency: float
    idle_drop: float | None
    mtu: int
    needs_bonding: bool | None
    pairing: bool
    device: dict[str, str]
    services: list[Service] | None
    defects: list[str]
    faults: list[Fault]


@dataclass
class Event:
    """Something that happens by itself, so many seconds after the start."""

    at: float
    adapter: str | None = None
    bulb: str | None = None
    do: str | None = None
    state: dict[str, Any] = field(default_factory=dict)
    name: str | None = None


@dataclass
class Rig:
    """A whole rig."""

    about: str = ""
    adapter: str = "on"
    bulbs: list[BulbSpec] = field(default_factory=list)
    bystanders: list[Station] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def _state(table: Table) -> dict[str, Any]:
    """What is said of a bulb's state. Whether its family can do it is known by the board."""
    said = {
        "power": table.take("power", bool),
        "brightness": table.number("brightness", 0, 100),
        "color": table.text("color", _COLOR, "a colour such as #ff8800"),
        "white": table.number("white", 0, 100),
        "kelvin": table.number("kelvin", 0, 0xFFFF),
        "effect": table.take("effect", str),
        "speed": table.number("speed", 0, 100),
    }
    return {key: value for key, value in said.items() if value is not None}


def _station(table: Table) -> Station:
    manufacturer = None
    if table.has("manufacturer"):
        content = Table(f"{table.place}.manufacturer", table.take("manufacturer", dict))
        content.need_present("company")
        company = content.number("company", 0, 0xFFFF)
        manufacturer = (company, content.bytes("data") or b"")
        content.end()
    service_data = None
    if table.has("service_data"):
        content = Table(f"{table.place}.service_data", table.take("service_data", dict))
        service_data = (content.uuid("service"), content.bytes("data") or b"")
        content.end()
    advertises = table.take("advertises", list)
    for uuid in advertises or []:
        if not isinstance(uuid, str) or not _UUID.match(uuid):
            raise RigError(f"{table.place}.advertises: must be UUIDs of 4 or 32 hex digits, has {uuid!r}")
    return Station(
        name=table.take("name", str),
        address=table.address("address"),
        address_type=table.choice("address_type", ("public", "random"), "public"),
        rssi=table.number("rssi", -127, 20, -60),
        interval=table.duration("interval", "100ms"),
        name_in=table.choice("name_in", ("advertisement", "scan-response"), "advertisement"),
        advertises=advertises,
        manufacturer=manufacturer,
        service_data=service_data,
    )


def _service(table: Table) -> Service:
    characteristics = []
    for sub in table.tables("characteristic"):
        properties = sub.need("properties", list)
        for name in properties:
            if name not in PROPERTIES:
                raise RigError(f"{sub.place}.properties: must be of {', '.join(PROPERTIES)}, has {name!r}")
        characteristics.append(Characteristic(sub.uuid("uuid"), properties, sub.bytes("value") or b""))
        sub.end()
    service = Service(table.uuid("uuid"), characteristics)
    table.end()
    return service


def _fault(table: Table) -> Fault:
    fault = Fault(
        on=table.choice("on", POINTS),
        do=table.choice("do", tuple(ACTS)),
        characteristic=table.text("characteristic", _UUID, "a UUID of 4 or 32 hex digits"),
        left=table.number("count", 0, 1 << 31),
        passes=table.number("after", 0, 1 << 31, 0),
    )
    if fault.on not in ACTS[fault.do]:
        raise RigError(f"{table.place}: {fault.do} does not fit {fault.on}")
    if fault.do == "error":
        table.need_present("att")
        fault.att = table.number("att", 1, 0xFF)
    if fault.do == "reply":
        fault.bytes = table.bytes("bytes")
        if fault.bytes is None:
            raise RigError(f"{table.place}.bytes: is missing")
    if fault.do == "delay":
        table.need_present("for")
        fault.seconds = table.duration("for")
    table.end()
    return fault


def _defects(table: Table) -> list[str]:
    defects = table.take("defects", list, [])
    for name in defects:
        if name == "answers-late":
            raise RigError(f"{table.place}.defects: {name} is for the simulated radio only")
        if name not in DEFECTS:
            raise RigError(f"{table.place}.defects: must be of {', '.join(DEFECTS)}, has {name!r}")
    return defects


def _bulb(table: Table, folder: str) -> BulbSpec:
    station = _station(table)
    device = {}
    if table.has("device"):
        content = Table(f"{table.place}.device", table.take("device", dict))
        for key in ("manufacturer", "model", "firmware", "hardware", "serial"):
            if content.has(key):
                device[key] = content.take(key, str)
        content.end()
    services = [_service(t) for t in table.tables("service")] if table.has("service") else None
    # Only the simulated radio has a choice there; here the stack takes the time that it takes.
    table.duration("connect_latency")
    bulb = BulbSpec(
        station=station,
        profile=table.take("profile", str, "base"),
        folder=folder,
        state=_state(table),
        battery=table.number("battery", 0, 100),
        battery_drain=table.duration("battery_drain"),
        status_latency=table.duration("status_latency", "20ms"),
        idle_drop=table.duration("idle_drop"),
        mtu=table.number("mtu", 23, 517, 185),
        needs_bonding=table.take("needs_bonding", bool),
        pairing=table.take("pairing", bool, False),
        device=device,
        services=services,
        defects=_defects(table),
        faults=[_fault(t) for t in table.tables("fault")],
    )
    table.end()
    return bulb


def _event(table: Table, bulbs: set[str]) -> Event:
    table.need_present("at")
    event = Event(at=table.duration("at"))
    if table.has("adapter"):
        event.adapter = table.choice("adapter", ("on", "off"))
    else:
        event.bulb = table.address("bulb")
        if event.bulb not in bulbs:
            raise RigError(f"{table.place}.bulb: no bulb of this rig has the address {event.bulb}")
        event.do = table.choice("do", ("set", "drop", "vanish", "appear", "rename"))
        if event.do == "set":
            event.state = _state(table)
        if event.do == "rename":
            event.name = table.need("name", str)
    table.end()
    return event


def parse(text: str, folder: str) -> Rig:
    """Reads a rig from the text of its file, which lies in this folder."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RigError(f"not TOML: {error}") from error
    table = Table("rig", content)
    if table.need("rig", int) != 1:
        raise RigError("rig.rig: this format version is not known, 1 is")
    rig = Rig(about=table.take("about", str, ""))
    if table.has("adapter"):
        adapter = Table("rig.adapter", table.take("adapter", dict))
        states = ("on", "off", "blocked", "absent", "no-service", "no-bus", "denied")
        rig.adapter = adapter.choice("state", states, "on")
        adapter.end()
        if rig.adapter not in ("on", "off"):
            raise RigError(f"rig.adapter.state: {rig.adapter} is for the simulated radio only")
    # What `check` is to find is for who runs it.
    table.take("expect", dict)
    rig.bulbs = [_bulb(t, folder) for t in table.tables("bulb")]
    for sub in table.tables("bystander"):
        rig.bystanders.append(_station(sub))
        sub.end()
    seen: set[str] = set()
    for station in [bulb.station for bulb in rig.bulbs] + rig.bystanders:
        if station.address in seen:
            raise RigError(f"rig: two have the address {station.address}")
        seen.add(station.address)
    bulbs = {bulb.station.address for bulb in rig.bulbs}
    rig.events = sorted((_event(t, bulbs) for t in table.tables("event")), key=lambda event: event.at)
    table.end()
    return rig


def load(path: Path) -> Rig:
    """Reads a rig file."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RigError(f"{path}: {error}") from error
    return parse(text, str(path.parent.absolute()))
