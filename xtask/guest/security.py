"""The bulb's end of pairing and encryption: Bumble's Security Manager as the responder, and the bond.

Bumble's Security Manager expects a device and a connection. The classes here have only the parts that it uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from bumble import hci, pairing, smp, utils
from bumble.core import PhysicalTransport

_SMP = 0x06
_ENCRYPTION_KEY = pairing.PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY


class Host(Protocol):
    """What it needs from the bulb."""

    address: hci.Address

    def send_l2cap(self, channel: int, payload: bytes) -> None:
        """Sends a packet to the central."""

    def note(self, event: str, **more: str) -> None:
        """Writes to the air log."""


class Link(utils.EventEmitter):
    """A link, as Bumble's Security Manager uses it."""

    EVENT_DISCONNECTION = "disconnection"
    EVENT_CONNECTION_ENCRYPTION_CHANGE = "connection_encryption_change"
    EVENT_CONNECTION_ENCRYPTION_KEY_REFRESH = "connection_encryption_key_refresh"
    EVENT_SECURITY_REQUEST = "security_request"

    handle = 1
    role = hci.Role.PERIPHERAL
    transport = PhysicalTransport.LE
    self_resolvable_address = None
    peer_resolvable_address = None

    def __init__(self, host: Host, central: hci.Address) -> None:
        super().__init__()
        self.self_address = host.address
        self.peer_address = central
        self.is_encrypted = False
        self.send_l2cap_pdu: Callable[[int, bytes], None] = host.send_l2cap
        self._tasks: set[asyncio.Task[None]] = set()

    def cancel_on_disconnection(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task that is cancelled when the link ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Does nothing: packets are sent at once."""

    def end(self) -> None:
        """The link is down."""
        for task in self._tasks:
            task.cancel()
        self.emit(self.EVENT_DISCONNECTION, 0)


class _Delegate(pairing.PairingDelegate):
    """A bulb has no input and no output, and distributes only the encryption key."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__(pairing.PairingDelegate.NO_OUTPUT_NO_INPUT, _ENCRYPTION_KEY, _ENCRYPTION_KEY)
        self._is_ready = is_ready

    async def accept(self) -> bool:
        """Whether to accept the central's pairing request."""
        return self._is_ready()


class Security:
    """Pairs if the bulb is ready, and keeps the key for as long as the bulb is on the air."""

    keystore = None

    def __init__(self, host: Host, ready: bool) -> None:
        self._host = host
        self._ready = ready
        self._key: bytes | None = None
        self._link: Link | None = None
        self._manager: smp.Manager | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether the present link is encrypted."""
        return self._link is not None and self._link.is_encrypted

    def connect(self, central: hci.Address) -> None:
        """A link came up."""
        self._link = Link(self._host, central)
        delegate = _Delegate(lambda: self._ready)
        config = pairing.PairingConfig(sc=True, mitm=False, bonding=True, delegate=delegate)
        self._manager = smp.Manager(self, lambda _link: config)  # type: ignore[arg-type]

    def disconnect(self) -> None:
        """The link is down."""
        if self._link is not None:
            self._link.end()
        self._link = self._manager = None

    def on_pdu(self, pdu: bytes) -> None:
        """Handles a packet of the central's Security Manager."""
        if self._manager is not None and self._link is not None:
            self._manager.on_smp_pdu(self._link, pdu)  # type: ignore[arg-type]

    def encrypt(self, key: bytes, rand: bytes, ediv: int) -> bool:
        """Encrypts the link. Returns whether the key is correct."""
        if self._manager is None or self._link is None:
            return False
        # The key of the pairing under way, or of the bond.
        own = self._manager.get_long_term_key(self._link, rand, ediv) or self._key  # type: ignore[arg-type]
        if own is None or own != key:
            return False
        self._link.is_encrypted = True
        asyncio.get_running_loop().call_soon(self._link.emit, Link.EVENT_CONNECTION_ENCRYPTION_CHANGE)
        return True

    # --- methods that Bumble's Security Manager calls on its device

    def on_pairing_start(self, _link: Link) -> None:
        """Pairing has started."""

    def on_pairing(self, _link: Link, _address: hci.Address, keys: Any, _sc: bool) -> None:
        """Pairing has made a bond."""
        self._key = keys.ltk.value
        self._host.note("pair")

    def on_pairing_failure(self, _link: Link, _reason: int) -> None:
        """Pairing has failed."""
