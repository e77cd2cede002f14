#!/bin/sh
# Hold the coverage floors: a total that only rises (pyproject.toml), and everything for the parts that decide.
set -eu
python=$1
"$python" -m coverage combine --quiet 2>/dev/null || true # already combined when tests ran side by side
for part in call policies cache aggregate; do
    echo "floor 100 %: stagedoor.$part"
    "$python" -m coverage report --fail-under=100 --include="*/stagedoor/$part.py,*/stagedoor/$part/*"
done
echo "floor of the whole"
"$python" -m coverage report
