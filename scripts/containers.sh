#!/bin/sh
# The Makefile's targets with containers: containers.sh VERB [SERVICE]. The engine is `docker compose` or podman-compose,
# whichever is found first, or what COMPOSE says.
set -eu
cd "$(dirname "$0")/.."
verb=${1:-}
service=${2:-}
[ "$service" != app ] || service=gateway

find_engine() {
    if [ -n "${COMPOSE:-}" ]; then
        :
    elif command -v docker > /dev/null 2>&1 && docker compose version > /dev/null 2>&1; then
        COMPOSE="docker compose"
    elif command -v podman-compose > /dev/null 2>&1; then
        COMPOSE=podman-compose
    elif command -v podman > /dev/null 2>&1 && [ -x .venv/bin/podman-compose ]; then
        COMPOSE=.venv/bin/podman-compose
    else
        return 1
    fi
    case $COMPOSE in *podman*) engine=podman ;; *) engine=docker ;; esac
}

compose() {
    # shellcheck disable=SC2086
    $COMPOSE "$@"
}

# Everything but Grafana where its image is not here and cannot be fetched: the rest needs no dashboard.
services() {
    grafana=$(sed -n 's/^ *image: \(grafana.*\)$/\1/p' compose.yaml)
    if $engine image inspect "$grafana" > /dev/null 2>&1 || $engine pull -q "$grafana" > /dev/null 2>&1; then
        return
    fi
    echo "Grafana is left out: its image ($grafana) cannot be had here; all else starts" >&2
    sed -n '/^services:/,/^networks:/s/^  \([a-z0-9-]*\):$/\1/p' compose.yaml | grep -v '^grafana$'
}

asked() { # asked PATH: whether the gateway answers it with 200
    compose exec -T gateway healthy 8000 "$1" > /dev/null 2>&1
}

# The first start of all writes the demo's data and builds its index while the gateway serves already.
filled() {
    tries=0
    until asked /api/profile/user123 && asked "/api/v1/films?page_size=1" && asked "/api/memes?limit=1"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 60 ]; then
            echo "users, films or memes are not there yet: make logs c=seed CONTAINERS=1, make logs c=etl CONTAINERS=1" >&2
            return
        fi
        sleep 1
    done
}

start() {
    # shellcheck disable=SC2046
    compose up -d $(services)
    tries=0
    until compose exec -T gateway healthy > /dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 240 ]; then
            echo "the gateway is not ready after 4 minutes: make ps CONTAINERS=1, make logs c=gateway CONTAINERS=1" >&2
            exit 1
        fi
        sleep 1
    done
    filled
    at=${STACK_BIND:-127.0.0.1}
    cat << TABLE
ready:
  gateway       http://$at:8000/docs        through nginx: http://$at:8080, https://$at:8443
  Prometheus    http://$at:9090
  Alertmanager  http://$at:9093
  Grafana       http://$at:3000             (admin, admin123: for this machine only)
  exporters     Redis :9121, machine :9100, PostgreSQL :9187, nginx :9113, probes :9115
TABLE
}

find_engine || {
    echo "containers: neither 'docker compose' nor podman-compose is here; without containers: make $verb" >&2
    exit 3
}
case $verb in
    has) : ;;
    init) compose build ;;
    run) compose up ;;
    start) start ;;
    stop) compose stop ;;
    down) compose down ;;
    restart) compose restart ${service:+"$service"} ;;
    rebuild)
        compose build
        start
        ;;
    ps) compose ps ;;
    logs) compose logs -f --tail 50 ${service:+"$service"} ;;
    shell) compose exec "${service:-gateway}" sh ;;
    ipython) compose exec "${service:-gateway}" python ;;
    redis) compose exec redis valkey-cli ;;
    migrate) compose run --rm migrate ;;
    *)
        echo "containers: no such verb: $verb" >&2
        exit 2
        ;;
esac
