#!/usr/bin/env bash
# First light: installs what is missing, builds, and runs the main job on bundled pictures (examples/first_light.rs).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh
setup

[ -x "${CARGO_TARGET_DIR:-target}/release/prompt-calibrator" ] ||
  echo "The first build compiles llama.cpp: 10 to 15 minutes on two cores, less on more."
cargo build --release --locked --bin prompt-calibrator --example first_light
exec cargo run --release --locked --quiet --example first_light
