"""Makes the captures of fixtures/captures in the virtual machine: btmon's output while bulbctl drives the bulbs of a rig, and
the air log of the same run, with the frames that the bulbs received and sent.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench import Air

FOLDER = Path(__file__).parent.parent.parent / "fixtures/captures"
OUT = Path("/run/out")
AIR_LOG = Path("/run/air.log")
BASE = "Light-Capture"
ELK = "C4:5C:00:00:20:02"

# From the first scan on: has everything that a decoder needs.
WHOLE = [
    # Long enough to hear the headphones, which advertise every two seconds.
    ["scan", "--any", "--timeout", "8s"],
    ["on", BASE],
    ["set", BASE, "--brightness", "60", "--color", "ff8800"],
    ["status", BASE],
    ["gatt", "write", BASE, "fff1", "0165ff0000"],
    ["on", ELK],
    ["set", ELK, "--color", "0000ff"],
    ["off", BASE],
]
# With a link that is up already: no connection, no discovery, no advertisement.
LATE = [["set", BASE, "--color", "00ff00"], ["off", BASE], ["status", BASE]]


def run(words: list[str], *, may_fail: bool = False) -> None:
    """Runs a command and passes on its output."""
    print("$ bulbctl", *words, flush=True)
    if "--timeout" not in words:
        words = [*words, "--timeout", "60s"]
    command = [sys.argv[1], "--adapter", "hci0", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0 and not may_fail:
        sys.exit(f"{words}: ended with {done.returncode}")


class Capture:
    """Runs btmon for the length of a block."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Not in the shared folder, where writes are slow.
        self._file = Path("/tmp") / f"{name}.btsnoop"

    def __enter__(self) -> None:
        # Lines before this are not of the capture.
        self._logged = AIR_LOG.stat().st_size
        self._btmon = subprocess.Popen(["btmon", "-w", str(self._file)], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        # It lists the adapters as soon as it listens.
        while not self._file.exists() or self._file.stat().st_size <= 16:
            if time.monotonic() > deadline:
                sys.exit("btmon writes nothing")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        # Wait for packets on their way to btmon.
        time.sleep(1)
        self._btmon.send_signal(signal.SIGINT)
        self._btmon.wait(30)
        shutil.copyfile(self._file, OUT / f"{self._name}.btsnoop")
        (OUT / f"{self._name}.air.jsonl").write_bytes(AIR_LOG.read_bytes()[self._logged :])
        print(f"{self._name}: {self._file.stat().st_size} bytes", flush=True)


def main() -> None:
    """Makes both captures."""
    air = Air()
    air.ask(do="load", rig=str(FOLDER / "session.toml"))
    with Capture("whole"):
        for words in WHOLE:
            run(words, may_fail=words[0] == "gatt")
    run(["connect", BASE])
    with Capture("late"):
        for words in LATE:
            run(words)
    run(["disconnect", BASE])


if __name__ == "__main__":
    main()
