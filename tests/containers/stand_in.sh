#!/bin/bash
# What a stand-in starts, in the words of the official image: the same variables, the same commands. usage: stand-in NAME ...
set -euo pipefail
name=$1
shift

value() { # value VARIABLE: its value, or what stands in the file that VARIABLE_FILE names
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then cat "${!file}"; else echo "${!1:-}"; fi
}

postgres() {
    export PGDATA=${PGDATA:-/var/lib/postgresql/data} PATH=/usr/lib/postgresql/15/bin:$PATH
    local user=${POSTGRES_USER:-postgres} password
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chown -R postgres: "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" postgres "$@"
    fi
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        password=$(value POSTGRES_PASSWORD)
        initdb --username="$user" --pwfile=<(echo "$password") --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8
        echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
        pg_ctl -w -o "-c listen_addresses=''" start
        createdb --username="$user" "${POSTGRES_DB:-$user}" || true
        pg_ctl -w -m fast stop
    fi
    exec postgres -c listen_addresses='*' "$@"
}

opensearch() {
    local home=/usr/share/opensearch
    mkdir -p "$home/data/node/node_1/config"
    [ "$(id -u)" != 0 ] || { chown -R nobody: "$home/data"; exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$0" opensearch; }
    printf 'http.host: 0.0.0.0\n' > "$home/data/node/node_1/config/opensearch.yml"
    # The runner listens one above the port that it is told.
    # shellcheck disable=SC2086
    exec java ${OPENSEARCH_JAVA_OPTS:-} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$home/lib/*" \
        org.codelibs.opensearch.runner.OpenSearchRunner \
        -basePath "$home/data/node" -numOfNode 1 -baseHttpPort 9199 -clusterName "${cluster_name:-opensearch}"
}

case $name in
    postgres) [ "${1:-}" = postgres ] && shift; postgres "$@" ;;
    opensearch) opensearch ;;
    valkey) [ "${1:-}" != valkey-server ] || set -- "$@" --protected-mode no; exec "$@" ;;
    nginx) exec "$@" ;;
    *) exec "$name" "$@" ;;
esac
