#!/bin/sh
# Make a virtual environment with the first Python that is new enough, or say in one line what is missing.
set -eu
folder=$1
found=""
for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    found="$found $python is $version;"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        found="$found its venv module is missing (on Debian: python$version-venv);"
        continue
    fi
    echo "making $folder with $python $version ..."
    exec "$python" -m venv "$folder"
done
echo "Python 3.11 or later with its venv module is needed;${found:- none found on PATH;} name another with PYTHON=..." >&2
exit 1
