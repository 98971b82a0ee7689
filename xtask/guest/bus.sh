#!/bin/sh
# Starts or kills the system bus in the virtual machine.
pid=/run/dbus.pid
case $1 in
start) dbus-daemon --system --fork --nopidfile --print-pid >$pid ;;
kill)
    kill -KILL "$(cat $pid)"
    while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done
    ;;
esac
