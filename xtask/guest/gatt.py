"""The bulb's end of a link: as much of L2CAP as ATT needs, and Bumble's GATT server behind the faults of the rig."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Protocol

from bumble import att, gatt, gatt_server

from server import Fault

logger = logging.getLogger(__name__)

_ATT = 0x04
_SMP = 0x06

_DISCOVERY = (
    att.ATT_Read_By_Group_Type_Request,
    att.ATT_Find_By_Type_Value_Request,
    att.ATT_Find_Information_Request,
)
_READS = (att.ATT_Read_Request, att.ATT_Read_Blob_Request)
_WRITES = (att.ATT_Write_Request, att.ATT_Write_Command)


class Host(Protocol):
    """What the server needs from its bulb."""

    def send_packet(self, pdu: bytes) -> None:
        """Sends an L2CAP packet to the central."""

    def drop(self) -> None:
        """Ends the link."""

    def on_activity(self) -> None:
        """Something was written: the link is not idle."""

    def on_smp(self, pdu: bytes) -> None:
        """Handles a packet of the central's Security Manager."""

    def is_open(self) -> bool:
        """Whether the central may use characteristics that require a bond."""

    def trigger_fault(self, on: str, characteristic: int | None) -> Fault | None:
        """Finds the fault that acts at this operation now."""

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log."""


class Bearer:
    """The ATT channel of a link, as Bumble's server uses it."""

    handle = 1
    encryption = 0
    authenticated = False

    def __init__(self) -> None:
        self.att_mtu = att.ATT_DEFAULT_MTU
        self.discovered = False
        self.discovery_fault: Fault | None = None
        self.drops = False

    def on_att_mtu_update(self, mtu: int) -> None:
        """Sets the MTU that both sides agreed on."""
        self.att_mtu = mtu


def short(uuid: object) -> str:
    """A UUID as in the air log: 4 hex digits if it has a 16-bit number."""
    text = uuid.to_hex_str().lower()  # type: ignore[attr-defined]
    if len(text) == 32 and text.startswith("0000") and text.endswith("00001000800000805f9b34fb"):
        return text[4:8]
    return text


