"""One virtual bulb: its state, what it answers, what it advertises, and its end of the link."""

from __future__ import annotations

import asyncio
from typing import Any

from bumble import att, core, hci

import gatt
from controller import Advert, Air
from rig import BulbSpec, State, Station, Verdict

_REMOTE_USER_TERMINATED = 0x13
_OUT_OF_RANGE = 0x80
_LIMIT = 31
_DEVICE = {"manufacturer": "2a29", "model": "2a24", "firmware": "2a26", "hardware": "2a27", "serial": "2a25"}


def hci_address(station: Station) -> hci.Address:
    """A station's address with its type."""
    kinds = hci.Address
    kind = kinds.PUBLIC_DEVICE_ADDRESS if station.address_type == "public" else kinds.RANDOM_DEVICE_ADDRESS
    return hci.Address(station.address, kind)


def _element(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def advert(station: Station, *, connectable: bool) -> Advert:
    """What a station sends. A name that does not fit beside the rest moves to the scan response."""
    types = core.AdvertisingData.Type
    data = _element(types.FLAGS, bytes([0x06]))
    for size, kind in (
        (4, types.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS),
        (32, types.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS),
    ):
        uuids = [bytes.fromhex(uuid)[::-1] for uuid in station.advertises if len(uuid) == size]
        if uuids:
            data += _element(kind, b"".join(uuids))
    if station.manufacturer:
        company, payload = station.manufacturer
        data += _element(types.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + payload)
    response = b""
    if station.name is not None:
        name = station.name.encode()
        whole = _element(types.COMPLETE_LOCAL_NAME, name)
        if station.name_in == "advertisement" and len(data) + len(whole) <= _LIMIT:
            data += whole
        elif len(whole) <= _LIMIT:
            response = whole
        else:
            response = _element(types.SHORTENED_LOCAL_NAME, name[: _LIMIT - 2])
    if len(data) > _LIMIT:
        raise ValueError(f"{station.address}: what it advertises does not fit into {_LIMIT} bytes")
    return Advert(hci_address(station), connectable, data, response, station.rssi)


class Bulb:
    """A bulb of the base profile, with its faults."""

    def __init__(self, spec: BulbSpec, air: Air, log: Any) -> None:
        self.spec = spec
        self.address = hci_address(spec.station)
        self.state: State = spec.state
        self.battery = spec.battery
        self.present = True
        self.connected = False
        self._air = air
        self._log = log
        self._attempt: object | None = None
        self._attempt_verdict = Verdict()
        self._attempt_since = 0.0
        self._status: Any = None
        self._level: Any = None
        self._drain: asyncio.Task[None] | None = None
        self._server = gatt.Server(self)
        self._build()
        self.advert = advert(spec.station, connectable=True)
        air.peers[self.address] = self

    # --- the GATT table

    def _build(self) -> None:
        name = (self.spec.station.name or "").encode()
        self._server.offer(
            gatt.table(
                "1800",
                [("2a00", ["read"], lambda: name, None), ("2a01", ["read"], lambda: b"\0\0", None)],
            ),
            own=False,
        )
        self._server.offer(gatt.table("1801", [("2a05", ["indicate"], lambda: b"", None)]), own=False)
        for service in self.spec.services:
            self._build_service(service)
        if self.battery is not None:
            battery = gatt.table(
                "180f", [("2a19", ["read", "notify"], lambda: bytes([self.battery or 0]), None)]
            )
            self._server.offer(battery)
            self._level = battery.characteristics[0]
        if self.spec.device:
            fields = [
                (_DEVICE[key], ["read"], (lambda text=text: text.encode()), None)
                for key, text in self.spec.device.items()
            ]
            self._server.offer(gatt.table("180a", fields))

    def _build_service(self, service: Any) -> None:
        entries = []
        roles = []
        for characteristic in service.characteristics:
            read, write = self._plain(characteristic)
            role = characteristic.uuid if service.uuid == "fff0" else None
            if role == "fff1":
                write = self._command
            elif role == "fff2":
                read = self._read_status
            entries.append((characteristic.uuid, characteristic.properties, read, write))
            roles.append(role)
        made = gatt.table(service.uuid, entries)
        self._server.offer(made)
        for role, characteristic in zip(roles, made.characteristics, strict=True):
            if role == "fff2":
                self._status = characteristic

    def _plain(self, characteristic: Any) -> tuple[Any, Any]:
        def read() -> bytes:
            return characteristic.value

        def write(value: bytes) -> None:
            characteristic.value = value

        return read, write

    # --- what it does

    def _read_status(self) -> bytes:
        return self.state.frame()

    def _command(self, frame: bytes) -> None:
        if len(frame) != 5:
            raise att.ATT_Error(att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR)
        power, brightness, red, green, blue = frame
        if power > 1 or brightness > 100:
            raise att.ATT_Error(_OUT_OF_RANGE)
        self._change(State(bool(power), brightness, (red, green, blue)))

    def _change(self, state: State) -> None:
        self.state = state
        asyncio.get_running_loop().call_later(self.spec.status_latency, self._announce)

    def _announce(self) -> None:
        if self._status is not None and self.connected:
            self._server.announce(self._status, self.state.frame())

    def set(self, power: bool | None, brightness: int | None, color: tuple[int, int, int] | None) -> None:
        """Somebody else changes it."""
        self._change(
            State(
                self.state.power if power is None else power,
                self.state.brightness if brightness is None else brightness,
                self.state.color if color is None else color,
            )
        )

    async def drain(self) -> None:
        """Loses a percent of battery each so long."""
        while self.battery and self.spec.battery_drain:
            await asyncio.sleep(self.spec.battery_drain)
            self.battery -= 1
            self._server.announce(self._level, bytes([self.battery]))

    def rename(self, name: str) -> None:
        """Advertises another name."""
        self.spec.station.name = name
        self.advert = advert(self.spec.station, connectable=True)

    def vanish(self) -> None:
        """Stops advertising, and drops its link."""
        self.present = False
        self.drop()

    def appear(self) -> None:
        """Advertises again."""
        self.present = True

    @property
    def advertising(self) -> bool:
        """Whether it can be heard now: a connected bulb cannot."""
        return self.present and not self.connected

    # --- its end of the link

    def accepts_connection(self) -> bool:
        """Whether it answers the kernel's connection request, by its faults."""
        now = asyncio.get_running_loop().time()
        attempt = self._air.central.connecting_to(self.address)
        if attempt is not self._attempt:
            self._attempt = attempt
            self._attempt_verdict = self.strike("connect", None)
            self._attempt_since = now
        verdict = self._attempt_verdict
        late = now >= self._attempt_since + verdict.seconds
        return self.advertising and late and not verdict.does("silent")

    def on_connected(self, _central: hci.Address) -> None:
        """The kernel has connected."""
        self.connected = True
        self._server.connect(doomed=self._attempt_verdict.does("drop"))
        self._attempt = None
        self.note("connect")

    def on_terminated(self) -> None:
        """The kernel has ended the link."""
        self._disconnected("central")

    def drop(self) -> None:
        """Ends the link."""
        if self.connected:
            self._disconnected("bulb")
            self._air.central.on_peer_terminated(self.address, _REMOTE_USER_TERMINATED)

    def _disconnected(self, by: str) -> None:
        if self.connected:
            self.connected = False
            self._server.disconnect()
            self.note("disconnect", by=by)

    def on_pdu(self, pdu: bytes) -> None:
        """A packet from the kernel."""
        if self.connected:
            self._server.on_packet(pdu)

    def send_packet(self, pdu: bytes) -> None:
        """Sends a packet to the kernel."""
        if self.connected:
            self._air.central.deliver(self.address, pdu)

    def strike(self, point: str, characteristic: str | None) -> Verdict:
        """What the faults do at this point now: the first one that has any of its count left acts, alone."""
        for fault in self.spec.faults:
            if fault.on == point and fault.strikes(characteristic):
                return Verdict(seconds=fault.seconds) if fault.do == "delay" else Verdict(act=fault)
        return Verdict()

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log."""
        self._log.write(self.spec.station.address, event, **more)

    def describe(self) -> dict[str, Any]:
        """What the control socket tells about it."""
        return {
            "address": self.spec.station.address,
            "hex": self.state.frame().hex(),
            "battery": self.battery,
            "connected": self.connected,
            "asked": self._air.central.connecting_to(self.address) is not None,
            "advertising": self.advertising,
        }
