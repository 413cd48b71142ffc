#!/usr/bin/env python3
"""Writes the licences of all that is linked into the program: the crates, and llama.cpp with what it brings along.

    tools/notices.py FEATURE,… TARGET > NOTICES

Fails where a crate has neither a licence text nor one that is known by its name.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = "prompt-calibrator"
# Texts that are the same for everybody, for crates that name their licence and leave its text out.
KNOWN = {"Apache-2.0": ROOT / "LICENSE-APACHE"}
TEXT_FILE = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
# What of llama.cpp may be linked: the rest of its folder is for other machines.
LINKED = ["vendor", "src", "common", "tools/mtmd", "ggml/src", "ggml/include"]
ABSENT = ["kleidiai", "spacemit", "ggml-cann", "ggml-hexagon", "ggml-opencl", "ggml-openvino", "ggml-sycl", "ggml-webgpu", "ggml-zendnn"]
SOURCES = {".c", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".comp", ".glsl", ".m", ".metal"}
COMMENT = re.compile(r"/\*.*?\*/|(?:^[ \t]*//[^\n]*\n)+", re.DOTALL | re.MULTILINE)
SPEAKS_OF_RIGHTS = re.compile(r"copyright|public domain|permission is hereby granted|SPDX-License", re.IGNORECASE)


def linked_crates(features, target):
    """The packages that end up in the program: no build scripts, no macros, no tests."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", features, "--filter-platform", target]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [package["id"] for package in packages.values() if package["name"] == PROGRAM]
    linked = set()
    while waiting:
        crate = waiting.pop()
        macro = any("proc-macro" in target["kind"] for target in packages[crate]["targets"])
        if crate in linked or macro:
            continue
        linked.add(crate)
        for edge in nodes[crate]["deps"]:
            if any(kind["kind"] is None for kind in edge["dep_kinds"]):
                waiting.append(edge["pkg"])
    ours = [crate for crate in linked if packages[crate]["source"] is None]
    return sorted((packages[crate] for crate in linked.difference(ours)), key=lambda p: (p["name"], p["version"]))


def read(path):
    return path.read_text(encoding="utf-8", errors="replace").strip()


def texts_of(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if TEXT_FILE.match(path.name) and path.suffix != ".rs"}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    files |= {inner for path in files if path.is_dir() for inner in path.rglob("*")}
    found = [read(path) for path in sorted(files) if path.is_file()]
    if not found:
        choices = re.split(r" OR |/", package["license"] or "")
        found = [read(KNOWN[choice.strip()]) for choice in choices if choice.strip() in KNOWN]
    return found


def llama_cpp(package):
    """The licence files in llama.cpp's folder, and what single sources say of theirs."""
    folder = pathlib.Path(package["manifest_path"]).parent / "llama.cpp"
    for path in sorted(folder.rglob("LICENSE*")):
        yield f"llama.cpp: {path.relative_to(folder)}", [read(path)]
    mit = read(ROOT / "LICENSE-MIT").partition("Permission")
    sources = (path for part in LINKED for path in sorted((folder / part).rglob("*")) if path.suffix in SOURCES)
    for path in sources:
        name = str(path.relative_to(folder))
        if any(part in name for part in ABSENT):
            continue
        comments = [c.strip() for c in COMMENT.findall(read(path) + "\n") if SPEAKS_OF_RIGHTS.search(c)]
        if any("SPDX-License-Identifier: MIT" in c for c in comments):
            comments = comments[:1] + [mit[1] + mit[2]]
        if comments:
            yield f"llama.cpp: {name}", comments


def main(features, target):
    parts, without = [], []
    for package in linked_crates(features, target):
        texts = texts_of(package)
        if not texts:
            without.append(f"{package['name']} {package['version']} ({package['license']})")
        parts.append((f"{package['name']} {package['version']}: {package['license']}", texts))
        if package["name"] == "llama-cpp-sys-2":
            parts.extend(llama_cpp(package))
    if without:
        sys.exit("notices: no licence text for " + ", ".join(without))
    if not any(name == "llama.cpp: LICENSE" for name, _ in parts):
        sys.exit("notices: llama.cpp's licence is missing")
    # Most crates come with the very same text: each is printed once, below the names it is for.
    by_text = {}
    for name, texts in parts:
        for text in texts:
            by_text.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    print(f"{PROGRAM} contains the following, under these licences. The Rust standard library is Apache-2.0 OR MIT too.")
    for text, names in by_text.values():
        print("\n" + "=" * 80)
        print("\n".join(dict.fromkeys(names)))
        print("-" * 80 + "\n" + "\n".join(line.rstrip() for line in text.splitlines()))


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
