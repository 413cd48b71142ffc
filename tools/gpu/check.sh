#!/usr/bin/env bash
# Measures the program on a machine with a GPU that is lent for some minutes (README.md):
#
#   tools/gpu/check.sh prepare [--cuda-file FILE]     here, without a GPU: packs all that is needed → target/gpu/kit.tar.xz
#   tools/gpu/check.sh run [SETTING...]               there, in a copy of this checkout with that file: at most 9 minutes
#   tools/gpu/check.sh run --cpu --smallest --minutes 60 --patience 8     tries all of it here
#
# Results go to the folder that OUT names, else to target/gpu/results. `run` builds nothing and downloads nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
kit=target/gpu/kit.tar.xz
# What may travel with a checkout, which is 25 MB itself.
limit=$((38 << 20))

fail() {
  printf 'gpu: %s\n' "$@" >&2
  exit 1
}

prepare() {
  local cuda=target/cuda/libggml-cuda.so work archive unpacked packages
  while [ $# -gt 0 ]; do
    case $1 in
      --cuda-file) cuda=${2:?--cuda-file needs a file} && shift ;;
      *) fail "unknown: $1. Usage: tools/gpu/check.sh prepare [--cuda-file FILE]" ;;
    esac
    shift
  done
  [ -f "$cuda" ] || fail "there is no $cuda: make it with tools/cuda/build.sh (one to two hours), or name one with --cuda-file"
  tools/release.sh --cuda-file "$cuda"

  # Python's packages that write model files; numpy is left to the machine, as it is large.
  mkdir -p target/gpu
  if ! cmp -s gguf/requirements.txt target/gpu/venv/installed.txt; then
    rm -rf target/gpu/venv
    python3 -m venv target/gpu/venv
    target/gpu/venv/bin/pip install --quiet --disable-pip-version-check --requirement gguf/requirements.txt
    cp gguf/requirements.txt target/gpu/venv/installed.txt
  fi

  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  archive=$(find target/dist -name 'prompt-calibrator-*.tar.gz' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
  mkdir "$work/kit" "$work/kit/python"
  tar -xzf "$archive" -C "$work/kit"
  unpacked=$(find "$work/kit" -maxdepth 1 -name 'prompt-calibrator-*')
  mv "$unpacked" "$work/kit/program"
  # Of the files for processors these are for servers and the usual desktop.
  find "$work/kit/program/backends/cpu" -name '*.so' | grep -vE -- '-(x64|haswell|skylakex|icelake|zen4)\.so$' | xargs rm -f
  rm -rf "$work"/kit/program/{completions,SHA256SUMS,README.md,CHANGELOG.md,docs}
  readelf -d "$work/kit/program/backends/gpu/libggml-cuda.so" |
    sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\).*\)\]/\1/p' | paste -sd , >"$work/kit/needs.txt"
  packages=$(echo target/gpu/venv/lib/python3*/site-packages)
  cp -r "$packages"/{gguf,tqdm,yaml} "$work/kit/python/"
  # Compiled for this machine's Python; they do without.
  find "$work/kit/python" \( -name '*.so' -o -name __pycache__ \) -prune -exec rm -rf {} +
  tar -C "$work" -cJf "$kit.new" kit
  mv "$kit.new" "$kit"
  local size
  size=$(stat -c %s "$kit")
  echo "$kit: $((size >> 20)) MiB; it needs $(cat "$work/kit/needs.txt") of the machine"
  [ "$size" -le "$limit" ] || fail "it is larger than $((limit >> 20)) MiB, which is what may travel"
}

# A Python that has numpy: the machine's, or the one that `prepare` made here.
python_with_numpy() {
  local python
  for python in "${PYTHON:-python3}" "$root"/target/gpu/venv/bin/python; do
    if "$python" -c 'import sys, numpy; assert sys.version_info >= (3, 11)' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  fail "no Python 3.11 or newer with numpy here, which write the models: pip install numpy, or name one with PYTHON="
}

run() {
  local place=target/gpu/unpacked python out=${OUT:-target/gpu/results}
  [ -f "$kit" ] || fail "there is no $kit: make it where the program can be built, with tools/gpu/check.sh prepare"
  python=$(python_with_numpy)
  rm -rf "$place"
  mkdir -p "$place"
  "$python" -c 'import sys, tarfile
with tarfile.open(sys.argv[1]) as kit:
    kit.extractall(sys.argv[2], filter="data")' "$kit" "$place"
  PYTHONPATH=$root/$place/kit/python PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 exec "$python" "$here/check.py" \
    --program "$place/kit/program/prompt-calibrator" --needs "$(cat "$place/kit/needs.txt")" \
    --work target/gpu/models --out "$out" "$@"
}

case ${1:-} in
  prepare | run) "$@" ;;
  *) fail "Usage: tools/gpu/check.sh prepare [--cuda-file FILE] | run [--cpu] [--smallest] [--sizes 8b,30b-a3b] [--minutes 9]" ;;
esac
