#!/usr/bin/env bash
# Builds .venv from requirements.lock; called by `make setup`.
#
# A finished environment carries a stamp: the hash of everything it was built from. The stamp is written last, so an
# environment without the right stamp is half-built or out of date and is built anew; one with it costs nothing.
#
#   PYTHON=/path/to/python3.12 scripts/setup.sh    another interpreter than the first fitting one on PATH
#   VENV=/elsewhere/venv scripts/setup.sh          another place than .venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# An installer that leaves bytecode out makes every fresh process compile its imports again (Great Expectations: 10 s).
unset PYTHONDONTWRITEBYTECODE

venv=${VENV:-.venv}
stamp="$venv/.setpoint-stamp"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf '\nsetup: %s\n' "$1" >&2; shift; for line in "$@"; do printf '       %s\n' "$line" >&2; done; exit 1; }

fits() { command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" && { echo "$PYTHON"; return; }
    fail "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 || true); Setpoint needs Python 3.11, 3.12, 3.13 or 3.14."
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    fits "$candidate" && { echo "$candidate"; return; }
  done
  fail "Python 3.11, 3.12, 3.13 or 3.14 is needed; python3 here is: $(python3 --version 2>&1 || echo 'not installed')." \
    "Debian and Ubuntu:  sudo apt-get install python3 python3-venv" \
    "or name another:    make setup PYTHON=/path/to/python3.12"
}

python=$(find_python)
# The directory belongs to it: commands and paths in an environment are absolute, so a moved one is no use.
wanted=$({ pwd; cat requirements.lock scripts/uv.txt; } \
  | "$python" -c 'import hashlib, sys; print(sys.version_info[:2], hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')

if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

[ -e "$venv" ] && say "$venv is unfinished, moved, or not from this requirements.lock: building it anew"
say "Creating $venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv "$venv" || fail "$python cannot create a virtual environment in $PWD/$venv." \
  "Debian and Ubuntu:  sudo apt-get install python3-venv" \
  "Not writable or disk full? It needs about 1.6 GB: $(df -h . | awk 'NR==2 {print $4}') free here."

no_index() {
  fail "the packages could not be fetched (the message above says which)." \
    "Without network:    bring a directory of wheels and run  PIP_NO_INDEX=1 PIP_FIND_LINKS=/that/directory make setup" \
    "                    (filled elsewhere by  pip download --require-hashes -r requirements.lock -r scripts/uv.txt -d DIR)" \
    "Behind a mirror:    set PIP_INDEX_URL and UV_INDEX_URL to it, PIP_CERT and SSL_CERT_FILE to its certificate." \
    "A time-out:         run make setup again; what was fetched is cached."
}

say "Installing $(grep -c '==' requirements.lock) pinned packages and compiling them (one to two minutes)"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)
install_with_uv() {
  # An index that pip was told not to use is not for uv either.
  [ -z "${PIP_NO_INDEX:-}" ] || export UV_NO_INDEX=1 UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
  # The certificates this system trusts, as pip and git do; uv brings its own otherwise.
  "$venv/bin/uv" pip install --system-certs --python "$venv/bin/python" --require-hashes --compile-bytecode --quiet -r requirements.lock
}
install_with_pip() {
  say "uv could not do it; trying pip, which takes longer"
  "${pip[@]}" --require-hashes -r requirements.lock
}
"${pip[@]}" --require-hashes -r scripts/uv.txt || no_index
install_with_uv || install_with_pip || no_index

say "Putting include/ and plugins/ on the path, and the setpoint command into $venv/bin"
"${pip[@]}" --no-deps --no-build-isolation --no-index --editable . \
  || fail "installing this checkout into $venv failed (the message above says why)."

printf '%s\n' "$wanted" > "$stamp"
say "Ready: $venv ($(du -sh "$venv" | cut -f1))"
