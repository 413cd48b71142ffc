#!/usr/bin/env bash
# Installs what is missing and checks what no compiler of the build looks at: shell scripts, Python, the scripts of the pages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh

work=${CARGO_TARGET_DIR:-target}/lint
lint=tools/lint
mkdir -p "$work"

have shellcheck || install_packages shellcheck
git ls-files -z '*.sh' .ci fuzz/run | xargs -0 shellcheck --external-sources

if ! cmp -s "$lint/requirements.txt" "$work/venv/requirements.txt"; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install_packages python3 python3-venv; fi
  rm -rf "$work/venv"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$lint/requirements.txt"
  cp "$lint/requirements.txt" "$work/venv/requirements.txt"
fi
"$work/venv/bin/ruff" check --quiet .

if [ ! "$lint/node_modules/.package-lock.json" -nt "$lint/package-lock.json" ]; then
  if ! have npm; then install_packages nodejs npm; fi
  npm --prefix "$lint" ci --ignore-scripts --no-audit --no-fund --silent
fi
# A page has its scripts in one scope, so each page is checked as a whole.
types() {
  "$lint/node_modules/.bin/tsc" --allowJs --checkJs --noEmit --strict false --target es2023 --lib es2023,dom,dom.iterable "$@"
}
types src/report/draw.js src/report/page.js
types src/report/draw.js src/mcp/app/*.js
echo "Scripts are in order."
