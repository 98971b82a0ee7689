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
import threading
import time
from pathlib import Path

ROUNDS = 7
# Commands over a held link in each round, after one that is not measured: it makes the link.
HELD = 10
# Seconds for all commands of a program that holds its link.
LIMIT = 120
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


def held(air: Air, words: list[str], line: str, answer: str, first: tuple[str, str] | None, last: str) -> list[float]:
    """The seconds that each command takes in a program that holds its link, from the line to its answer.

    `first` is a line that has to come before, with its answer, and `last` one that ends the program.
    """
    times = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        # Whatever does not answer is ended, which ends its output.
        watchdog = threading.Timer(LIMIT, program.kill)
        watchdog.start()
        heard = []

        def ask(line: str, answer: str) -> None:
            print(line, file=program.stdin, flush=True)
            for said in program.stdout:
                heard.append(said)
                if answer in said:
                    return

        if first:
            ask(*first)
        for number in range(HELD + 1):
            before = air.writes()
            start = time.monotonic()
            ask(line, answer)
            seconds = time.monotonic() - start
            if air.writes() != before + 1:
                sys.exit(f"{words}: the bulb saw {air.writes() - before} frames\n{''.join(heard)}")
            if number > 0:
                times.append(seconds)
        # gatttool does not end when its input does, unless it is told so.
        program.communicate(last)
        watchdog.cancel()
    return times


def table(title: str, times: dict[str, list[float]], unit: str, scale: float) -> None:
    """Prints a table of times."""
    print(f"\n| {title} | median | fastest | slowest |")
    print("|---|---|---|---|")
    for what, seconds in times.items():
        figures = [value * scale for value in (statistics.median(seconds), min(seconds), max(seconds))]
        print(f"| {what} | " + " | ".join(f"{figure:.2f} {unit}" for figure in figures) + " |")


def main() -> None:
    """Runs the comparison."""
    bulbctl = [sys.argv[1], "--adapter", "hci0", "--timeout", "60s"]
    on = [*bulbctl, "on", NAME]
    plug = [sys.argv[1], "--adapter", "btleplug:hci0", "--timeout", "60s"]
    alone = {
        "Python script with bleak: find by name, connect, write, disconnect": [
            sys.executable, str(GUEST / "bench_bleak.py"), NAME, FRAME,
        ],
        f"`bulbctl on {NAME}`: the same, and checks the bulb, reads its state and waits for the confirmation": on,
        f"`bulbctl --adapter btleplug on {NAME}`: the same through btleplug": [*plug, "on", NAME],
        # It cannot share a link with bluetoothd: the kernel has one ATT channel for each link.
        "`gatttool` with a known handle: connects and writes, no more": [
            "gatttool", "-i", "hci0", "-b", ADDRESS, "--char-write-req", "-a", HANDLE, "-n", FRAME,
        ],
    }  # fmt: skip
    kept = f"`bulbctl on {NAME}`, link held by `bulbctl connect`"
    kept_plug = f"`bulbctl --adapter btleplug on {NAME}`, link held by `bulbctl connect`"
    times: dict[str, list[float]] = {what: [] for what in [*alone, kept, kept_plug]}
    # Each with its command line, the line that asks for the frame, words of the answer, a line before with its answer, and
    # one that ends it.
    holders = {
        "`bulbctl run -`: checks the bulb once, and waits for each confirmation": (
            [*bulbctl, "--json", "run", "-"], f"on {NAME}", '"type":"done"', None, "",
        ),
        "`bulbctl --adapter btleplug run -`: the same through btleplug": (
            [*plug, "--json", "run", "-"], f"on {NAME}", '"type":"done"', None, "",
        ),
        "Python script with bleak that holds its client": (
            [sys.executable, str(GUEST / "bench_bleak.py"), NAME, FRAME, "--hold"], "", "written", None, "",
        ),
        # Without a terminal it prints its output only at the end.
        "`gatttool -I` with a known handle": (
            ["stdbuf", "-oL", "gatttool", "-i", "hci0", "-b", ADDRESS, "-I"],
            f"char-write-req {HANDLE} {FRAME}", "written successfully", ("connect", "Connection successful"), "exit\n",
        ),
    }  # fmt: skip
    held_times: dict[str, list[float]] = {what: [] for what in holders}
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
        times[kept].append(timed(air, on))
        times[kept_plug].append(timed(air, [*plug, "on", NAME]))
        quiet(*bulbctl, "disconnect", NAME)
        for what, (words, *lines) in holders.items():
            air.wait_linked(False)
            held_times[what].extend(held(air, words, *lines))
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    table("one frame to a bulb that the system knows", times, "s", 1)
    table("one frame over a link that the program holds", held_times, "ms", 1000)


if __name__ == "__main__":
    main()
