"""The bulb's end of a link: L2CAP just as far as ATT needs it, and Bumble's GATT server with faults put before it."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Protocol

from bumble import att, gatt, gatt_server

from rig import Fault

logger = logging.getLogger(__name__)

_ATT = 0x04
_SMP = 0x06
_PAIRING_REQUEST = 0x01
_PAIRING_NOT_SUPPORTED = bytes([0x05, 0x05])

_DISCOVERY = (
    att.ATT_Read_By_Group_Type_Request,
    att.ATT_Find_By_Type_Value_Request,
    att.ATT_Find_Information_Request,
)
_READS = (att.ATT_Read_Request, att.ATT_Read_Blob_Request)
_WRITES = (att.ATT_Write_Request, att.ATT_Write_Command)


class Host(Protocol):
    """What the server needs of the bulb that it serves."""

    def send_packet(self, pdu: bytes) -> None:
        """Sends an L2CAP packet to the central."""

    def drop(self) -> None:
        """Ends the link."""

    def strike(self, point: str, characteristic: str | None) -> Fault | None:
        """The fault that acts at this point now."""

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log."""


class Bearer:
    """The ATT channel of one link, as Bumble's server sees it."""

    handle = 1
    encryption = 0
    authenticated = False

    def __init__(self) -> None:
        self.att_mtu = att.ATT_DEFAULT_MTU
        self.discovered = False

    def on_att_mtu_update(self, mtu: int) -> None:
        """Both sides have said how much they take."""
        self.att_mtu = mtu


def short(uuid: object) -> str:
    """A UUID as the air log writes it: 4 hex digits where it has a 16-bit number."""
    text = uuid.to_hex_str().lower()  # type: ignore[attr-defined]
    if len(text) == 32 and text.startswith("0000") and text.endswith("00001000800000805f9b34fb"):
        return text[4:8]
    return text


