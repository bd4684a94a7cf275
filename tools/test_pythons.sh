#!/usr/bin/env bash
# Run the library's tests on the Pythons beside the daily one, and on the oldest supported torch.
#
#     tools/test_pythons.sh [--docs]
#
# Pythons come from pyenv, from PATH, or from uv, in this order. torch comes from the index in
# $TORCH_INDEX, by default PyTorch's own with its small builds for CPUs, or from the folder
# $TORCH_WHEELS; PyPI's builds for Linux
# contain CUDA and take gigabytes, so they are never downloaded. Where no torch can be had, only what
# needs none is tested: that all sources compile, the command line, its errors and completions.
# --docs writes the results into docs/pythons.md.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH_INDEX=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
tested=$(sed -n 's/^torch==//p' constraints.txt)
combinations=("3.10 $tested" "3.12 $tested" "3.13 $tested" "3.11 2.4.1")
packages=(graphviz jinja2 markdown-it-py markupsafe networkx numpy pooch pygments rich safetensors
  hypothesis pytest selenium shtab)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

find_python() {
  local version=$1 path
  for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python "$(command -v "python$version")"; do
    if [ -x "$path" ] && "$path" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
      echo "$path"
      return
    fi
  done
  if command -v uv >/dev/null; then
    uv python install -q "$version" 2>/dev/null && uv python find "$version"
  fi
}

# With no other index than the one named: a configured one could offer a build with CUDA.
install_torch() {
  local version=$1 clean=(env -u PIP_EXTRA_INDEX_URL -u PIP_INDEX_URL -u PIP_FIND_LINKS)
  "${clean[@]}" PIP_CONFIG_FILE=/dev/null "$venv/bin/pip" install -q --no-deps --only-binary :all: \
    --retries 0 --timeout 10 --index-url "$TORCH_INDEX" ${TORCH_WHEELS:+--find-links "$TORCH_WHEELS"} \
    "torch==$version" 2>/dev/null || return 1
  "$venv/bin/pip" install -q filelock fsspec jinja2 networkx sympy typing_extensions setuptools
}

without_torch() {
  # A file that older Pythons cannot read is a syntax error here.
  "$venv/bin/python" -W error::SyntaxWarning -m compileall -q -f -o 0 pygraph_nn zaremba_port || return 1
  "$venv/bin/python" - <<'END'
import contextlib, io, sys
from zaremba_port.cli.main import COMMANDS, main
def run(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
    return code, out.getvalue()
assert run("--help")[0] == 0 and run("--version")[0] == 0 and run("presets")[0] == 0
for command in COMMANDS:
    name = command.__name__.rpartition(".")[2].replace("_", "-")
    code, text = run(name, "--help")
    assert code == 0 and "usage: zaremba " + name in text, (name, code, text)
code, text = run("trian")
assert code == 2 and "did you mean 'train'?" in text, text
code, text = run("evaluate", "run", "--split", "vlaid")
assert code == 2 and "did you mean 'valid'?" in text, text
assert "torch" not in sys.modules
END
}

rows=()
failed=0
for combination in "${combinations[@]}"; do
  read -r version torch <<<"$combination"
  printf '== Python %s, torch %s\n' "$version" "$torch"
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    rows+=("| $version | $torch | no such Python at hand | |")
    continue
  fi
  full=$("$python" -c 'import platform; print(platform.python_version())')
  venv=$scratch/$version-$torch
  export PYTHONPATH=$PWD PYTHONPYCACHEPREFIX=$scratch/pycache PIP_DISABLE_PIP_VERSION_CHECK=1
  "$python" -m venv "$venv" || { failed=1; continue; }
  grep -v '^torch==' constraints.txt >"$scratch/constraints.txt"
  if ! "$venv/bin/pip" install -q -c "$scratch/constraints.txt" "${packages[@]}" 2>"$scratch/log"; then
    cat "$scratch/log"
    rows+=("| $full | $torch | packages could not be installed | |")
    failed=1
  elif install_torch "$torch"; then
    tests=$("$venv/bin/python" -m pytest -q -p no:cacheprovider tests/library 2>&1)
    closing=$(tail -n 1 <<<"$tests")
    grep -qE '(failed|error)' <<<"$closing" && { failed=1; echo "$tests"; }
    rows+=("| $full | $torch | tests/library | $closing |")
  elif without_torch; then
    rows+=("| $full | none: no small build of $torch at hand | sources compile, the command line | passed |")
  else
    rows+=("| $full | none: no small build of $torch at hand | sources compile, the command line | **failed** |")
    failed=1
  fi
done

table=$(printf '%s\n' "| Python | torch | tested | result |" "|---|---|---|---|" "${rows[@]}")
echo "$table"
if [ "${1:-}" = --docs ]; then
  python3 - "$table" <<'END'
import re, sys
from pathlib import Path
page = Path("docs/pythons.md")
text = re.sub(r"(<!-- pythons: begin -->\n).*(<!-- pythons: end -->)", lambda m: f"{m[1]}{sys.argv[1]}\n{m[2]}", page.read_text(), flags=re.DOTALL)
page.write_text(text)
END
fi
exit $failed
