#!/usr/bin/env bash
# Build the wheel and the source distribution, and test both away from this folder.
#
#     tools/test_package.sh [--all]
#
# The wheel is installed into a fresh environment, which sees the other packages of $VENV, so that
# torch is not installed again. Tests of the packages then run in a folder that holds nothing but
# the tests; tests of the documents and sources run in the unpacked source distribution. Without
# --all, only those tests run that read files of the packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH # or pip finds the project there, and installs nothing

python=$(realpath -s "${VENV:-.venv}")/bin/python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

quick=(
  tests/library/test_import.py tests/library/test_torch7_random.py tests/library/test_golden_modules.py
  tests/application/test_public_names.py tests/application/test_markup.py
  tests/application/test_corpus.py tests/application/test_golden_lstm.py
)
if [ "${1:-}" = --all ]; then quick=(tests/library tests/application tests/ports); fi

"$python" -m build --outdir "$scratch/dist" . >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps "$scratch"/dist/*.whl
packages() { "$1" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])'; }
packages "$python" >"$(packages "$scratch/venv/bin/python")/packages.pth"

mkdir "$scratch/source" "$scratch/empty"
tar -xzf "$scratch"/dist/*.tar.gz -C "$scratch/source" --strip-components=1
cp -r "$scratch/source/tests" "$scratch/source/pyproject.toml" "$scratch/empty"

# No data of a checkout: what the tests need, they bring along.
export ZAREMBA_TEST_DATA=$scratch/none PATH=$scratch/venv/bin:$PATH
echo "The wheel, in an empty folder:"
(cd "$scratch/empty" && zaremba --version && zaremba diagram cell -o cell.html &&
  zaremba answers q1 -o answer.html && zaremba data stats pydoc --top 0 >stats.txt && python -m pytest -q -p no:cacheprovider "${quick[@]}" |
  grep -v ^SKIPPED)
echo "The source distribution:"
(cd "$scratch/source" && python -m pytest -q -p no:cacheprovider tests/test_*.py | grep -v ^SKIPPED)
