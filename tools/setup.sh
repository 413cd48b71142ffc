#!/usr/bin/env bash
# Installs what the build needs and this machine lacks (Debian, Ubuntu); says nothing when nothing is missing.
#
#   tools/setup.sh             a C++ compiler, make, cmake, libclang, certificates, Rust
#   tools/setup.sh python3     and this command
#
# demo.sh, test.sh, release.sh and conformance.sh source it and call `setup`, so that a toolchain it just installed is found there too.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
  echo "setup: $*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "needs root to run: $*. Run it as root, or install sudo"
  fi
}

install_packages() {
  have apt-get || fail "missing here: $*. Only Debian and Ubuntu are set up by this script; install these by their names on your system"
  echo "setup: installing $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "$@" >/dev/null
}

# bindgen needs the library and clang's own headers; -dev packages bring both.
have_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang.so' >/dev/null ||
    compgen -G '/usr/lib*/libclang.so' >/dev/null || [ "$(uname)" = Darwin ]
}

# The Rust version that Cargo.toml asks for.
wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$setup_root/Cargo.toml" | head -n 1; }

rust_is_new_enough() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [ -n "$version" ] && [ "$(printf '%s\n' "$(wanted_rust)" "$version" | sort -V | head -n 1)" = "$(wanted_rust)" ]
}

install_rust() {
  if ! have rustup && have apt-cache && apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    # Where an older cargo is installed as a package, apt would remove it: then the next way is taken.
    install_packages rustup || true
  fi
  if have rustup; then
    echo "setup: installing the stable Rust toolchain with rustup"
    rustup toolchain install stable --profile minimal >/dev/null
    # For this run only: your default toolchain stays what it is.
    export RUSTUP_TOOLCHAIN=stable
  else
    echo "setup: installing Rust with rustup's own installer, into ${CARGO_HOME:-$HOME/.cargo}"
    have curl || install_packages curl
    # An older Rust that is there as a package stays, and comes later on the PATH.
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
      RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y -q --profile minimal --default-toolchain stable
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  fi
  hash -r
}

setup() {
  local missing=() tool
  have c++ || missing+=(g++)
  have make || missing+=(make)
  have cmake || missing+=(cmake)
  have_libclang || missing+=(libclang-dev)
  # Without them nothing is downloaded over https, crates among them.
  [ -e "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ] || ! have apt-get || missing+=(ca-certificates)
  for tool in "$@"; do
    have "$tool" || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"

  # A toolchain that is there and not on the PATH of this shell.
  have cargo || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  rust_is_new_enough || install_rust
  rust_is_new_enough || fail "Rust $(wanted_rust) or newer is needed; found: $(cargo --version 2>&1 || true)"
  export PATH
}

# A program for checks that comes as a crate, at the version that they are written for. It is built once and kept outside the
# target folder; a fresh machine builds it in a few minutes.
cargo_tool() {
  local version kept
  case $1 in
    cargo-deny) version=0.20.2 ;;
    cargo-machete) version=0.9.2 ;;
    *) fail "no version is chosen for $1" ;;
  esac
  if have "$1"; then return 0; fi
  kept="${XDG_CACHE_HOME:-$HOME/.cache}/prompt-calibrator/$1-$version"
  [ -x "$kept/bin/$1" ] || cargo install "$1" --version "$version" --locked --quiet --root "$kept"
  PATH="$kept/bin:$PATH"
}

# Pages are looked at in a Chromium. Ubuntu has it as a snap only, which a container cannot run: then that is left out, and said.
browser() {
  local name
  for name in chromium chromium-browser google-chrome chrome; do
    if have "$name"; then return 0; fi
  done
  if ! chromium_is_packaged && have apt-get; then as_root apt-get update -qq || true; fi
  if ! chromium_is_packaged || ! install_packages chromium fonts-dejavu-core; then
    echo "setup: no Chromium here, and none to install: pages are written but not looked at"
    export PROMPT_CALIBRATOR_NO_BROWSER=1
  fi
}

chromium_is_packaged() { have apt-cache && apt-cache show chromium 2>/dev/null | grep '^Version:' | grep -qv snap; }

# Compiles the programs of packages. The examples are there for the features that they and the tests turn on: without them,
# cargo compiles most dependencies a second time.
build() { cargo build --release --locked --bins --examples "$@"; }

setup_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  setup "$@"
fi
