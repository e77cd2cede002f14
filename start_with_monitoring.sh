#!/bin/sh
# Start the whole platform in containers, with everything that watches it, and say where to look.
# COMPOSE="docker compose" names another engine than the first that is found.
set -eu
cd "$(dirname "$0")"
exec sh scripts/containers.sh start
