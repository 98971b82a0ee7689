#!/bin/sh
# Starts and stops bluetoothd in the virtual machine.
pid=/run/bluetoothd.pid
case $1 in
start)
    /usr/libexec/bluetooth/bluetoothd -n >>/run/bluetoothd.log 2>&1 &
    echo $! >$pid
    ;;
stop)
    kill "$(cat $pid)"
    while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done
    ;;
esac
