#!/usr/bin/env bash
# The offline demo: installs what is missing, builds, and runs a whole calibration (examples/demo.rs).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh
setup

[ -x "${CARGO_TARGET_DIR:-target}/release/prompt-calibrator" ] ||
  echo "The first build compiles llama.cpp: 10 to 15 minutes on two cores, less on more."
cargo build --release --locked --bin prompt-calibrator --example demo
exec cargo run --release --locked --quiet --example demo -- "$@"
