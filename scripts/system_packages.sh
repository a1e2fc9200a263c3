#!/usr/bin/env bash
# What the tests need from the system and pip cannot bring: PostgreSQL's server, Prometheus and a browser; called by
# `make system-packages`. What is there already is left alone. The demo needs none of them.
set -euo pipefail

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf '\nsystem-packages: %s\n' "$1" >&2; shift; for line in "$@"; do printf '                 %s\n' "$line" >&2; done; exit 1; }

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
has_prometheus() { command -v prometheus >/dev/null && command -v promtool >/dev/null; }
has_chromium() { command -v chromium >/dev/null; }

missing=()
has_postgres || missing+=(postgresql-15)
has_prometheus || missing+=(prometheus)
has_chromium || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || fail "missing: ${missing[*]}, and there is no apt-get here to install them." \
  "Install PostgreSQL's server (initdb on PATH), Prometheus (prometheus and promtool on PATH) and Chromium" \
  "(chromium on PATH) by your system's own means."
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "missing: ${missing[*]}; installing them needs root, and there is no sudo." \
    "As root:  apt-get install ${missing[*]}"
  sudo=(sudo)
fi

say "Installing ${missing[*]} with apt-get"
"${sudo[@]}" apt-get update --quiet=2 || say "apt-get update failed; trying with the lists that are here"
# Debian 12 names it postgresql-15; other releases have another number behind the same plain name.
if [[ " ${missing[*]} " == *" postgresql-15 "* ]] && ! apt-cache show postgresql-15 >/dev/null 2>&1; then
  missing=("${missing[@]/postgresql-15/postgresql}")
fi
# Debian starts a Prometheus of its own at once, open to the network; the tests start theirs, on the loopback.
if [[ " ${missing[*]} " == *" prometheus "* ]] && [ -d /run/systemd/system ]; then
  say "Masking Debian's own Prometheus service; if you want it:  systemctl unmask prometheus"
  "${sudo[@]}" systemctl mask --quiet prometheus prometheus-node-exporter
fi
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null \
  || fail "apt-get could not install ${missing[*]} (the message above says why)." \
    "Without them, run the other tests:  .venv/bin/pytest -m 'not postgres and not prometheus and not browser'"
{ has_postgres && has_prometheus && has_chromium; } \
  || fail "apt-get reported success, but initdb, prometheus or chromium still cannot be found."
