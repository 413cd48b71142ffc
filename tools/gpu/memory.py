"""How much memory is taken while something runs: on the GPU as nvidia-smi tells it, in main memory as the system does."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path


def smi(*query: str) -> list[str]:
    """The command that asks the first GPU; in a container the driver may lie beside the usual folders."""
    beside = "/usr/local/nvidia/bin/nvidia-smi"
    program = shutil.which("nvidia-smi") or (beside if os.path.exists(beside) else "nvidia-smi")
    return [program, "--id=0", f"--query-gpu={','.join(query)}"]


def used_command() -> list[str]:
    return [*smi("memory.used"), "--format=csv,noheader,nounits"]


def gpu_used() -> int | None:
    """Bytes in use on the first GPU now, by anybody."""
    try:
        said = subprocess.run(used_command(), capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return _bytes(said)


def _bytes(line: str) -> int | None:
    word = line.strip()
    return int(word) << 20 if word.isdigit() else None


def family(root: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in brackets may hold anything; the parent comes second after it.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(parents.get(found[-1], []))
    return found


def resident(root: int) -> int:
    """Bytes of main memory of a process and all that it started, mapped files included."""
    total = 0
    for pid in family(root):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            continue
    return total


class Watch:
    """Watches a process until it is stopped: the most that was in use, and what was on the GPU before."""

    def __init__(self, gpu: bool, pid: int | None = None) -> None:
        self.before = gpu_used() if gpu else None
        self._pid, self.most_resident = pid, 0
        self.most_gpu: int | None = None
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._watch_process, daemon=True)]
        self._smi = None
        if self.before is not None:
            self._smi = subprocess.Popen(
                [*used_command(), "--loop-ms=50"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._threads.append(threading.Thread(target=self._watch_gpu, daemon=True))
        for thread in self._threads:
            thread.start()

    def of(self, pid: int) -> None:
        self._pid = pid

    def _watch_process(self) -> None:
        while not self._done.wait(0.1):
            if self._pid is not None:
                self.most_resident = max(self.most_resident, resident(self._pid))

    def _watch_gpu(self) -> None:
        for line in self._smi.stdout:
            used = _bytes(line)
            if used is not None:
                self.most_gpu = max(self.most_gpu or 0, used)

    def stop(self) -> dict[str, int | None]:
        self._done.set()
        if self._smi:
            self._smi.kill()
            self._smi.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        if self._smi:
            self._smi.stdout.close()
        most = self.most_gpu
        taken = None if self.before is None or most is None else most - self.before
        return {"gpu_before": self.before, "gpu_most": most, "gpu_taken": taken, "main_most": self.most_resident}


def back(before: int | None, limit: float, slack: int = 64 << 20) -> dict[str, float | int | None]:
    """Waits until the GPU holds no more than before, give or take some."""
    started = time.monotonic()
    while True:
        now, seconds = gpu_used(), time.monotonic() - started
        if before is None or now is None or now <= before + slack or seconds > limit:
            left = None if before is None or now is None else now - before
            return {"seconds": round(seconds, 2), "gpu_left": left}
        time.sleep(0.05)
