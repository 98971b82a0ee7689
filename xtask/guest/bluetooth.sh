#!/bin/sh
# Starts and stops bluetoothd in the virtual machine.
pid=/run/bluetoothd.pid
log=/run/out/bluetoothd.log
case $1 in
start)
    # Its end is worth a line: the kernel has been seen to kill it for what a bulb did.
    {
        sh -c "echo \$\$ >$pid; exec /usr/libexec/bluetooth/bluetoothd -n"
        echo "bluetoothd ended with $?"
    } >>$log 2>&1 &
    ;;
stop)
    kill "$(cat $pid)"
    while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done
    ;;
esac
