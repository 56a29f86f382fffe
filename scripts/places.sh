# shellcheck shell=bash
# Where the scripts keep things and as whom servers run. Sourced, never run.
#
# Root gets places under /var/cache, because servers then run as the user `postgres`, to whom
# root's home is closed; everybody else gets $XDG_CACHE_HOME.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script_name=${script_name:-$(basename "$0")}

say() { echo "$script_name: $*" >&2; }
die() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }

if is_root; then cache=/var/cache/pgark; else cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgark; fi

# The stock PostgreSQL 18. /var/cache/pgark-conformance is where a machine may have one built for everybody.
conformance=${PGARK_CONFORMANCE:-}
if [ -z "$conformance" ]; then
  if is_root || [ -e /var/cache/pgark-conformance/.built ]; then
    conformance=/var/cache/pgark-conformance
  else
    conformance=$cache/conformance
  fi
fi

# Installs Debian packages that are not there yet, saying which. Without root it only tells.
install_packages() {
  command -v apt-get >/dev/null || { say "no apt-get here; install by hand: $*"; return 1; }
  local package wanted=()
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || wanted+=("$package")
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  if ! is_root; then
    say "not installed: ${wanted[*]}  (sudo apt-get install ${wanted[*]})"
    return 1
  fi
  say "installing ${wanted[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"; } \
      >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Makes the user as whom servers run when we are root.
ensure_server_user() {
  is_root || return 0
  id -u postgres >/dev/null 2>&1 && return 0
  say "making the system user postgres, because PostgreSQL refuses to run as root"
  useradd --system --create-home --home-dir /var/lib/postgresql postgres
}

# Runs a command as the user of servers.
as_server_user() {
  if is_root; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}

# Prints the bin directory of the newest server there is on this machine; fails if there is none.
find_server() {
  local bin
  for bin in "$conformance/pg18/bin" $(ls -d /usr/lib/postgresql/*/bin "$cache"/postgres/*/bin 2>/dev/null | sort -rV); do
    if [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ]; then echo "$bin"; return 0; fi
  done
  bin=$(pg_config --bindir 2>/dev/null) && [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] && echo "$bin"
}
