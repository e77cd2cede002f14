#!/bin/sh
# Run nginx where names are asked for while it serves: containers that are replaced have new addresses, and reading the
# configuration again would close idle connections of clients. GATEWAY_NAME is the gateways' name where it is another,
# STACK_HTTPS_PORT the port at which others reach 8443.
set -eu
server=$(sed -n 's/^nameserver \([0-9.]*\)$/\1/p' /etc/resolv.conf | head -n 1)
echo "resolver $server valid=1s ipv6=off;" > /tmp/resolver.conf
echo "map \$host \$gateway { default ${GATEWAY_NAME:-gateway}; }" >> /tmp/resolver.conf
case ${STACK_HTTPS_PORT:-443} in
    443) behind= ;;
    *) behind=:$STACK_HTTPS_PORT ;;
esac
echo "map \$host \$https_port { default \"$behind\"; }" >> /tmp/resolver.conf
exec nginx -g "daemon off;"
