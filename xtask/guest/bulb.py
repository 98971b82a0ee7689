"""One virtual bulb: its state, what it answers, what it advertises, and its end of the link."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from typing import Any
from uuid import UUID

from bumble import att, core, hci, ll

import gatt
from board import Boards
from controller import Advert, Air
from defect import Firmware
from rig import BulbSpec, Characteristic, Service, Station, Verdict
from security import Security

# What the kernel asks for, and a link that is silent for so long is lost: seconds.
_SUPERVISION_TIMEOUT = 0.42
_KEY_MISSING = 0x06
# So many keep-alives that do not come are too many.
_PATIENCE = 5
_LIMIT = 31
_DEVICE = {"manufacturer": "2a29", "model": "2a24", "firmware": "2a26", "hardware": "2a27", "serial": "2a25"}


def hci_address(station: Station) -> hci.Address:
    """A station's address with its type."""
    kinds = hci.Address
    kind = kinds.PUBLIC_DEVICE_ADDRESS if station.address_type == "public" else kinds.RANDOM_DEVICE_ADDRESS
    return hci.Address(station.address, kind)


def _element(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def _key(uuid: str) -> bytes:
    """A UUID as it is sent."""
    return bytes.fromhex(uuid)[::-1]


def _little_things(station: Station) -> list[bytes]:
    """Services and manufacturer data, each as it is sent."""
    types = core.AdvertisingData.Type
    elements = []
    for size, kind in (
        (4, types.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS),
        (32, types.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS),
    ):
        uuids = [_key(uuid) for uuid in station.advertises or [] if len(uuid) == size]
        if uuids:
            elements.append(_element(kind, b"".join(uuids)))
    if station.manufacturer:
        company, payload = station.manufacturer
        elements.append(_element(types.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + payload))
    return elements


def advert(station: Station, *, connectable: bool) -> Advert:
    """What a station sends. What does not fit beside the rest moves to the scan response: service data, then the name."""
    types = core.AdvertisingData.Type
    data = b"".join(_little_things(station))
    flags = _element(types.FLAGS, bytes([0x06]))
    # Some lamps fill all of it with manufacturer data.
    if len(flags) + len(data) <= _LIMIT:
        data = flags + data
    response = b""
    if station.service_data:
        service, payload = station.service_data
        short = len(service) == 4
        kind = types.SERVICE_DATA_16_BIT_UUID if short else types.SERVICE_DATA_128_BIT_UUID
        element = _element(kind, _key(service) + payload)
        if len(data) + len(element) <= _LIMIT:
            data += element
        else:
            response = element
    if station.name is not None:
        name = station.name.encode()
        whole = _element(types.COMPLETE_LOCAL_NAME, name)
        if station.name_in == "advertisement" and len(data) + len(whole) <= _LIMIT:
            data += whole
        elif len(response) + len(whole) <= _LIMIT:
            response += whole
        else:
            response += _element(types.SHORTENED_LOCAL_NAME, name[: _LIMIT - len(response) - 2])
    if len(data) > _LIMIT or len(response) > _LIMIT:
        raise ValueError(f"{station.address}: what it advertises does not fit into {_LIMIT} bytes")
    return Advert(hci_address(station), connectable, data, response, station.rssi)


class Bulb:
    """A bulb, with its faults. What it makes of commands and what it tells is its board's."""

    def __init__(self, spec: BulbSpec, air: Air, log: Any, boards: Boards) -> None:
        self.spec = spec
        self.address = hci_address(spec.station)
        self.battery = spec.battery
        self.present = True
        self.connected = False
        self._air = air
        self._log = log
        self._attempt: object | None = None
        self._attempt_verdict = Verdict()
        self._attempt_since = 0.0
        self._level: Any = None
        self._silence: asyncio.TimerHandle | None = None
        table = None
        if spec.services is not None:
            table = [(service.uuid, own.uuid) for service in spec.services for own in service.characteristics]
        self._board = boards.new(spec.profile, spec.folder, table, spec.state)
        self.firmware = Firmware(spec.defects)
        self._idle_drop = spec.idle_drop
        if self._idle_drop is None and self._board.keep_alive is not None:
            self._idle_drop = _PATIENCE * self._board.keep_alive
        # The rig's own words go before the profile's example.
        self._said = dataclasses.replace(spec.station)
        if self._said.name is None:
            self._said.name = self._board.name
        self._characteristics: dict[str, Any] = {}
        self._needs_bonding = self._board.needs_bonding if spec.needs_bonding is None else spec.needs_bonding
        self._security = Security(self, spec.pairing)
        self._server = gatt.Server(self, spec.mtu)
        self._build()
        self.advert = self._advert()
        air.peers[self.address] = self

    def _advert(self) -> Advert:
        """What it advertises in its present state."""
        told = self._board.advert()
        station = dataclasses.replace(self._said)
        if station.advertises is None:
            station.advertises = told.services
        if station.manufacturer is None:
            station.manufacturer = told.manufacturer
        if station.service_data is None:
            station.service_data = told.service_data
        return advert(station, connectable=True)

    # --- the GATT table

    def _build(self) -> None:
        name = (self._said.name or "").encode()
        self._server.offer(
            gatt.table(
                "1800",
                [("2a00", ["read"], lambda: name, None), ("2a01", ["read"], lambda: b"\0\0", None)],
            ),
            own=False,
        )
        self._server.offer(gatt.table("1801", [("2a05", ["indicate"], lambda: b"", None)]), own=False)
        for service in self._services():
            self._build_service(service)
        if self.battery is not None:
            battery = gatt.table(
                "180f", [("2a19", ["read", "notify"], lambda: bytes([self.battery or 0]), None)]
            )
            self._server.offer(battery)
            self._level = battery.characteristics[0]
        device = dict(self.spec.device)
        if not device and self._board.manufacturer_name is not None:
            device = {"manufacturer": self._board.manufacturer_name}
        if device:
            fields = [
                (_DEVICE[key], ["read"], (lambda text=text: text.encode()), None)
                for key, text in device.items()
            ]
            self._server.offer(gatt.table("180a", fields))

    def _services(self) -> list[Service]:
        """The rig's services, or the profile's."""
        if self.spec.services is not None:
            return self.spec.services
        services: dict[str, Service] = {}
        for service, uuid, properties in self._board.table:
            made = services.setdefault(service, Service(service, []))
            made.characteristics.append(Characteristic(uuid, properties))
        return list(services.values())

    def _build_service(self, service: Service) -> None:
        entries = []
        places = []
        for characteristic in service.characteristics:
            place = self._board.place(service.uuid, characteristic.uuid)
            # The second of its UUID plays no role.
            plain = place in places or place in self._characteristics
            places.append(place)
            read, write = self._plain(characteristic) if plain else self._access(place, characteristic)
            entries.append((characteristic.uuid, characteristic.properties, read, write))
        made = gatt.table(service.uuid, entries)
        self._server.offer(made)
        for place, characteristic in zip(places, made.characteristics, strict=True):
            self._characteristics.setdefault(place, characteristic)
            if self._needs_bonding and self._board.has_role(place):
                self._server.close(characteristic)

    def _plain(self, characteristic: Characteristic) -> tuple[Any, Any]:
        def write(value: bytes) -> None:
            characteristic.value = value

        return lambda: characteristic.value, write

    def _access(self, place: str, characteristic: Characteristic) -> tuple[Any, Any]:
        def read() -> bytes:
            told = self._board.read(place)
            return characteristic.value if told is None else self.firmware.mar(told)

        def write(value: bytes) -> None:
            if self.firmware.is_busy():
                return
            value = self.firmware.bend(value)
            # Asking counts in some families.
            before = next((told for _, told in self._board.tell("change")), None) if self.spec.defects else None
            done = self._board.write(place, value)
            if done.att is not None:
                if self.firmware.has("hangs-up-on-malformed"):
                    self.drop()
                raise att.ATT_Error(done.att)
            if done.kept:
                characteristic.value = value
            if done.occasion is not None:
                changes = self.firmware.carried_out(before, value)
                if changes:
                    self._board.set(changes)
                asyncio.get_running_loop().call_later(self.spec.status_latency, self._tell, done.occasion)
                self.advert = self._advert()

        return read, write

    # --- what it does

    def _tell(self, occasion: str | int) -> None:
        if not self.connected or self.firmware.is_mute():
            return
        for place, value in self._board.tell(occasion):
            if place in self._characteristics:
                self._server.announce(self._characteristics[place], self.firmware.mar(value))

    def set(self, state: dict[str, Any]) -> None:
        """Somebody else changes it."""
        self._board.set(state)
        self.advert = self._advert()
        self._tell("change")

    async def drain(self) -> None:
        """Loses a percent of battery each so long."""
        while self.battery and self.spec.battery_drain:
            await asyncio.sleep(self.spec.battery_drain)
            self.battery -= 1
            self._server.announce(self._level, bytes([self.battery]))

    def rename(self, name: str) -> None:
        """Advertises another name."""
        self._said.name = name
        self.advert = self._advert()

    def vanish(self) -> None:
        """Is not heard any more, on its link neither: the kernel is told so by its controller, after the supervision time-out."""
        self.present = False
        if self.connected:
            self._disconnected("bulb")
            loop = asyncio.get_running_loop()
            reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
            loop.call_later(_SUPERVISION_TIMEOUT, self._air.central.on_peer_terminated, self.address, reason)

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

    def on_connected(self, central: hci.Address) -> None:
        """The kernel has connected."""
        self.connected = True
        self._security.connect(central)
        self._server.connect(doomed=self._attempt_verdict.does("drop"))
        self._attempt = None
        self.firmware.connected()
        self._board.connect()
        self.note("connect")
        self.spoken()

    def on_terminated(self) -> None:
        """The kernel has ended the link."""
        self._disconnected("central")

    def drop(self) -> None:
        """Ends the link."""
        if self.connected:
            self._disconnected("bulb")
            self._air.central.on_peer_terminated(self.address, self._air.reason)

    def _disconnected(self, by: str) -> None:
        if self.connected:
            self.connected = False
            if self._silence is not None:
                self._silence.cancel()
            self._server.disconnect()
            self._security.disconnect()
            self.note("disconnect", by=by)
            if self.firmware.has("forgets-on-disconnect"):
                self._board.set({"power": False, **self.spec.state})

    def spoken(self) -> None:
        """Something is written, or the link came up: what keeps it alive, where the bulb wants that."""
        if self._silence is not None:
            self._silence.cancel()
        if self._idle_drop is not None:
            self._silence = asyncio.get_running_loop().call_later(self._idle_drop, self.drop)

    def on_encryption(self, request: ll.EncReq) -> None:
        """The kernel encrypts the link."""
        if not self.connected:
            return
        answer: ll.ControlPdu = ll.StartEncRsp()
        if not self._security.encrypt(request.ltk, request.rand, request.ediv):
            answer = ll.RejectExtInd(ll.ControlPdu.Opcode.LL_ENC_REQ, _KEY_MISSING)
        self._air.central.on_ll_control_pdu(self.address, answer)

    def secure(self, pdu: bytes) -> None:
        """The kernel's Security Manager says something."""
        self._security.on_pdu(pdu)

    def is_open(self) -> bool:
        """Whether it lets the kernel at what is closed to strangers."""
        return self._security.is_encrypted

    def on_pdu(self, pdu: bytes) -> None:
        """A packet from the kernel."""
        if self.connected:
            self._server.on_packet(pdu)

    def send_l2cap(self, channel: int, payload: bytes) -> None:
        """Frames a packet and sends it."""
        self.send_packet(struct.pack("<HH", len(payload), channel) + payload)

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
        """Writes to the air log, which has long UUIDs with dashes."""
        if len(uuid := more.get("characteristic", "")) == 32:
            more["characteristic"] = str(UUID(uuid))
        self._log.write(self.spec.station.address, event, **more)

    def describe(self) -> dict[str, Any]:
        """What the control socket tells about it."""
        return {
            "address": self.spec.station.address,
            "battery": self.battery,
            "connected": self.connected,
            "asked": self._air.central.connecting_to(self.address) is not None,
            "advertising": self.advertising,
        }
