#!/bin/sh
# Make the bucket for pictures once master and filers answer; change nothing if it is there. usage: make-bucket.sh NAME
set -eu
name=$1
tries=0
until echo "s3.bucket.list" | weed shell -master=s3-master:9333 2> /dev/null | grep -qw "$name"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ]; then
        echo "no bucket $name after $tries tries: do s3-master, s3-1 and s3-2 run?" >&2
        exit 1
    fi
    echo "s3.bucket.create -name $name" | weed shell -master=s3-master:9333 > /dev/null 2>&1 || true
    sleep 1
done
echo "bucket $name is there"
