"""The kernel's Bluetooth controller, and the connection between it and the bulbs.

Bumble plays the controller. This module corrects the differences from a real one that matter to the kernel.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import Protocol

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

logger = logging.getLogger(__name__)

# Noise on the RSSI. BlueZ does not report an advertisement that changes nothing, so a steady signal would look like
# silence.
_RSSI_NOISE = (0, 1, 0, -1)
# The signal of one adapter at another.
_ADAPTER_RSSI = -40


# The default HCI reason of a bulb that ends its link.
REMOTE_USER_TERMINATED = hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR


@dataclass
class Advert:
    """A device's advertisement and scan response, at most 31 bytes each."""

    address: hci.Address
    connectable: bool
    data: bytes
    scan_response: bytes
    rssi: int


class Peer(Protocol):
    """The other end of a link."""

    address: hci.Address

    def accepts_connection(self) -> bool:
        """Whether it answers the kernel's connection request now."""

    def on_connected(self, central: hci.Address) -> None:
        """The kernel has connected."""

    def on_terminated(self) -> None:
        """The kernel has ended the link."""

    def on_pdu(self, pdu: bytes) -> None:
        """Handles a whole L2CAP packet."""

    def on_encryption(self, request: ll.EncReq) -> None:
        """The kernel encrypts the link."""


class Air(LocalLink):
    """Carries packets between the kernel's adapters and the bulbs, and from one adapter to another.

    Bulbs are in range of the first adapter only, so that another one is free to play a bulb itself.
    """

    central: KernelController

    def __init__(self) -> None:
        super().__init__()
        self.peers: dict[hci.Address, Peer] = {}
        # The HCI reason that the kernel gets when a bulb ends its link.
        self.reason: int = REMOTE_USER_TERMINATED

    def add_controller(self, controller: Controller) -> None:
        super().add_controller(controller)
        assert isinstance(controller, KernelController)
        if len(self.controllers) == 1:
            self.central = controller

    def _adapter(self, own: hci.Address, peer: hci.Address) -> KernelController | None:
        """The adapter with a link from this address of its own to this peer."""
        for controller in self.controllers:
            connection = controller.le_connections.get(peer)
            if connection is not None and connection.self_address == own:
                assert isinstance(controller, KernelController)
                return controller
        return None

    # Bumble gives the sender's random address here, although the kernel connects from its public address.
    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        loop = asyncio.get_running_loop()
        if peer := self.peers.get(destination_address):
            loop.call_soon(peer.on_pdu, data)
        elif connection := sender_controller.le_connections.get(destination_address):
            own = connection.self_address
            if other := self._adapter(destination_address, own):
                loop.call_soon(other.deliver, own, data)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        loop = asyncio.get_running_loop()
        others = [other for other in self.controllers if other is not sender_controller]
        match packet:
            case ll.ConnectInd() if peer := self.peers.get(packet.advertiser_address):
                loop.call_soon(peer.on_connected, packet.initiator_address)
            case ll.ConnectInd():
                for other in others:
                    loop.call_soon(other.on_le_connect_ind, packet)
            case ll.AdvInd():
                assert isinstance(sender_controller, KernelController)
                for other in others:
                    assert isinstance(other, KernelController)
                    loop.call_soon(other.hear_adapter, sender_controller)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        loop = asyncio.get_running_loop()
        peer = self.peers.get(receiver_address)
        if peer is None:
            if other := self._adapter(receiver_address, sender_address):
                loop.call_soon(other.on_ll_control_pdu, sender_address, packet)
            return
        match packet:
            case ll.TerminateInd():
                loop.call_soon(peer.on_terminated)
            case ll.FeatureReq():
                answer = ll.FeatureRsp(feature_set=packet.feature_set)
                loop.call_soon(self.central.on_ll_control_pdu, receiver_address, answer)
            case ll.EncReq():
                loop.call_soon(peer.on_encryption, packet)
            case _:
                logger.debug("peer ignores %s", packet)


class Advertiser(LegacyAdvertiser):
    """The advertiser of an adapter, at the interval that the kernel sets."""

    # Bumble takes the interval for milliseconds.
    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        self.timer_handle = asyncio.get_running_loop().call_later(
            self.advertising_interval_min * 0.625e-3, self._on_timer_fired
        )