class Server(gatt_server.Server):
    """Bumble's GATT server. Each request meets the faults first."""

    def __init__(self, host: Host, mtu: int) -> None:
        super().__init__(self)  # type: ignore[arg-type]
        self.max_mtu = mtu
        self._host = host
        self.bearer: Bearer | None = None
        self._values: dict[int, gatt.Characteristic] = {}
        self._subscriptions: dict[int, gatt.Characteristic] = {}
        # The characteristics' numbers in the rig, by handle.
        self._numbers: dict[int, int] = {}
        self._closed: set[int] = set()

    def offer(self, service: gatt.Service, *, own: bool = True) -> None:
        """Adds a service. With `own`, it is one of the rig, which faults and the air log are about."""
        first = len(self.attributes)
        self.add_service(service)
        if not own:
            return
        last: gatt.Characteristic | None = None
        for attribute in self.attributes[first:]:
            if isinstance(attribute, gatt.Characteristic):
                last = attribute
                self._values[attribute.handle] = attribute
                self._numbers[attribute.handle] = len(self._numbers)
            elif last and attribute.type == gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR:
                self._subscriptions[attribute.handle] = last

    def close(self, characteristic: gatt.Characteristic) -> None:
        """Closes a characteristic to centrals without a bond."""
        self._closed.add(characteristic.handle)

    def connect(self, *, drops: bool) -> None:
        """A link came up. With `drops`, the bulb ends it before it is of any use."""
        self.bearer = Bearer()
        self.bearer.drops = drops

    def disconnect(self) -> None:
        """The link is down. All subscriptions end."""
        if self.bearer is not None:
            self.on_disconnection(self.bearer)
        self.bearer = None

    # Bumble's server calls this method of its device.
    def send_l2cap_pdu(self, _handle: int, channel: int, pdu: bytes) -> None:
        """Frames a packet and sends it."""
        self._host.send_packet(struct.pack("<HH", len(pdu), channel) + pdu)

    def on_packet(self, packet: bytes) -> None:
        """Handles an L2CAP packet from the central."""
        if self.bearer is None or len(packet) < 4:
            return
        _, channel = struct.unpack_from("<HH", packet)
        payload = packet[4:]
        if channel == _ATT:
            self._on_request(self.bearer, att.ATT_PDU.from_bytes(payload))
        elif channel == _SMP:
            self._host.on_smp(payload)

    def _on_request(self, bearer: Bearer, pdu: att.ATT_PDU) -> None:
        # No sooner: if a link ends before the MTU was exchanged, kernel 6.1 frees a channel twice when bluetoothd
        # closes the socket ("kernel BUG" in hci_chan_del), which kills bluetoothd. A Connection Complete event with an
        # error does not help either: the kernel ignores it and waits for 40 s.
        if bearer.drops and not isinstance(pdu, att.ATT_Exchange_MTU_Request):
            return self._host.drop()
        point, characteristic = self._locate(pdu)
        if point == "discover":
            # A discovery is many requests. The fault acts at the first of them, or at all if it is `silent`.
            fault = bearer.discovery_fault
            if not bearer.discovered:
                bearer.discovered = True
                bearer.discovery_fault = fault = self._host.trigger_fault(point, None)
            elif fault is not None and fault.do != "silent":
                fault = None
            return self._handle(bearer, pdu, fault)
        if point is None or characteristic is None:
            return self.on_gatt_pdu(bearer, pdu)
        name = short(characteristic.uuid)
        if point == "write":
            self._host.on_activity()
        if point == "write" and isinstance(pdu, att.ATT_Write_Command):
            self._note_write(name, "command", pdu)
            # The kernel sends it without a look at the properties, and the bulb ignores it.
            if not characteristic.properties & gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE:
                return
        elif point == "write":
            if not characteristic.properties & gatt.Characteristic.Properties.WRITE:
                return self._refuse(bearer, pdu, att.ATT_WRITE_NOT_PERMITTED_ERROR)
            self._note_write(name, "request", pdu)
        elif point == "read":
            if not characteristic.properties & gatt.Characteristic.Properties.READ:
                return self._refuse(bearer, pdu, att.ATT_READ_NOT_PERMITTED_ERROR)
            self._host.note("read", characteristic=name)
        if characteristic.handle in self._closed and not self._host.is_open():
            return self._refuse(bearer, pdu, att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR)
        fault = self._host.trigger_fault(point, self._numbers[characteristic.handle])
        self._handle(bearer, pdu, fault, point, name)

    def _note_write(self, name: str, kind: str, pdu: att.ATT_PDU) -> None:
        self._host.note("write", characteristic=name, kind=kind, hex=pdu.attribute_value.hex())

    def _handle(
        self, bearer: Bearer, pdu: att.ATT_PDU, fault: Fault | None, point: str = "discover", name: str = ""
    ) -> None:
        """Responds to a request, changed by a fault."""
        if fault is not None and fault.do == "delay":
            loop = asyncio.get_running_loop()
            loop.call_later(fault.seconds, self._respond, bearer, pdu, None, point, name)
        else:
            self._respond(bearer, pdu, fault, point, name)

    def _respond(self, bearer: Bearer, pdu: att.ATT_PDU, fault: Fault | None, point: str, name: str) -> None:
        if bearer is not self.bearer:
            return
        match fault.do if fault else None:
            case None:
                if point == "subscribe":
                    wanted = any(pdu.attribute_value)
                    self._host.note("subscribe" if wanted else "unsubscribe", characteristic=name)
                self.on_gatt_pdu(bearer, pdu)
            case "drop":
                self._host.drop()
            case "silent":
                pass
            case "error":
                self._refuse(bearer, pdu, fault.att)
            case "reply":
                self.send_response(bearer, att.ATT_Read_Response(attribute_value=bytes.fromhex(fault.hex)))
            case "lose":
                # Lost behind the bulb's radio, which still acknowledges a write request.
                if isinstance(pdu, att.ATT_Write_Request):
                    self.send_response(bearer, att.ATT_Write_Response())

    def _refuse(self, bearer: Bearer, pdu: att.ATT_PDU, code: int) -> None:
        if isinstance(pdu, att.ATT_Write_Command):
            return
        self.send_response(
            bearer,
            att.ATT_Error_Response(
                request_opcode_in_error=pdu.op_code,
                attribute_handle_in_error=getattr(pdu, "attribute_handle", 0),
                error_code=code,
            ),
        )

    def _locate(self, pdu: att.ATT_PDU) -> tuple[str | None, gatt.Characteristic | None]:
        """The operation of a request, as the faults of a rig name it, and its characteristic."""
        if isinstance(pdu, _DISCOVERY):
            return "discover", None
        if isinstance(pdu, att.ATT_Read_By_Type_Request):
            # Used to discover characteristics and to read the device's name, not to read a value.
            return ("discover" if pdu.attribute_type == gatt.GATT_CHARACTERISTIC_ATTRIBUTE_TYPE else None), None
        handle = getattr(pdu, "attribute_handle", None)
        if isinstance(pdu, _READS) and handle in self._values:
            return "read", self._values[handle]
        if isinstance(pdu, _WRITES) and handle in self._values:
            return "write", self._values[handle]
        if isinstance(pdu, _WRITES) and handle in self._subscriptions:
            return "subscribe", self._subscriptions[handle]
        return None, None

    def subscribed(self, characteristic: gatt.Characteristic) -> int:
        """What the central has subscribed to: 0 nothing, 1 notifications, 2 indications."""
        value = self.subscribers.get(self.bearer, {}).get(characteristic.handle, b"\0")
        return value[0] & 0x03

    def announce(self, characteristic: gatt.Characteristic, value: bytes) -> None:
        """Sends a value to the central, if it has subscribed."""
        wanted = self.subscribed(characteristic)
        if not wanted:
            return
        fault = self._host.trigger_fault("notify", self._numbers[characteristic.handle])
        send = self._indicate if wanted & 0x02 else self._notify
        match fault.do if fault else None:
            case "lose":
                pass
            case "drop":
                self._host.drop()
            case "delay":
                loop = asyncio.get_running_loop()
                loop.call_later(fault.seconds, send, self.bearer, characteristic, value)
            case "reply":
                send(self.bearer, characteristic, bytes.fromhex(fault.hex))
            case _:
                send(self.bearer, characteristic, value)

    def _notify(self, bearer: Bearer, characteristic: gatt.Characteristic, value: bytes) -> None:
        if bearer is self.bearer:
            value = value[: bearer.att_mtu - 3]
            self._host.note("notify", characteristic=short(characteristic.uuid), hex=value.hex())
            pdu = att.ATT_Handle_Value_Notification(
                attribute_handle=characteristic.handle, attribute_value=value
            )
            self.send_gatt_pdu(bearer, bytes(pdu))

    def _indicate(self, bearer: Bearer, characteristic: gatt.Characteristic, value: bytes) -> None:
        if bearer is self.bearer:
            value = value[: bearer.att_mtu - 3]
            self._host.note("notify", characteristic=short(characteristic.uuid), hex=value.hex())
            pdu = att.ATT_Handle_Value_Indication(
                attribute_handle=characteristic.handle, attribute_value=value
            )
            self.send_gatt_pdu(bearer, bytes(pdu))

    # Nothing waits for the confirmation of an indication.
    def on_att_handle_value_confirmation(self, bearer: Bearer, confirmation: att.ATT_PDU) -> None:
        """The central confirms an indication."""


def table(
    uuid: str, characteristics: list[tuple[str, list[str], Callable[[], bytes], Callable[[bytes], None] | None]]
) -> gatt.Service:
    """Builds a service. A characteristic is its UUID, its properties, and functions that read and write its value."""
    made = []
    for number, properties, read, write in characteristics:
        flags = gatt.Characteristic.Properties(0)
        permissions = gatt.Characteristic.Permissions(0)
        for name in properties:
            flags |= gatt.Characteristic.Properties[name.upper().replace("-", "_")]
        if "read" in properties:
            permissions |= gatt.Characteristic.READABLE
        if "write" in properties or "write-without-response" in properties:
            permissions |= gatt.Characteristic.WRITEABLE
        value = att.AttributeValueV2(_reader(read), _writer(write))
        made.append(gatt.Characteristic(number.upper(), flags, permissions, value))
    return gatt.Service(uuid.upper(), made)


def _reader(read: Callable[[], bytes]) -> Callable[[Bearer], bytes]:
    return lambda _bearer: read()


def _writer(write: Callable[[bytes], None] | None) -> Callable[[Bearer, bytes], None]:
    def run(_bearer: Bearer, value: bytes) -> None:
        if write is None:
            raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
        write(value)

    return run
