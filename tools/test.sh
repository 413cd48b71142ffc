#!/usr/bin/env bash
# Installs what is missing and runs all tests. Needs no ComfyUI, no model, no GPU and no network beside the crates and packages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh
setup python3

# The report is looked at in a browser. Ubuntu has it as a snap only, which a container cannot run: then that is left out, and said.
browser() { have chromium || have chromium-browser || have google-chrome || have chrome; }
packaged() { have apt-cache && apt-cache show chromium 2>/dev/null | grep '^Version:' | grep -qv snap; }
if ! browser; then
  if ! packaged && have apt-get; then as_root apt-get update -qq || true; fi
  if ! packaged || ! install_packages chromium fonts-dejavu-core; then
    echo "test: no Chromium here, and none to install: the report's pages are written but not looked at"
    export PROMPT_CALIBRATOR_NO_BROWSER=1
  fi
fi

# The same profile as tools/demo.sh, so that llama.cpp is compiled once.
cargo test --release --locked --workspace --no-run
cargo test --release --locked --workspace --quiet
(cd gguf && sha256sum --check --quiet --strict SHA256SUMS)
(cd tools/comfyui-nodes && python3 -B -m unittest --quiet test_receptor)
echo "All tests passed."
