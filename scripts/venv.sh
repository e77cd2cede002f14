#!/bin/sh
# Make a virtual environment: with PYTHON if one is named, or else with the first that is new enough. Builds of one
# version differ by a quarter in speed (profile-guided optimisation), and nothing in them tells: so those there are are
# timed, and the fastest is taken.
# What is missing is said in one line. A named Python that cannot be had is never replaced by another.
set -eu
folder=$1
set -- python3 python3.13 python3.12 python3.11 python3.14 python
[ -z "${PYTHON:-}" ] || set -- "$PYTHON"

# The newest patch of a pythonX.Y that pyenv has: its shims are on PATH for all, and run only those in force.
of_pyenv() {
    newest=""
    versions=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions
    wanted=${1#python}
    for patch in $(cd "$versions" 2> /dev/null && ls -d "$wanted" "$wanted".* 2> /dev/null | sort -t. -k3,3n); do
        case $patch in *[!0-9.]*) continue ;; esac # free-threaded or unreleased
        newest=$versions/$patch/bin/python
    done
    echo "$newest"
}

# What keeps a program from being our Python; nothing if it will do.
fault() {
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || { echo "cannot be run"; return; }
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "is $version"; return; }
    "$1" -c 'import ensurepip, venv' 2> /dev/null || echo "lacks its venv module (on Debian: python$version-venv)"
}

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
of_loop() { "$1" -I -S "$here/loop.py" 2> /dev/null || echo 0; }

# The fastest build of the version that the given one has, if it is faster by a twentieth.
fastest() {
    best=$1
    version=$("$best" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    least=$(of_loop "$best")
    old_ifs=$IFS
    IFS=:
    for place in $PATH "pyenv"; do
        IFS=$old_ifs
        python=$place/python$version
        [ "$place" != pyenv ] || python=$(of_pyenv "python$version")
        [ -x "$python" ] && [ -z "$(fault "$python")" ] || continue
        spent=$(of_loop "$python")
        if [ "$spent" -gt 0 ] && [ $((spent * 20)) -lt $((least * 19)) ]; then
            best=$python least=$spent
        fi
    done
    IFS=$old_ifs
    echo "$best"
}

found=""
for name in "$@"; do
    for python in "$name" "$(of_pyenv "$name")"; do
        [ -n "$python" ] || continue
        wrong=$(fault "$python")
        if [ -z "$wrong" ]; then
            [ -n "${PYTHON:-}" ] || python=$(fastest "$python")
            echo "making $folder with $python ..."
            exec "$python" -m venv "$folder"
        fi
        [ "$wrong" = "cannot be run" ] && [ -z "${PYTHON:-}" ] || found="$found $python $wrong;"
    done
done
[ -n "${PYTHON:-}" ] || found="${found:- none found on PATH;} name another with PYTHON=..."
echo "Python 3.11 or later with its venv module is needed;${found%;}" >&2
exit 1
