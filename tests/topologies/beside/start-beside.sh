#!/bin/sh
# start-beside PROGRAM ARGUMENTS...: runs a program of the tree of routers in the node's network.
# The tree is not the node's root: an overlay of it, with the node's configurations, is entered.
set -eu
root=/run/beside/root
if ! [ -e $root/etc/os-release ]; then
    mkdir -p $root /run/beside/upper /run/beside/work
    mount -t overlay overlay \
        -o lowerdir=/opt/routers,upperdir=/run/beside/upper,workdir=/run/beside/work $root
    mount -t proc proc $root/proc
    mount --bind /dev $root/dev
    mount -t tmpfs tmpfs $root/run
    mkdir -p $root/etc/frr $root/etc/bird $root/run/frr $root/run/bird $root/var/tmp/frr
    # A node may have configurations of one of them only.
    for file in /etc/frr/* /etc/bird/*; do
        [ ! -e "$file" ] || cp "$file" "$root$file"
    done
    chown -R 901:901 $root/run/frr $root/var/tmp/frr
fi
exec chroot $root "$@"
