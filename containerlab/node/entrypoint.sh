#!/bin/sh
# First program of an rcni node, in the container image and in the lab alike.
#
#   RCNI_WAIT_FOR   interfaces that must have an address first, at most 30 s ("eth1 eth2"):
#                   containerlab adds links and runs `exec` while this already runs. One that
#                   is still checked for duplicates (IPv6) does not count
#
# A daemon that ends is not started again: whoever tries out what then happens starts it by hand
# with the command line that the log shows.
set -u

waited=0
for interface in ${RCNI_WAIT_FOR:-}; do
    until ip -o address show dev "$interface" scope global -tentative 2>/dev/null | grep -q .; do
        if [ "$waited" -ge 300 ]; then
            echo "rcni-entrypoint: $interface has no address after 30 s, going on without" >&2
            break
        fi
        waited=$((waited + 1))
        sleep 0.1
    done
done

logs=/var/log/rcni
mkdir -p "$logs" /run/rcni

# start NAME COMMAND...: in the background, output to a file of its own
start() {
    name=$1
    shift
    echo "rcni-entrypoint: $*"
    "$@" >>"$logs/$name.log" 2>&1 </dev/null &
}

if [ -e /etc/rcni/felix.yaml ]; then
    start felix-lite felix-lite run --config /etc/rcni/felix.yaml
fi
if [ -e /etc/rcni/bgp.yaml ]; then
    start rcni-bgp rcni-bgp run --config /etc/rcni/bgp.yaml --socket /run/rcni/bgp.sock
fi

# A container ends with its first program; this one stays whatever becomes of the daemons.
trap 'exit 0' TERM INT
while :; do
    sleep 3600 &
    wait $!
done
