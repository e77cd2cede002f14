#!/bin/sh
# Run a command unless a file holds a password that everybody knows. usage: refuse-known-password.sh FILE COMMAND...
set -eu
file=$1
shift
password=$(cat "$file")
case $password in
    "" | admin | admin123 | password | grafana | cinema)
        echo "$file: this password is known to everybody; put another into it (sh deploy/secrets.sh makes one)" >&2
        exit 1
        ;;
esac
[ "${#password}" -ge 12 ] || { echo "$file: a password has 12 characters or more here" >&2; exit 1; }
exec "$@"
