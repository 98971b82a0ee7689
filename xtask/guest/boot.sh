#!/bin/sh
# The virtual machine's second stage, on the host's files: starts D-Bus, bluetoothd and the virtual air, runs the job in
# /run/out/job, writes its exit status to /run/out/status, and switches the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/tmp LANG=C.UTF-8
. /run/out/settings
exec </dev/console >/dev/ttyS1 2>&1

since_boot() { cut -d' ' -f1 /proc/uptime; }
phase() { echo "guest: $1 after $(since_boot) s"; }
finish() {
    echo "$1" >/run/out/status
    dmesg >/run/out/kernel.log
    sync
    # The files disappear before the shell does.
    exec >/dev/null 2>&1
    echo o >/proc/sysrq-trigger
    sleep 60
}
wait_for() {
    # $1: name, $2: seconds, then: the command that tests whether it is there
    what=$1 left=$(($2 * 10))
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || ! kill -0 "$air"; then
            echo "guest: $what did not come"
            finish 70
        fi
        sleep 0.1
    done
    phase "$what"
}

# The emulator translates code once for each address. With random addresses it would do so again at every start of a
# program, which no real processor does.
echo 0 >/proc/sys/kernel/randomize_va_space
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
# The kernel's connection parameters are in here.
mount -t debugfs debugfs /sys/kernel/debug
# Hides the host's pairings, and forgets the machine's.
mount -t tmpfs bluetooth /var/lib/bluetooth
mkdir -p /run/dbus
ip link set lo up 2>/dev/null
phase "host's files"

PYTHONPATH=$PYTHON_PACKAGES PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$GUEST/air.py" \
    --socket /run/air.sock --boards /run/boards.sock --log /run/air.log --bulbs "$VIRTUAL_BULBS" \
    2>/run/out/air.log &
air=$!
"$GUEST/bus.sh" start
"$GUEST/bluetooth.sh" start
wait_for "virtual air" 120 test -S /run/air.sock
wait_for "adapter" 30 dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 \
    org.freedesktop.DBus.Properties.Get string:org.bluez.Adapter1 string:Powered

cd "$REPOSITORY" || finish 70
/bin/sh /run/out/job
status=$?
phase "job ended ($status)"
finish "$status"
