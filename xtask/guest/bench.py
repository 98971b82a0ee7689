"""Compares bulbctl with other ways to do the same, in the virtual machine. Prints a Markdown table.

Every round runs each of them once, so that the machine's load affects all of them alike. A run counts only if the bulb
received its frame.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 7
NAME = "Light-Plain"
ADDRESS = "C4:5C:00:00:0F:01"
DEVICE = "/org/bluez/hci0/dev_" + ADDRESS.replace(":", "_")
GUEST = Path(__file__).parent
RIG = GUEST.parent.parent / "fixtures/rigs/scenarios/plain.toml"
# Handle of fff1 in the table of that rig: after generic access (5 handles), generic attribute (4) and two declarations.
HANDLE = "0x000c"
FRAME = "0132ffffff"


class Air:
    """The virtual air's control socket."""

    def __init__(self) -> None:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect("/run/air.sock")
        self._file = stream.makefile("rw")

    def ask(self, **request: str) -> dict:
        """Sends a request, which must succeed."""
        print(json.dumps(request), file=self._file, flush=True)
        answer = json.loads(self._file.readline())
        if not answer["ok"]:
            sys.exit(f"virtual air: {answer['error']}")
        return answer

    def wait_linked(self, linked: bool) -> None:
        """Waits until the bulb is connected, or free."""
        deadline = time.monotonic() + 60
        while self.ask(do="state")["bulbs"][0]["connected"] is not linked:
            if time.monotonic() > deadline:
                sys.exit(f"the bulb did not become {'connected' if linked else 'free'}")
            time.sleep(0.1)

    @staticmethod
    def writes() -> int:
        """The number of frames that the bulb has received."""
        log = Path("/run/air.log").read_text().splitlines()
        return sum(1 for line in log if '"event":"write"' in line and FRAME in line)


def quiet(*words: str) -> None:
    """Runs a program without measuring it."""
    subprocess.run(words, check=True, capture_output=True)


def timed(air: Air, words: list[str]) -> float:
    """The seconds that a command takes to write the frame."""
    before = air.writes()
    start = time.monotonic()
    run = subprocess.run(words, capture_output=True, text=True, timeout=120)
    seconds = time.monotonic() - start
    if run.returncode != 0 or air.writes() != before + 1:
        sys.exit(
            f"{words}: ended with {run.returncode}, the bulb saw {air.writes() - before} frames\n{run.stdout}{run.stderr}"
        )
    return seconds


def main() -> None:
    """Runs the comparison."""
    bulbctl = [sys.argv[1], "--adapter", "hci0", "--timeout", "60s"]
    on = [*bulbctl, "on", NAME]
    alone = {
        "Python script with bleak: find by name, connect, write, disconnect": [
            sys.executable, str(GUEST / "bench_bleak.py"), NAME, FRAME,
        ],
        f"`bulbctl on {NAME}`: the same, and checks the bulb, reads its state and waits for the confirmation": on,
        # It cannot share a link with bluetoothd: the kernel has one ATT channel for each link.
        "`gatttool` with a known handle: connects and writes, no more": [
            "gatttool", "-b", ADDRESS, "--char-write-req", "-a", HANDLE, "-n", FRAME,
        ],
    }  # fmt: skip
    held = f"`bulbctl on {NAME}`, link held by `bulbctl connect`"
    times: dict[str, list[float]] = {what: [] for what in [*alone, held]}
    air = Air()
    air.ask(do="load", rig=str(RIG))
    quiet(*bulbctl, "status", NAME)
    # BlueZ removes a device 30 s after it was last heard, unless it is trusted.
    quiet(
        "dbus-send", "--system", "--print-reply", "--dest=org.bluez", DEVICE,
        "org.freedesktop.DBus.Properties.Set",
        "string:org.bluez.Device1", "string:Trusted", "variant:boolean:true",
    )  # fmt: skip
    for number in range(ROUNDS):
        for what, words in alone.items():
            air.wait_linked(False)
            times[what].append(timed(air, words))
        air.wait_linked(False)
        quiet(*bulbctl, "connect", NAME)
        times[held].append(timed(air, on))
        quiet(*bulbctl, "disconnect", NAME)
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    print("\n| one frame to a bulb that the system knows | median | fastest | slowest |")
    print("|---|---|---|---|")
    for what, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"| {what} | {middle:.2f} s | {min(seconds):.2f} s | {max(seconds):.2f} s |")


if __name__ == "__main__":
    main()