class KernelController(Controller):
    """An adapter of the kernel."""

    def __init__(self, name: str, source, sink, air: Air, address: str) -> None:
        super().__init__(name, host_source=source, host_sink=sink, link=air, public_address=address)
        self.le_legacy_advertiser = Advertiser(self)
        # With these features, the kernel would wait for the enhanced connection event, which Bumble does not send.
        # The peers use legacy advertising only.
        self.le_features &= ~(
            hci.LeFeatureMask.LL_PRIVACY
            | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
            | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
        )
        self._rssi_noise = itertools.cycle(_RSSI_NOISE)

    # Bumble formats every packet for its debug log even if that is off, which is too slow on an emulated processor.
    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.host:
            asyncio.get_running_loop().call_soon(self.host.on_packet, bytes(packet))

    def hear(self, advert: Advert) -> None:
        """A bulb advertises: reports it if the kernel scans, and connects if the kernel waits for it."""
        self._report_advert(advert)
        pending = self.pending_le_connection
        if advert.connectable and pending and pending.peer_address == advert.address:
            peer = self.link.peers.get(advert.address)
            if peer is not None and peer.accepts_connection():
                self.create_le_connection(advert.address)

    def hear_adapter(self, other: KernelController) -> None:
        """Another adapter advertises."""
        advertiser = other.le_legacy_advertiser
        # It may have stopped since.
        if not advertiser.enabled:
            return
        data, response = advertiser.advertising_data, advertiser.scan_response_data
        self._report_advert(Advert(advertiser.address, True, data, response, _ADAPTER_RSSI))
        pending = self.pending_le_connection
        if pending and pending.peer_address == advertiser.address:
            self.create_le_connection(advertiser.address)

    def _report_advert(self, advert: Advert) -> None:
        if self.le_scan_enable:
            rssi = max(-127, min(20, advert.rssi + next(self._rssi_noise)))
            kinds = hci.HCI_LE_Advertising_Report_Event.EventType
            kind = kinds.ADV_IND if advert.connectable else kinds.ADV_SCAN_IND
            self._report(kind, advert.address, advert.data, rssi)
            if self.le_scan_type == 1:
                self._report(kinds.SCAN_RSP, advert.address, advert.scan_response, rssi)

    def _report(self, kind: int, address: hci.Address, data: bytes, rssi: int) -> None:
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=kind, address_type=address.address_type, address=address, data=data, rssi=rssi
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    def deliver(self, sender: hci.Address, pdu: bytes) -> None:
        """Handles an L2CAP packet from a peer."""
        self.on_link_acl_data(sender, PhysicalTransport.LE, pdu)

    def on_peer_terminated(self, sender: hci.Address, reason: int) -> None:
        """A peer has ended its link."""
        if connection := self.le_connections.get(sender):
            self.on_le_disconnected(connection, reason)

    def connecting_to(self, address: hci.Address) -> object | None:
        """The kernel's present attempt to connect to this address: a new object for each attempt."""
        pending = self.pending_le_connection
        return pending if pending and pending.peer_address == address else None

    # For a link that the peer has just ended, Bumble responds "pending" and nothing more, and the kernel waits for ever.
    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        if self.find_connection_by_handle(command.connection_handle) is None:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, command.op_code
            )
            return
        super().on_hci_disconnect_command(command)

    # Bumble responds "success" and goes on connecting.
    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        loop = asyncio.get_running_loop()
        loop.call_soon(self._connection_cancelled, pending.peer_address)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def _connection_cancelled(self, address: hci.Address) -> None:
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=address.address_type,
                peer_address=address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )

    # The kernel resets an adapter that is switched off and on. Bumble does not end scans, connects and links then.
    def on_hci_reset_command(self, command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        self.switch_off()
        return super().on_hci_reset_command(command)

    def switch_off(self) -> None:
        """Ends everything: the scan, the advertising, connects and links."""
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        self.pending_le_connection = None
        for connection in list(self.le_connections.values()):
            self.link.send_ll_control_pdu(
                connection.self_address,
                connection.peer_address,
                ll.TerminateInd(hci.HCI_ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_POWER_OFF_ERROR),
            )
        self.le_connections.clear()
