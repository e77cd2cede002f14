#!/bin/sh
# Make what compose.prod.yaml reads as secrets, in deploy/secrets: whatever is there stays. Replace tls_certificate and
# tls_key by real ones; these are for a first look. usage: sh deploy/secrets.sh [NAME OF THE HOST]
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets # the files inside are readable, because containers read them as users of their own
cd secrets
host=${1:-localhost}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

write() { # write NAME VALUE
    [ ! -s "$1" ] || return 0
    printf '%s\n' "$2" > "$1"
    chmod 444 "$1"
}

value() { cat "$1"; }

write admin_key "$(random)"
write grafana_password "$(random)"
write media_token "$(random)"
write postgres_password "$(random)"
write redis_password "$(random)"
write s3_access_key "$(random)"
write s3_secret_key "$(random)"
write database_url "postgresql+asyncpg://cinema:$(value postgres_password)@postgres:5432/cinema"
write redis_url "redis://:$(value redis_password)@redis:6379/0"
write redis_exporter_passwords "{\"redis://redis:6379\": \"$(value redis_password)\"}"
write valkey_conf "requirepass $(value redis_password)
dir /data
save 60 1
maxmemory 384mb
maxmemory-policy allkeys-lru"
write s3_identities "{\"identities\": [{\"name\": \"cinema\", \"credentials\": [{\"accessKey\": \"$(value s3_access_key)\", \
\"secretKey\": \"$(value s3_secret_key)\"}], \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\", \"Tagging\"]}]}"

if [ ! -s tls_key ]; then
    if command -v openssl > /dev/null 2>&1; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=$host" \
            -addext "subjectAltName=DNS:$host,DNS:localhost,IP:127.0.0.1" -keyout tls_key -out tls_certificate 2> /dev/null
    else
        python=../../.venv/bin/python
        [ -x "$python" ] || { echo "neither openssl nor make init's python is here to make a certificate" >&2; exit 1; }
        "$python" ../nginx/certificate.py . "$host" localhost 127.0.0.1 > /dev/null
        mv tls.crt tls_certificate
        mv tls.key tls_key
    fi
    chmod 444 tls_key tls_certificate
    echo "a test certificate for $host: replace deploy/secrets/tls_certificate and tls_key by real ones"
fi
sh ../refuse-known-password.sh grafana_password true
echo "deploy/secrets holds $(ls | wc -l) files; keep them, and nobody else"
