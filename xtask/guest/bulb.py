"""One virtual bulb: its advertisements, its GATT table, and its end of the link. The bulb server plays the rest."""

from __future__ import annotations

import asyncio
import struct
from typing import Any
from uuid import UUID

from bumble import att, core, hci, ll

import gatt
from controller import Advert, Air
from security import Security
from server import BulbServer, Fault

# The supervision timeout that the kernel asks for, in seconds.
_SUPERVISION_TIMEOUT = 0.42
_KEY_MISSING = 0x06
# The most bytes in an advertisement or a scan response.
_LIMIT = 31


def hci_address(spec: dict[str, Any]) -> hci.Address:
    """A device's address with its type."""
    kinds = hci.Address
    kind = kinds.PUBLIC_DEVICE_ADDRESS if spec["address_type"] == "public" else kinds.RANDOM_DEVICE_ADDRESS
    return hci.Address(spec["address"], kind)


def _element(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def _uuid_bytes(uuid: str) -> bytes:
    """A UUID in the byte order of the link."""
    return bytes.fromhex(uuid)[::-1]


def _services_and_manufacturer(sent: dict[str, Any]) -> bytes:
    types = core.AdvertisingData.Type
    elements = b""
    for digits, kind in (
        (4, types.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS),
        (32, types.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS),
    ):
        uuids = [_uuid_bytes(uuid) for uuid in sent["services"] if len(uuid) == digits]
        if uuids:
            elements += _element(kind, b"".join(uuids))
    for company, data in sent["manufacturer"]:
        elements += _element(
            types.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + bytes.fromhex(data)
        )
    return elements


def build_advert(spec: dict[str, Any], name: str | None, sent: dict[str, Any], *, connectable: bool) -> Advert:
    """Builds an advertisement. What does not fit moves to the scan response: first service data, then the name."""
    types = core.AdvertisingData.Type
    data = _services_and_manufacturer(sent)
    flags = _element(types.FLAGS, bytes([0x06]))
    # The manufacturer data of some families leaves no room for flags.
    if len(flags) + len(data) <= _LIMIT:
        data = flags + data
    response = b""
    for service, payload in sent["service_data"]:
        short = len(service) == 4
        kind = types.SERVICE_DATA_16_BIT_UUID if short else types.SERVICE_DATA_128_BIT_UUID
        element = _element(kind, _uuid_bytes(service) + bytes.fromhex(payload))
        if len(data) + len(element) <= _LIMIT:
            data += element
        else:
            response += element
    if name is not None:
        text = name.encode()
        whole = _element(types.COMPLETE_LOCAL_NAME, text)
        if not spec["name_in_response"] and len(data) + len(whole) <= _LIMIT:
            data += whole
        elif len(response) + len(whole) <= _LIMIT:
            response += whole
        else:
            response += _element(types.SHORTENED_LOCAL_NAME, text[: _LIMIT - len(response) - 2])
    if len(data) > _LIMIT or len(response) > _LIMIT:
        raise ValueError(f"{spec['address']}: its advertisement does not fit into {_LIMIT} bytes")
    return Advert(hci_address(spec), connectable, data, response, spec["rssi"])


class Bulb:
    """A bulb on the air. `number` is its number at the bulb server, `spec` the server's description."""

    def __init__(self, number: int, spec: dict[str, Any], air: Air, log: Any, server: BulbServer) -> None:
        self.spec = spec
        self.address = hci_address(spec)
        self.connected = False
        self._number = number
        self._air = air
        self._log = log
        self._server = server
        self._name: str | None = spec["name"]
        self._vanished = False
        # The kernel's present attempt to connect, and the fault that acts at it.
        self._attempt: object | None = None
        self._attempt_fault: Fault | None = None
        self._attempt_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._security = Security(self, spec["pairing"])
        self._gatt = gatt.Server(self, spec["mtu"])
        # In the order of the rig's table: their numbers at the bulb server.
        self._characteristics: list[Any] = []
        self._battery_level: int | None = None
        self._build()
        self.advert = self._build_advert()
        air.peers[self.address] = self

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        return self._server.ask(do, bulb=self._number, **request)

    def _build_advert(self) -> Advert:
        return build_advert(self.spec, self._name, self._ask("advert"), connectable=True)

    # --- the GATT table

    def _build(self) -> None:
        name = (self._name or "").encode()
        generic_access = [("2a00", ["read"], lambda: name, None), ("2a01", ["read"], lambda: b"\0\0", None)]
        self._gatt.offer(gatt.table("1800", generic_access), own=False)
        self._gatt.offer(gatt.table("1801", [("2a05", ["indicate"], lambda: b"", None)]), own=False)
        for service in self.spec["services"]:
            first = len(self._characteristics)
            entries = [
                (entry["uuid"], entry["properties"], *self._access(first + number))
                for number, entry in enumerate(service["characteristics"])
            ]
            made = gatt.table(service["uuid"], entries)
            self._gatt.offer(made)
            for entry, characteristic in zip(service["characteristics"], made.characteristics, strict=True):
                if (service["uuid"], entry["uuid"]) == ("180f", "2a19"):
                    self._battery_level = len(self._characteristics)
                if entry["requires_bond"]:
                    self._gatt.close(characteristic)
                self._characteristics.append(characteristic)

    def _access(self, number: int) -> tuple[Any, Any]:
        """The functions that read and write a characteristic."""

        def write(value: bytes) -> None:
            response = self._ask("write", characteristic=number, hex=value.hex())
            if response["hangs_up"]:
                self.drop()
            if response["att"] is not None:
                raise att.ATT_Error(response["att"])
            if response["trigger"] is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(self.spec["status_latency"], self._notify, response["trigger"])
                self.advert = self._build_advert()

        return lambda: self._read(number), write

    def _read(self, number: int) -> bytes:
        return bytes.fromhex(self._ask("read", characteristic=number)["hex"])

    # --- what it does

    def _notify(self, trigger: str | int) -> None:
        """Sends the notifications of an trigger: `command`, `change`, or the number of a query."""
        if self.connected:
            for number, value in self._ask("notifications", trigger=trigger)["notifications"]:
                self._gatt.announce(self._characteristics[number], bytes.fromhex(value))

    def changed(self) -> None:
        """Someone else has changed its state."""
        self.advert = self._build_advert()
        self._notify("change")

    async def drain(self) -> None:
        """Sends the battery level each time that it drops, down to 0."""
        level = None
        while self._battery_level is not None and level != b"\0":
            await asyncio.sleep(self.spec["battery_drain"])
            level = self._read(self._battery_level)
            self._gatt.announce(self._characteristics[self._battery_level], level)

    def rename(self, name: str) -> None:
        """Advertises another name."""
        self._name = name
        self.advert = self._build_advert()

    def vanish(self) -> None:
        """Goes out of range. The controller tells the kernel of a lost link after the supervision timeout."""
        self._vanished = True
        if self.connected:
            self._disconnected("bulb")
            loop = asyncio.get_running_loop()
            reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
            loop.call_later(_SUPERVISION_TIMEOUT, self._air.central.on_peer_terminated, self.address, reason)

    def appear(self) -> None:
        """Advertises again."""
        self._vanished = False

    @property
    def advertising(self) -> bool:
        """Whether it advertises now: a connected bulb does not."""
        return not self._vanished and not self.connected

    def stop(self) -> None:
        """Takes it off the air for good."""
        self._vanished = True
        self.drop()
        self._air.peers.pop(self.address, None)

    # --- its end of the link

    def accepts_connection(self) -> bool:
        """Whether it answers the kernel's connection request now."""
        now = asyncio.get_running_loop().time()
        attempt = self._air.central.connecting_to(self.address)
        if attempt is not self._attempt:
            self._attempt = attempt
            self._attempt_fault = self.trigger_fault("connect", None)
            self._attempt_since = now
        fault = self._attempt_fault
        delay = fault.seconds if fault else 0.0
        silent = fault is not None and fault.do == "silent"
        return self.advertising and now >= self._attempt_since + delay and not silent

    def on_connected(self, central: hci.Address) -> None:
        """The kernel has connected."""
        self.connected = True
        self._security.connect(central)
        self._gatt.connect(drops=self._attempt_fault is not None and self._attempt_fault.do == "drop")
        self._attempt = None
        self._ask("connect")
        self.note("connect")
        self.on_activity()

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
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            self._gatt.disconnect()
            self._security.disconnect()
            self.note("disconnect", by=by)
            self._ask("disconnect")

    def on_activity(self) -> None:
        """Something was written, or the link came up: the idle time starts from here."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self.spec["idle_drop"] is not None:
            self._idle_timer = asyncio.get_running_loop().call_later(self.spec["idle_drop"], self.drop)

    def on_encryption(self, request: ll.EncReq) -> None:
        """The kernel encrypts the link."""
        if not self.connected:
            return
        response: ll.ControlPdu = ll.StartEncRsp()
        if not self._security.encrypt(request.ltk, request.rand, request.ediv):
            response = ll.RejectExtInd(ll.ControlPdu.Opcode.LL_ENC_REQ, _KEY_MISSING)
        self._air.central.on_ll_control_pdu(self.address, response)

    def on_smp(self, pdu: bytes) -> None:
        """Handles a packet of the kernel's Security Manager."""
        self._security.on_pdu(pdu)

    def is_open(self) -> bool:
        """Whether the kernel may use characteristics that require a bond."""
        return self._security.is_encrypted

    def on_pdu(self, pdu: bytes) -> None:
        """Handles a packet from the kernel."""
        if self.connected:
            self._gatt.on_packet(pdu)

    def send_l2cap(self, channel: int, payload: bytes) -> None:
        """Frames a packet and sends it."""
        self.send_packet(struct.pack("<HH", len(payload), channel) + payload)

    def send_packet(self, pdu: bytes) -> None:
        """Sends a packet to the kernel."""
        if self.connected:
            self._air.central.deliver(self.address, pdu)

    def trigger_fault(self, on: str, characteristic: int | None) -> Fault | None:
        """Finds the fault that acts at this operation now."""
        return self._server.trigger_fault(self._number, on, characteristic)

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log, which has dashes in long UUIDs."""
        if len(uuid := more.get("characteristic", "")) == 32:
            more["characteristic"] = str(UUID(uuid))
        self._log.write(self.spec["address"], event, **more)

    def describe(self) -> dict[str, Any]:
        """Describes it for the control socket."""
        return {
            "address": self.spec["address"],
            "connected": self.connected,
            "asked": self._air.central.connecting_to(self.address) is not None,
            "advertising": self.advertising,
        }
