#!/bin/sh
# Starts, stops and kills bluetoothd in the virtual machine.
pid=/run/bluetoothd.pid
log=/run/out/bluetoothd.log
gone() { while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done; }
case $1 in
start)
    # One that has lost the bus ends by itself.
    [ ! -e $pid ] || gone
    # Its end is worth a line: the kernel has been seen to kill it for what a bulb did.
    {
        sh -c "echo \$\$ >$pid; exec /usr/libexec/bluetooth/bluetoothd -n"
        echo "bluetoothd ended with $?"
    } >>$log 2>&1 &
    ;;
stop) kill "$(cat $pid)" && gone ;;
kill) kill -KILL "$(cat $pid)" && gone ;;
esac
