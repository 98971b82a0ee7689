"""What is wrong with a board's firmware; the names are those of fixtures/rigs/README.md."""

from __future__ import annotations

import asyncio
from typing import Any

_MUTE = 60.0
_BUSY = 0.02
_LENGTH = 5

DEFECTS = (
    "swaps-red-and-blue",
    "brightness-255",
    "short-reports",
    "long-reports",
    "one-behind",
    "zero-is-off",
    "black-is-off",
    "off-forgets-color",
    "stays-on",
    "takes-malformed",
    "hangs-up-on-malformed",
    "loses-quick-writes",
    "mute-after-a-minute",
    "forgets-on-disconnect",
)


class Firmware:
    """One board's firmware, in the way of the base protocol: five bytes each way."""

    def __init__(self, defects: list[str]) -> None:
        self._defects = frozenset(defects)
        self._since = 0.0
        self._written: float | None = None
        self._report: bytes | None = None

    def has(self, defect: str) -> bool:
        """Whether this is wrong with it."""
        return defect in self._defects

    def connected(self) -> None:
        """A link came up."""
        self._since = asyncio.get_running_loop().time()
        self._written = None

    def is_mute(self) -> bool:
        """Whether it notifies nothing any more."""
        return self.has("mute-after-a-minute") and asyncio.get_running_loop().time() - self._since >= _MUTE

    def is_busy(self) -> bool:
        """Whether a write that comes now is lost."""
        now = asyncio.get_running_loop().time()
        before, self._written = self._written, now
        return self.has("loses-quick-writes") and before is not None and now - before < _BUSY

    def bend(self, value: bytes) -> bytes:
        """A write as it is taken."""
        if not self.has("takes-malformed"):
            return value
        frame = bytearray(value[:_LENGTH].ljust(_LENGTH, b"\0"))
        frame[0] = min(frame[0], 1)
        frame[1] = min(frame[1], 100)
        return bytes(frame)

    def carried_out(self, before: bytes | None, value: bytes) -> dict[str, Any]:
        """What it is like besides, after a command; and what it was like before, for later."""
        self._report = before
        changes: dict[str, Any] = {}
        if len(value) != _LENGTH:
            return changes
        power, brightness, red, green, blue = value
        if self.has("stays-on") and before and before[0]:
            changes["power"] = True
        dark = (red, green, blue) == (0, 0, 0)
        if (self.has("zero-is-off") and not brightness) or (self.has("black-is-off") and dark):
            power = 0
            changes["power"] = False
        if self.has("off-forgets-color") and not power:
            changes["color"] = "#ffffff"
        return changes

    def mar(self, report: bytes) -> bytes:
        """A report as it is sent."""
        if self.has("one-behind") and self._report is not None:
            report = self._report
        frame = bytearray(report)
        if self.has("swaps-red-and-blue") and len(frame) == _LENGTH:
            frame[2], frame[4] = frame[4], frame[2]
        if self.has("brightness-255") and len(frame) == _LENGTH:
            frame[1] = frame[1] * 255 // 100
        if self.has("short-reports"):
            del frame[-1:]
        if self.has("long-reports"):
            frame.append(0)
        return bytes(frame)
