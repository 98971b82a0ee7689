"""The client of `examples/virtual_bulbs.rs`, which reads rigs and plays their bulbs. src/radio/sim/server.rs has the requests."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ServerError(Exception):
    """The program refused a request, or has ended."""


@dataclass(frozen=True)
class Fault:
    """What a fault of the rig does now. `do` is as in rig files."""

    do: str
    seconds: float = 0.0
    att: int = 0
    hex: str = ""


class BulbServer:
    """The program, with all bulbs of a rig."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    # Blocks: a response takes less time than a packet's way through the kernel.
    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Sends a request and returns the response."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise ServerError("the program that plays the bulbs has ended")
        response = json.loads(line)
        if "error" in response:
            raise ServerError(response["error"])
        return response

    def trigger_fault(self, bulb: int, on: str, characteristic: int | None) -> Fault | None:
        """Finds the fault that acts at this operation now, and counts it."""
        fault = self.ask("fault", bulb=bulb, on=on, characteristic=characteristic)["fault"]
        return None if fault is None else Fault(**fault)
