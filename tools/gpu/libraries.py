"""Where the libraries lie that the CUDA backend needs: on the loader's own path, in a toolkit, or among Python's packages."""

import glob
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDERS = [
    "/usr/local/nvidia/lib64",
    "/usr/local/cuda/lib64",
    "/usr/local/cuda-*/lib64",
    "/usr/local/cuda*/targets/*/lib",
    "/opt/cuda/lib64",
    "/usr/lib/*-linux-gnu",
    "/usr/lib64",
]


@dataclass(frozen=True)
class Found:
    """What of the libraries was found in folders that the loader does not know, and what is nowhere."""

    folders: list[str]
    missing: list[str]

    def path(self) -> str:
        """LD_LIBRARY_PATH with those folders in it."""
        known = os.environ.get("LD_LIBRARY_PATH", "")
        return ":".join([folder for folder in known.split(":") if folder] + self.folders)


def find(needed: list[str]) -> Found:
    known, folders, missing = _loader(), [], []
    named = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    for library in needed:
        if library in known or any((Path(folder) / library).exists() for folder in named):
            continue
        where = next((folder for folder in _candidates() if (Path(folder) / library).exists()), None)
        if where is None:
            missing.append(library)
        elif where not in folders:
            folders.append(where)
    return Found(folders, missing)


def _loader() -> set[str]:
    try:
        said = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        try:
            said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, timeout=30, check=False).stdout
        except (OSError, subprocess.SubprocessError):
            return set()
    return {line.split()[0] for line in said.splitlines() if "=>" in line}


def _candidates() -> list[str]:
    toolkits = [os.environ[name] + "/lib64" for name in ("CUDA_PATH", "CUDA_HOME") if os.environ.get(name)]
    packages = [pattern for entry in sys.path if entry for pattern in (f"{entry}/nvidia/*/lib", f"{entry}/torch/lib")]
    return [folder for pattern in toolkits + FOLDERS + packages for folder in sorted(glob.glob(pattern), reverse=True)]
