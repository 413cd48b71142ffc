#!/usr/bin/env bash
# Compiles llama.cpp's CUDA backend, libggml-cuda.so, on a machine that has neither a GPU nor NVIDIA's toolkit:
#
#   tools/cuda/build.sh [--out DIR] [--jobs N] [ARCHITECTURE...]     DIR/libggml-cuda.so (target/cuda by default)
#
# An architecture is a number as NVIDIA writes it: 90 (the default) is H100 and H200, 89 RTX 40, 120 RTX 50, 80 and 86 Ampere.
# One takes one to two hours on two cores. Killed and started again it goes on where it was. README.md beside this says more.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/setup.sh
. "$root/tools/setup.sh"

fail() {
  printf 'cuda: %s\n' "$@" >&2
  exit 1
}

out=$root/target/cuda jobs=$(nproc) architectures=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a folder} && shift ;;
    --jobs) jobs=${2:?--jobs needs a number} && shift ;;
    [0-9]*) architectures+=("$1") ;;
    sm_*) architectures+=("${1#sm_}") ;;
    *) fail "unknown: $1. Usage: tools/cuda/build.sh [--out DIR] [--jobs N] [ARCHITECTURE...]" ;;
  esac
  shift
done
[ ${#architectures[@]} -gt 0 ] || architectures=(90)
[ "$(uname)" = Linux ] || fail "only for Linux"
setup python3
python3 -c "import ensurepip" 2>/dev/null || install_packages python3-venv
mkdir -p "$out"
out=$(cd "$out" && pwd)

# One build of a folder at a time: a second would write the same object files.
exec 9>"$out/lock"
flock -n 9 || fail "another build is running in $out"

venv=$out/venv
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  echo "cuda: downloading NVIDIA's compiler (900 MB on disk) into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
toolkit=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu[0-9]*)
[ -x "$toolkit/bin/nvcc" ] || fail "no nvcc in $toolkit: the packages of requirements.txt are laid out in another way than expected"

# The packages lay files out for Python. The compiler and CMake look in lib64, and for names without a version.
ln -sfn lib "$toolkit/lib64"
for library in cudart cublas; do
  ln -sf "$(basename "$(echo "$toolkit/lib/lib$library".so.*)")" "$toolkit/lib/lib$library.so"
done

# The crate that Cargo.lock pins carries the sources. Read-only there: nothing is written to them.
target=$(rustc -vV | sed -n 's/^host: //p')
sources=$(cd "$root" && cargo metadata --quiet --locked --format-version 1 --filter-platform "$target" | python3 -c 'import json, os, sys
[crate] = [p for p in json.load(sys.stdin)["packages"] if p["name"] == "llama-cpp-sys-2"]
print(os.path.join(os.path.dirname(crate["manifest_path"]), "llama.cpp"))')
[ -e "$sources/ggml/src/ggml-cuda/CMakeLists.txt" ] || fail "no CUDA sources in $sources"

# libcuda.so.1 comes with the driver. Only its name and the functions that are called are needed to link against it.
driver=$out/driver
mkdir -p "$driver"
grep -rhoE '\bcu(Device|Mem|Get|Ctx)[A-Za-z]*\(' "$sources/ggml/src/ggml-cuda" --include='*.cu' --include='*.cuh' |
  sort -u | sed 's/\(.*\)(/int \1(void) { return 999; }/' >"$driver/libcuda.c"
cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$driver/libcuda.so" "$driver/libcuda.c"

# -real: machine code only. Code for the driver to translate would double the size and run slower at the first start.
list=$(printf '%s-real;' "${architectures[@]}")
# The switches are those that the crate's own build gives with its feature "cuda", so that this file fits the libraries that
# tools/release.sh packs. The runtime is linked in: of NVIDIA's libraries cuBLAS and the driver's are left to be found. The driver's
# is named first, so that it is the one that is missed on a machine which has neither.
build=$out/build-$(printf '%s-' "${architectures[@]}" | sed 's/-$//')
# shellcheck disable=SC2016
cmake -S "$sources" -B "$build" -G Ninja -Wno-dev \
  -DCMAKE_MAKE_PROGRAM="$venv/bin/ninja" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF \
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_CURL=OFF \
  -DGGML_BACKEND_DL=ON -DGGML_NATIVE=OFF -DGGML_CPU=OFF -DGGML_CCACHE=OFF \
  -DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF \
  -DCMAKE_CUDA_COMPILER="$toolkit/bin/nvcc" -DCMAKE_CUDA_ARCHITECTURES="${list%;}" \
  -DCUDAToolkit_ROOT="$toolkit" -DCUDA_cuda_driver_LIBRARY="$driver/libcuda.so" \
  -DCUDA_cudart_LIBRARY="$toolkit/lib/libcudart_static.a" \
  -DCMAKE_MODULE_LINKER_FLAGS="-Wl,--no-as-needed $driver/libcuda.so" \
  -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON -DCMAKE_INSTALL_RPATH='$ORIGIN;$ORIGIN/../../lib' >"$out/configure.log" 2>&1 ||
  fail "configuring failed:" "$(tail -n 30 "$out/configure.log")"

started=$SECONDS
echo "cuda: compiling for sm_${architectures[*]} with $jobs jobs, in $build"
"$venv/bin/ninja" -C "$build" -j "$jobs" ggml-cuda
library=$(find "$build" -name libggml-cuda.so -print -quit)
[ -n "$library" ] || fail "the build left no libggml-cuda.so in $build"
strip --strip-unneeded -o "$out/libggml-cuda.so.new" "$library"
mv "$out/libggml-cuda.so.new" "$out/libggml-cuda.so"

echo "cuda: $((SECONDS - started)) seconds; $(du -m "$out/libggml-cuda.so" | cut -f 1) MiB, compressed $(gzip -c "$out/libggml-cuda.so" | wc -c | awk '{printf "%.0f", $1 / 1048576}') MiB"
echo "cuda: it needs $(readelf -d "$out/libggml-cuda.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')"
echo "$out/libggml-cuda.so"
