#!/bin/sh
# Run nginx before servers whose addresses change: it asks for names only when it reads its configuration, and containers
# that are replaced have new ones. So the addresses are written into /tmp/servers.conf, and nginx reads them again, which
# ends no request, whenever they differ. usage: follow.sh all|first PORT NAME... (first: the later ones only stand in)
set -eu
which=$1
port=$2
shift 2

servers() {
    more=""
    for name in "$@"; do
        for address in $(getent ahostsv4 "$name" | cut -d' ' -f1 | sort -u); do
            echo "server $address:$port max_fails=1 fail_timeout=2s$more;"
            [ "$which" = all ] || more=" backup"
        done
    done
}

write() {
    # Nobody there yet: a port that refuses, and the client is told so (503).
    echo "${1:-server 127.0.0.1:1;}" > /tmp/servers.conf
}

known=$(servers "$@")
write "$known"
(
    while sleep 1; do
        now=$(servers "$@")
        if [ "$now" != "$known" ]; then
            known=$now
            write "$known"
            nginx -s reload 2> /dev/null || true
        fi
    done
) &
exec nginx -g "daemon off;"
