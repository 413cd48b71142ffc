#!/usr/bin/env bash
# Builds the program for any machine of this kind, with a GPU or without, and packs it with all that belongs to it:
#
#   tools/release.sh [--cuda] [--vulkan]     target/dist/prompt-calibrator-VERSION-TARGET.tar.gz
#   tools/release.sh --cuda-file FILE        with a libggml-cuda.so that tools/cuda/build.sh made: no toolkit is needed
#
# Without a switch it runs on the CPU alone. At last the archive is unpacked and judges two pictures.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=tools/setup.sh
. tools/setup.sh

fail() {
  printf 'release: %s\n' "$@" >&2
  exit 1
}

needs_cuda() {
  local toolkit=${CUDA_PATH:-/usr/local/cuda} version
  PATH="$PATH:$toolkit/bin"
  have nvcc || fail "--cuda needs NVIDIA's compiler nvcc, 12 or newer: there is none on the PATH or in $toolkit/bin." \
    "Install the toolkit (cuda-toolkit-12-8, https://developer.nvidia.com/cuda-downloads), or set CUDA_PATH." \
    "Building needs neither a card nor a driver."
  version=$(nvcc --version | sed -n 's/.*release \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 12 ] || fail "--cuda needs nvcc 12 or newer; $(command -v nvcc) is ${version:-unknown}"
}

needs_vulkan() {
  local headers=${VULKAN_SDK:-/usr}/include/vulkan missing=()
  PATH="${VULKAN_SDK:+$VULKAN_SDK/bin:}$PATH"
  have glslc || missing+=(glslc)
  [ -e "$headers/vulkan.hpp" ] || missing+=(libvulkan-dev)
  compgen -G '/usr/*/cmake/SPIRV-Headers/*Config.cmake' >/dev/null ||
    compgen -G "${VULKAN_SDK:-/usr}/*/cmake/SPIRV-Headers/*Config.cmake" >/dev/null || missing+=(spirv-headers)
  local elsewhere="Elsewhere install LunarG's SDK (https://vulkan.lunarg.com) and set VULKAN_SDK to its folder."
  [ ${#missing[@]} = 0 ] || fail "--vulkan needs ${missing[*]}." \
    "On Debian 13, Ubuntu 24.04 and newer: apt-get install ${missing[*]}" "$elsewhere"
  grep -q VK_EXT_layer_settings "$headers/vulkan_core.h" ||
    fail "--vulkan needs the Vulkan headers 1.3.272 or newer; those in $headers are older." "Debian 13 and Ubuntu 24.04 have them. $elsewhere"
  # An old one compiles no shaders with cooperative matrices, which current cards are fast with.
  glslc -fshader-stage=compute --target-env=vulkan1.3 -o /dev/null - 2>/dev/null <<<$'#version 450\n#extension GL_KHR_cooperative_matrix : require\nvoid main() {}' ||
    echo "release: this glslc knows no cooperative matrices: the Vulkan backend will be slow on cards that have them" >&2
}

features=dynamic-backends cuda_file=
while [ $# -gt 0 ]; do
  case $1 in
    --cuda | --vulkan) features+=,${1#--} ;;
    --cuda-file)
      [ -f "${2:-}" ] || fail "--cuda-file needs a libggml-cuda.so, which tools/cuda/build.sh makes; there is none at ${2:-(no path)}"
      cuda_file=$2
      shift
      ;;
    *) fail "unknown: $1. Usage: tools/release.sh [--cuda | --cuda-file FILE] [--vulkan]" ;;
  esac
  shift
done
case ,$features, in *,cuda,*) [ -z "$cuda_file" ] || fail "either --cuda or --cuda-file" ;; esac
[ "$(uname)" = Linux ] || fail "only Linux is packed; elsewhere: cargo install --path ."
setup python3
case ,$features, in *,cuda,*) needs_cuda ;; esac
case ,$features, in *,vulkan,*) needs_vulkan ;; esac

