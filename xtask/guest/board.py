"""The lamps themselves, played by a program of ours: `protocol/examples/board.rs`, one line each way for everything."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BoardError(Exception):
    """The program refuses; says why."""


@dataclass
class Told:
    """What a lamp advertises: services, and data of which there is one of each kind at most."""

    services: list[str]
    manufacturer: tuple[int, bytes] | None
    service_data: tuple[str, bytes] | None


@dataclass
class Done:
    """What became of a write."""

    att: int | None
    kept: bool
    occasion: str | int | None


def _plain(uuid: str) -> str:
    """A UUID as rigs have it, without dashes."""
    return uuid.replace("-", "")


class Boards:
    """The program, with every lamp in it."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    # An answer takes less than a packet's way through the kernel, so that it is waited for.
    def ask(self, **request: Any) -> dict[str, Any]:
        """One request and its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise BoardError("the program that plays the lamps has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise BoardError(answer["error"])
        return answer

    def clear(self) -> None:
        """No lamps any more."""
        self.ask(do="clear")

    def new(
        self, profile: str, folder: str, table: list[tuple[str, str]] | None, state: dict[str, Any]
    ) -> Board:
        """A lamp of a profile, with the profile's table or another one."""
        answer = self.ask(do="new", profile=profile, folder=folder, table=table, state=state)
        return Board(self, answer)


class Board:
    """One lamp."""

    def __init__(self, boards: Boards, made: dict[str, Any]) -> None:
        self._boards = boards
        self._number = made["board"]
        self.name: str | None = made["advert"]["name"]
        self.manufacturer_name: str | None = made["manufacturer_name"]
        self.needs_bonding: bool = made["needs_bonding"]
        # In seconds.
        self.keep_alive: float | None = made["keep_alive"]
        # Service, characteristic, properties.
        self.table = [(_plain(service), _plain(uuid), names) for service, uuid, names in made["table"]]

    def _ask(self, do: str, **more: Any) -> dict[str, Any]:
        return self._boards.ask(do=do, board=self._number, **more)

    @staticmethod
    def place(service: str, characteristic: str) -> str:
        """How a characteristic is called here."""
        return f"{service}/{characteristic}"

    def connect(self) -> None:
        """A link came up."""
        self._ask("connect")

    def has_role(self, place: str) -> bool:
        """Whether a characteristic is one of the family's own."""
        return self._ask("has_role", at=place)["has_role"]

    def write(self, place: str, value: bytes) -> Done:
        """A write."""
        return Done(**self._ask("write", at=place, hex=value.hex()))

    def read(self, place: str) -> bytes | None:
        """What a read gives, where the family has something to say."""
        told = self._ask("read", at=place)["hex"]
        return None if told is None else bytes.fromhex(told)

    def tell(self, occasion: str | int) -> list[tuple[str, bytes]]:
        """What is sent on an occasion: `command`, `change`, or the number of a question."""
        told = self._ask("tell", occasion=occasion)["told"]
        return [(_plain(place), bytes.fromhex(value)) for place, value in told]

    def set(self, state: dict[str, Any]) -> None:
        """Somebody else changes it."""
        self._ask("set", state=state)

    def advert(self) -> Told:
        """What it advertises in its present state."""
        told = self._ask("advert")
        manufacturer = [(company, bytes.fromhex(data)) for company, data in told["manufacturer"]]
        service_data = [(_plain(service), bytes.fromhex(data)) for service, data in told["service_data"]]
        return Told(
            [_plain(service) for service in told["services"]],
            manufacturer[0] if manufacturer else None,
            service_data[0] if service_data else None,
        )
