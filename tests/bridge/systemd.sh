#!/bin/sh
# Boots a second systemd, which sees nothing of this system's services: in new namespaces, on this system's files, where its
# changes are gone with it. Its only service is the bridge.
#
#     systemd.sh FOLDER UNIT DROP_IN PROGRAM CONFIG
#
# FOLDER is an empty one. Ends with 77 if this system does not permit that.
set -eu
folder=$1 unit=$2 drop_in=$3 program=$4 config=$5
cgroup=/sys/fs/cgroup/systemd
root=$folder/root

outside() {
    [ "$(id -u)" = 0 ] && [ -x /lib/systemd/systemd ] && [ -d $cgroup ] || exit 77
    unshare --mount --pid --fork --cgroup true 2>/dev/null || exit 77
    # What is seen of the control groups begins at that of this process.
    mkdir "$cgroup/bulbctl-$$" 2>/dev/null && echo $$ >"$cgroup/bulbctl-$$/cgroup.procs" || exit 77
    exec unshare --mount --pid --fork --cgroup --kill-child sh "$0" "$@" inside
}

inside() {
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$folder"
    mkdir "$folder/changes" "$folder/work" "$root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" "$root" || exit 77
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    for place in run tmp dev sys/fs/cgroup etc/systemd/system; do
        mount -t tmpfs -o mode=755 tmpfs "$root/$place"
    done
    mkdir "$root/sys/fs/cgroup/systemd" "$root/dev/pts" "$root/dev/shm"
    mount -t cgroup -o none,name=systemd cgroup "$root$cgroup"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    for device in null zero full random urandom tty; do
        : >"$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    for wants in "$root"/lib/systemd/system/*.wants; do
        mount -t tmpfs tmpfs "$wants"
    done
    : >"$root/etc/fstab"
    # BlueZ's package makes the group.
    grep -q ^bluetooth: "$root/etc/group" || echo bluetooth:x:990: >>"$root/etc/group"
    for service in bluetooth dbus; do
        ln -s /dev/null "$root/etc/systemd/system/$service.service"
    done
    mkdir -p "$root/etc/bulbctl" "$root/etc/systemd/system/bulbctl-bridge.service.d"
    cp "$unit" "$root/etc/systemd/system/bulbctl-bridge.service"
    cp "$drop_in" "$root/etc/systemd/system/bulbctl-bridge.service.d/test.conf"
    cp "$config" "$root/etc/bulbctl/config.toml"
    printf '[Unit]\nDescription=Nothing yet\n' >"$root/etc/systemd/system/nothing.target"
    : >"$root/usr/bin/bulbctl"
    mount --bind "$program" "$root/usr/bin/bulbctl"
    mkdir "$root/run/before"
    cd "$root"
    pivot_root . run/before
    umount -l /run/before
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --unit=nothing.target --show-status=0 --log-target=null </dev/null >/dev/null 2>&1
}

if [ "${6-}" = inside ]; then inside; else outside "$@"; fi
