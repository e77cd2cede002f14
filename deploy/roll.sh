#!/bin/sh
# Bring a new version to production, without a request lost: the migration first, then one gateway after the other, then
# the rest. usage: STACK_VERSION=2 sh deploy/roll.sh
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:$PWD/.venv/bin # where `make init` puts podman-compose
COMPOSE=${COMPOSE:-$(docker compose version > /dev/null 2>&1 && echo "docker compose" || echo podman-compose)}

compose() {
    # shellcheck disable=SC2086
    $COMPOSE -f compose.prod.yaml "$@"
}

ready() { # ready SERVICE: wait until it answers that it is
    tries=0
    until compose exec -T "$1" healthy > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -le 120 ] || { echo "$1 is not ready; the other gateway serves, and nothing else was changed" >&2; exit 1; }
        sleep 1
    done
}

compose run --rm migrate
for gateway in gateway-1 gateway-2; do
    compose stop "$gateway" # it drains: answers what it has, takes nothing new
    compose up -d --no-deps --force-recreate "$gateway"
    ready "$gateway"
    sleep 3 # until nginx has asked for its address
    echo "$gateway is new"
done
for service in users orders products memes media ghibli etl; do
    compose up -d --no-deps "$service"
done
echo "all is new"