# A target folder of its own: the flags differ from those of .cargo/config.toml, so everything would be built anew.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/dynamic}
# Not for this machine's processor alone: llama.cpp then comes for every kind. Libraries are found from where the program lies.
# shellcheck disable=SC2016
export RUSTFLAGS='-C link-arg=-Wl,-rpath,$ORIGIN/lib' CMAKE_INSTALL_RPATH='$ORIGIN;$ORIGIN/../../lib'
echo "The first build compiles llama.cpp for every kind of processor: 10 to 15 minutes on two cores, and hours with --cuda."
cargo build --release --locked --bin prompt-calibrator --features "$features"
# Again, to hear from cargo where llama.cpp was built: an older build may lie beside it.
llama=$(cargo build --release --locked --bin prompt-calibrator --features "$features" --quiet --message-format json |
  python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "build-script-executed" and "llama-cpp-sys-2" in message["package_id"]:
        print(message["out_dir"])')

target=$(rustc -vV | sed -n 's/^host: //p')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=prompt-calibrator-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/$name
mkdir -p "$stage"/{lib,backends/cpu,backends/gpu,completions}

install -m 755 "$CARGO_TARGET_DIR/release/prompt-calibrator" "$stage/"
# Those of llama.cpp's libraries that the program needs, by the names that the loader looks for.
LD_LIBRARY_PATH=$llama/lib:$llama/lib64 ldd "$stage/prompt-calibrator" | sed -n "s|.* => \($llama/.*\) (.*|\1|p" |
  xargs -I{} install -m 644 {} "$stage/lib/"
for backend in "$llama"/backends/libggml-*.so; do
  case $backend in
    # It uses AMX, which ends the process as some compilers build it (.cargo/config.toml); the next best is nearly as fast.
    */libggml-cpu-sapphirerapids.so) ;;
    */libggml-cpu-*) install -m 644 "$backend" "$stage/backends/cpu/" ;;
    *) install -m 644 "$backend" "$stage/backends/gpu/" ;;
  esac
done
[ -z "$cuda_file" ] || install -m 644 "$cuda_file" "$stage/backends/gpu/libggml-cuda.so"
strip --strip-unneeded "$stage/prompt-calibrator" "$stage"/lib/* "$stage"/backends/*/*
install -m 644 LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md "$stage/"
install -d "$stage/docs"
install -m 644 docs/*.md "$stage/docs/"
tools/notices.py "$features" "$target" >"$stage/NOTICES"
[ -z "$cuda_file" ] || printf '\n%s\n' "backends/gpu/libggml-cuda.so contains NVIDIA's CUDA runtime (libcudart_static.a), under the License" \
  "Agreement of the CUDA Toolkit, https://docs.nvidia.com/cuda/eula." >>"$stage/NOTICES"

# What is packed must find its libraries beside itself, and need of the system only what every system has, or a driver brings.
system='ld-linux-.*|lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+|gomp)\.so\..*'
drivers='lib(cuda|cudart|cublas|cublasLt|nccl|vulkan)\.so\..*'
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
for file in "$stage/prompt-calibrator" "$stage"/lib/* "$stage"/backends/*/*; do
  # shellcheck disable=SC2016
  readelf -d "$file" | sed -n 's/.*R\(UN\)\?PATH.*\[\(.*\)\]/\2/p' | tr : '\n' | grep -v '^\$ORIGIN' &&
    fail "${file#"$stage/"} looks for libraries in a folder of this machine"
  allowed=$system
  case $file in */gpu/*) allowed="$system|$drivers" ;; esac
  for library in $(needed "$file"); do
    [ -e "$stage/lib/$library" ] || [[ $library =~ ^($allowed)$ ]] || fail "${file#"$stage/"} needs $library"
  done
done
oldest=$(readelf -V "$stage/prompt-calibrator" "$stage"/lib/* "$stage"/backends/*/* | grep -o 'GLIBC_2[.0-9]*' | sort -uV | tail -n 1)

"$stage/prompt-calibrator" completions bash >"$stage/completions/prompt-calibrator.bash"
"$stage/prompt-calibrator" completions zsh >"$stage/completions/_prompt-calibrator"
"$stage/prompt-calibrator" completions fish >"$stage/completions/prompt-calibrator.fish"
(cd "$stage" && find . -type f | LC_ALL=C sort | xargs sha256sum >"$work/sums" && mv "$work/sums" SHA256SUMS)

# The same files give the same archive: in order, owned by nobody, of the last commit's time.
chmod -R u=rwX,go=rX "$stage"
archive=$root/target/dist/$name.tar.gz
mkdir -p "$root/target/dist"
tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" \
  -C "$work" -cf - "$name" | gzip -n9 >"$archive"

# The proof: unpacked elsewhere, called through a link from a third folder, with nothing in the environment and an empty home.
mkdir "$work"/{unpacked,home,elsewhere}
tar -xzf "$archive" -C "$work/unpacked"
mv "$stage" "$work/hidden"
(cd "$work/unpacked/$name" && sha256sum --quiet -c SHA256SUMS)
ln -s "$work/unpacked/$name/prompt-calibrator" "$work/elsewhere/calibrator"
cd "$work/elsewhere"
alone() { env -i HOME="$work/home" PATH=/usr/bin:/bin ./calibrator "$@"; }
alone --version
alone completions bash | bash -n
alone judge "$root/examples/pictures/reference.png" "$root/examples/pictures/generated.png" --json |
  python3 -c 'import json, sys
verdict = json.load(sys.stdin)
print("judged on its own:", len(verdict["axes"]), "axes")'
echo "It needs glibc ${oldest#GLIBC_}, libstdc++ and libgomp of the system."
ls -l "$archive"
sha256sum "$archive"
