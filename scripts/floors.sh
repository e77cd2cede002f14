#!/bin/sh
# Hold the coverage floors: a total that only rises (pyproject.toml), and everything for the parts that decide.
set -u
python=$1
status=0
"$python" -m coverage combine --quiet 2> /dev/null # nothing to combine when tests ran side by side
for part in _call policies _cache _aggregate; do
    echo "floor 100 %: stagedoor.$part"
    "$python" -m coverage report --fail-under=100 --include="*/stagedoor/$part.py,*/stagedoor/$part/*" || status=1
done
echo "floor of the whole"
"$python" -m coverage report || status=1
exit $status
