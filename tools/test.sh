#!/usr/bin/env bash
# Installs what is missing and runs all tests. Needs no ComfyUI, no model, no GPU and no network beside the crates and packages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh
setup python3

browser

# The same profile as tools/demo.sh, so that llama.cpp is compiled once.
cargo test --release --locked --workspace --no-run
cargo test --release --locked --workspace --quiet
(cd gguf && sha256sum --check --quiet --strict SHA256SUMS)
(cd tools/gpu && python3 -B -m unittest --quiet test_check)
(cd tools/comfyui-nodes && python3 -B -m unittest --quiet test_receptor)
if [ -n "${PROMPT_CALIBRATOR_NO_BROWSER:-}" ]; then echo "Not run, for want of a browser: what looks at pages."; fi
echo "All tests passed."
