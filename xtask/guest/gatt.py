"""The bulb's end of a link: L2CAP just as far as ATT needs it, and Bumble's GATT server with faults put before it."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Protocol

from bumble import att, gatt, gatt_server

from rig import Fault, Verdict

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
    """What the server needs of the bulb that it serves."""

    def send_packet(self, pdu: bytes) -> None:
        """Sends an L2CAP packet to the central."""

    def drop(self) -> None:
        """Ends the link."""

    def spoken(self) -> None:
        """Something is written."""

    def secure(self, pdu: bytes) -> None:
        """The central's Security Manager says something."""

    def is_open(self) -> bool:
        """Whether it lets the central at what is closed."""

    def strike(self, point: str, characteristic: str | None) -> Verdict:
        """What the faults do at this point now."""

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log."""


class Bearer:
    """The ATT channel of one link, as Bumble's server sees it."""

    handle = 1
    encryption = 0
    authenticated = False

    def __init__(self) -> None:
        self.att_mtu = att.ATT_DEFAULT_MTU
        self.discovery: Verdict | None = None
        self.doomed = False

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

    def __init__(self, host: Host, mtu: int) -> None:
        super().__init__(self)  # type: ignore[arg-type]
        self.max_mtu = mtu
        self._host = host
        self.bearer: Bearer | None = None
        self._values: dict[int, gatt.Characteristic] = {}
        self._subscriptions: dict[int, gatt.Characteristic] = {}
        self._closed: set[int] = set()

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

    def close(self, characteristic: gatt.Characteristic) -> None:
        """Lets nobody at a characteristic whom the bulb has no bond with."""
        self._closed.add(characteristic.handle)

    def connect(self, *, doomed: bool) -> None:
        """A link came up; one that is doomed will be dropped before it is of any use."""
        self.bearer = Bearer()
        self.bearer.doomed = doomed

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
        elif channel == _SMP:
            self._host.secure(payload)

    def _on_request(self, bearer: Bearer, pdu: att.ATT_PDU) -> None:
        # Not any sooner. Kernel 6.1 frees a channel twice when bluetoothd closes the socket of a link that ended before
        # the MTU was exchanged ("kernel BUG" in hci_chan_del), which kills bluetoothd; and it passes over a Connection
        # Complete that tells of a failure, and waits for 40 s.
        if bearer.doomed and not isinstance(pdu, att.ATT_Exchange_MTU_Request):
            return self._host.drop()
        point, characteristic = self._locate(pdu)
        if point == "discover":
            # One discovery a link, of however many requests.
            if bearer.discovery is None:
                bearer.discovery = self._host.strike(point, None)
                verdict = bearer.discovery
            else:
                # A bulb that is silent stays so.
                verdict = Verdict(act=bearer.discovery.act if bearer.discovery.does("silent") else None)
            return self._judge(bearer, pdu, verdict)
        if point is None or characteristic is None:
            return self.on_gatt_pdu(bearer, pdu)
        name = short(characteristic.uuid)
        if point == "write":
            self._host.spoken()
        if point == "write" and isinstance(pdu, att.ATT_Write_Command):
            self._note_write(name, "command", pdu)
            # Sent by a stack that does not look, passed over by the bulb.
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
        self._judge(bearer, pdu, self._host.strike(point, name), point, name)

    def _note_write(self, name: str, kind: str, pdu: att.ATT_PDU) -> None:
        self._host.note("write", characteristic=name, kind=kind, hex=pdu.attribute_value.hex())

    def _judge(
        self, bearer: Bearer, pdu: att.ATT_PDU, verdict: Verdict, point: str = "discover", name: str = ""
    ) -> None:
        """Has the request answered as the faults want it."""
        if verdict.seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(verdict.seconds, self._act, bearer, pdu, verdict.act, point, name)
        else:
            self._act(bearer, pdu, verdict.act, point, name)

    def _act(self, bearer: Bearer, pdu: att.ATT_PDU, act: Fault | None, point: str, name: str) -> None:
        if bearer is not self.bearer:
            return
        match act.do if act else None:
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
                self._refuse(bearer, pdu, act.att)
            case "reply":
                self.send_response(bearer, att.ATT_Read_Response(attribute_value=act.bytes))
            case "lose":
                # Lost between the bulb's radio and its lamp: the link still acknowledges a request.
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
        verdict = self._host.strike("notify", name)
        bearer = self.bearer
        if verdict.does("lose"):
            return
        if verdict.does("drop"):
            run: Callable[[], None] = self._host.drop
        else:
            sent = verdict.act.bytes if verdict.act else value
            send = self._indicate if wanted & 0x02 else self._notify

            def run() -> None:
                send(bearer, characteristic, sent)

        if verdict.seconds:
            asyncio.get_running_loop().call_later(verdict.seconds, run)
        else:
            run()

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