class Server(gatt_server.Server):
    """Bumble's GATT server, of which each request passes the faults first."""

    def __init__(self, host: Host) -> None:
        super().__init__(self)  # type: ignore[arg-type]
        self._host = host
        self.bearer: Bearer | None = None
        self._values: dict[int, gatt.Characteristic] = {}
        self._subscriptions: dict[int, gatt.Characteristic] = {}

    def offer(self, service: gatt.Service, *, own: bool = True) -> None:
        """Adds a service. Faults and log know the bulb's own ones only, not those that every device has."""
        first = len(self.attributes)
        self.add_service(service)
        if not own:
            return
        last: gatt.Characteristic | None = None
        for attribute in self.attributes[first:]:
            if isinstance(attribute, gatt.Characteristic):
                last = attribute
                self._values[attribute.handle] = attribute
            elif last and attribute.type == gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR:
                self._subscriptions[attribute.handle] = last

    def connect(self) -> None:
        """A link came up."""
        self.bearer = Bearer()

    def disconnect(self) -> None:
        """The link is gone, and with it all subscriptions."""
        if self.bearer is not None:
            self.on_disconnection(self.bearer)
        self.bearer = None

    # Bumble's server calls its device for this.
    def send_l2cap_pdu(self, _handle: int, channel: int, pdu: bytes) -> None:
        """Frames a packet and sends it."""
        self._host.send_packet(struct.pack("<HH", len(pdu), channel) + pdu)

    def on_packet(self, packet: bytes) -> None:
        """An L2CAP packet from the central."""
        if self.bearer is None or len(packet) < 4:
            return
        _, channel = struct.unpack_from("<HH", packet)
        payload = packet[4:]
        if channel == _ATT:
            self._on_request(self.bearer, att.ATT_PDU.from_bytes(payload))
        elif channel == _SMP and payload[:1] == bytes([_PAIRING_REQUEST]):
            self.send_l2cap_pdu(self.bearer.handle, _SMP, _PAIRING_NOT_SUPPORTED)

    def _on_request(self, bearer: Bearer, pdu: att.ATT_PDU) -> None:
        point, characteristic = self._locate(pdu)
        name = short(characteristic.uuid) if characteristic else None
        if point == "discover":
            # One discovery a link, of however many requests. A bulb that is silent stays so.
            if bearer.discovered:
                return self.on_gatt_pdu(bearer, pdu)
            fault = self._host.strike(point, None)
            bearer.discovered = fault is None or fault.do != "silent"
        else:
            fault = self._host.strike(point, name) if point else None
        self._note(point, name, pdu)
        match fault.do if fault else None:
            case None:
                self.on_gatt_pdu(bearer, pdu)
            case "drop":
                self._host.drop()
            case "silent":
                pass
            case "delay":
                asyncio.get_running_loop().call_later(fault.seconds, self._later, bearer, pdu)
            case "error":
                self._refuse(bearer, pdu, fault.att)
            case "reply":
                self.send_response(bearer, att.ATT_Read_Response(attribute_value=fault.bytes))
            case "lose":
                # Lost between the bulb's radio and its lamp: the link still acknowledges a request.
                if isinstance(pdu, att.ATT_Write_Request):
                    self.send_response(bearer, att.ATT_Write_Response())

    def _later(self, bearer: Bearer, pdu: att.ATT_PDU) -> None:
        if bearer is self.bearer:
            self.on_gatt_pdu(bearer, pdu)

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
        """At which point of a rig's faults the request is, and which characteristic it names."""
        if isinstance(pdu, _DISCOVERY):
            return "discover", None
        if isinstance(pdu, att.ATT_Read_By_Type_Request):
            # By type, characteristics are discovered and the device's name is read; neither is a read of ours.
            return ("discover" if pdu.attribute_type == gatt.GATT_CHARACTERISTIC_ATTRIBUTE_TYPE else None), None
        handle = getattr(pdu, "attribute_handle", None)
        if isinstance(pdu, _READS) and handle in self._values:
            return "read", self._values[handle]
        if isinstance(pdu, _WRITES) and handle in self._values:
            return "write", self._values[handle]
        if isinstance(pdu, _WRITES) and handle in self._subscriptions:
            return "subscribe", self._subscriptions[handle]
        return None, None

    def _note(self, point: str | None, name: str | None, pdu: att.ATT_PDU) -> None:
        match point:
            case "read":
                self._host.note("read", characteristic=name)
            case "write":
                kind = "request" if isinstance(pdu, att.ATT_Write_Request) else "command"
                self._host.note("write", characteristic=name, kind=kind, hex=pdu.attribute_value.hex())
            case "subscribe":
                wanted = any(pdu.attribute_value)
                self._host.note("subscribe" if wanted else "unsubscribe", characteristic=name)

    def subscribed(self, characteristic: gatt.Characteristic) -> int:
        """What the central asked for: 0 nothing, 1 notifications, 2 indications."""
        value = self.subscribers.get(self.bearer, {}).get(characteristic.handle, b"\0")
        return value[0] & 0x03

    def announce(self, characteristic: gatt.Characteristic, value: bytes) -> None:
        """Sends a value to the central, if that has asked for it."""
        wanted = self.subscribed(characteristic)
        if not wanted:
            return
        name = short(characteristic.uuid)
        fault = self._host.strike("notify", name)
        match fault.do if fault else None:
            case "drop":
                return self._host.drop()
            case "lose":
                return
            case "reply":
                value = fault.bytes
        seconds = fault.seconds if fault else 0.0
        send = self._indicate if wanted & 0x02 else self._notify
        asyncio.get_running_loop().call_later(seconds, send, self.bearer, characteristic, value)

    def _notify(self, bearer: Bearer, characteristic: gatt.Characteristic, value: bytes) -> None:
        if bearer is self.bearer:
            self._host.note("notify", characteristic=short(characteristic.uuid), hex=value.hex())
            pdu = att.ATT_Handle_Value_Notification(
                attribute_handle=characteristic.handle, attribute_value=value
            )
            self.send_gatt_pdu(bearer, bytes(pdu))

    def _indicate(self, bearer: Bearer, characteristic: gatt.Characteristic, value: bytes) -> None:
        if bearer is self.bearer:
            self._host.note("notify", characteristic=short(characteristic.uuid), hex=value.hex())
            pdu = att.ATT_Handle_Value_Indication(
                attribute_handle=characteristic.handle, attribute_value=value
            )
            self.send_gatt_pdu(bearer, bytes(pdu))

    # The central confirms indications; nobody waits for it here.
    def on_att_handle_value_confirmation(self, bearer: Bearer, confirmation: att.ATT_PDU) -> None:
        """The central has an indication."""


def table(
    uuid: str, characteristics: list[tuple[str, list[str], Callable[[], bytes], Callable[[bytes], None] | None]]
) -> gatt.Service:
    """A service of characteristics that are given as UUID, properties, what a read returns, and what a write does."""
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
        made.append(
            gatt.Characteristic(
                number.upper(), flags, permissions, att.AttributeValueV2(_reader(properties, read), _writer(write))
            )
        )
    return gatt.Service(uuid.upper(), made)


# Bumble does not hold reads and writes against the permissions.
def _reader(properties: list[str], read: Callable[[], bytes]) -> Callable[[Bearer], bytes]:
    def run(_bearer: Bearer) -> bytes:
        if "read" not in properties:
            raise att.ATT_Error(att.ATT_READ_NOT_PERMITTED_ERROR)
        return read()

    return run


def _writer(write: Callable[[bytes], None] | None) -> Callable[[Bearer, bytes], None]:
    def run(_bearer: Bearer, value: bytes) -> None:
        if write is None:
            raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)
        write(value)

    return run
