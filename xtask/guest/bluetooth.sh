#!/bin/sh
# Starts, stops or kills bluetoothd in the virtual machine.
pid=/run/bluetoothd.pid
log=/run/out/bluetoothd.log
gone() { while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done; }
case $1 in
start)
    # If it has lost the bus, it is about to exit.
    [ ! -e $pid ] || gone
    # Logs its exit status: a kernel bug can kill it.
    {
        sh -c "echo \$\$ >$pid; exec /usr/libexec/bluetooth/bluetoothd -n"
        echo "bluetoothd ended with $?"
    } >>$log 2>&1 &
    ;;
stop) kill "$(cat $pid)" && gone ;;
kill) kill -KILL "$(cat $pid)" && gone ;;
esac
