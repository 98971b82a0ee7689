"""Compares `bulbctl bridge` with a script of paho and bleak, in the virtual machine. Prints a Markdown table.

Both hold a link to the same bulb, one after the other, and get the same commands from mosquitto. The time is that from the
command at the broker to the frame at the bulb.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import ADDRESS, FRAME, GUEST, NAME, Air
from paho.mqtt.client import CallbackAPIVersion, Client

ROUNDS = 2
# Commands in each round, after those that are not measured.
COMMANDS = 50
WARMING = 3
# Seconds between a write and the next command: the bulb's answer is on its way.
PAUSE = 0.3
LIMIT = 120
RIG = GUEST.parent.parent / "fixtures/rigs/scenarios/plain.toml"
BULB = ADDRESS.replace(":", "").lower()
COMMAND = json.dumps({"state": "ON", "brightness": 50, "color": {"r": 255, "g": 255, "b": 255}})


def wait(what: str, is_so: Callable[[], bool], pause: float = 0.1) -> None:
    """Waits for something, up to a limit."""
    deadline = time.monotonic() + LIMIT
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come within {LIMIT} s")
        time.sleep(pause)


class Log:
    """What happens at the bulb from now on."""

    def __init__(self) -> None:
        self._file = Path("/run/air.log").open()
        self._file.seek(0, 2)

    def has_write(self) -> bool:
        """Says whether the frame has come since the last call."""
        return any('"event":"write"' in line and FRAME in line for line in self._file.readlines())


def measure(client: Client, topic: str, payload: str) -> list[float]:
    """The seconds from each command to its write."""
    times = []
    log = Log()
    for number in range(WARMING + COMMANDS):
        log.has_write()
        start = time.monotonic()
        client.publish(topic, payload, qos=1)
        wait("the write", log.has_write, 0.001)
        if number >= WARMING:
            times.append(time.monotonic() - start)
        time.sleep(PAUSE)
    return times


def main() -> None:
    """Runs the comparison."""
    broker = subprocess.Popen(["/usr/sbin/mosquitto", "-p", "1883"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = Client(CallbackAPIVersion.VERSION2)
    ready: set[str] = set()
    told = threading.Lock()

    def message(_client: object, _data: object, message: object) -> None:
        with told:
            ready.add(message.topic)

    client.on_message = message

    def connects() -> bool:
        try:
            client.connect("127.0.0.1")
        except OSError:
            return False
        return True

    wait("the broker", connects)
    client.loop_start()
    client.subscribe([(f"bulbctl/{BULB}/state", 1), ("script/ready", 1)])
    air = Air()
    air.ask(do="load", rig=str(RIG))
    bridge = [sys.argv[1], "--adapter", "hci0", "--timeout", "60s", "bridge", NAME, "--alone", "--broker", "mqtt://127.0.0.1"]
    script = [sys.executable, str(GUEST / "bench_bleak_mqtt.py"), NAME, "script/set", "script/ready"]
    ways = {
        "`bulbctl bridge`": (bridge, f"bulbctl/{BULB}/state", f"bulbctl/{BULB}/set", COMMAND),
        "Python script with paho and bleak, which holds its client": (script, "script/ready", "script/set", FRAME),
    }
    times: dict[str, list[float]] = {what: [] for what in ways}
    for number in range(ROUNDS):
        for what, (words, sign, topic, payload) in ways.items():
            air.wait_linked(False)
            ready.clear()
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
                # What is retained comes at once, so the link counts too.
                air.wait_linked(True)
                wait(sign, lambda sign=sign: sign in ready)
                time.sleep(3)
                times[what] += measure(client, topic, payload)
                program.send_signal(signal.SIGINT)
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    client.loop_stop()
    broker.kill()
    print("\n| from a command at mosquitto to the frame at the bulb, over a link that is held | median | 99th percentile |")
    print("|---|---:|---:|")
    for what, seconds in times.items():
        last = sorted(seconds)[-(-len(seconds) * 99 // 100) - 1]
        print(f"| {what} | {statistics.median(seconds) * 1000:.1f} ms | {last * 1000:.1f} ms |")


if __name__ == "__main__":
    main()
