#!/usr/bin/env python3
"""What the CUDA driver is asked directly, with nothing but Python: no toolkit, no package.

    cuda.py memory                free and all bytes of the first GPU, as JSON
    cuda.py copy [BYTES]          how fast the card copies within its own memory, as JSON
    cuda.py hold LEAVE            takes all memory but LEAVE bytes until its input ends, so that others find the card nearly full
"""

import ctypes
import json
import sys
import time

CHUNK = 1 << 30


class Refused(Exception):
    """What the driver would not do."""


class Card:
    """The first GPU. Its memory is freed when the process ends."""

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise Refused(f"there is no NVIDIA driver here: {error}") from error
        self._call("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code != 0:
            raise Refused(f"{name} failed with CUDA's error {code}")

    def memory(self) -> tuple[int, int]:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def take(self, size: int) -> ctypes.c_uint64:
        where = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(where), ctypes.c_size_t(size))
        return where

    def copy_speed(self, size: int, rounds: int = 20) -> float:
        """Bytes a second, read and written ones counted."""
        source, target = self.take(size), self.take(size)
        count = ctypes.c_size_t(size)
        self._call("cuMemsetD8_v2", source, ctypes.c_ubyte(1), count)
        best = 0.0
        for _ in range(3):
            self._call("cuCtxSynchronize")
            started = time.perf_counter()
            for _ in range(rounds):
                self._call("cuMemcpyDtoDAsync_v2", target, source, count, None)
            self._call("cuCtxSynchronize")
            best = max(best, 2 * size * rounds / (time.perf_counter() - started))
        return best


def hold(card: Card, leave: int) -> int:
    """Takes memory until about `leave` bytes are free."""
    held = 0
    while (free := card.memory()[0]) - leave >= 1 << 20:
        size = min(CHUNK, free - leave)
        card.take(size)
        held += size
    return held


def main(arguments: list[str]) -> int:
    what = arguments[0] if arguments else ""
    try:
        card = Card()
        if what == "memory":
            free, total = card.memory()
            print(json.dumps({"free": free, "total": total}))
        elif what == "copy":
            size = int(arguments[1]) if len(arguments) > 1 else 4 << 30
            print(json.dumps({"bytes": size, "bytes_a_second": card.copy_speed(size)}))
        elif what == "hold":
            held = hold(card, int(arguments[1]))
            print(json.dumps({"held": held, "free": card.memory()[0]}), flush=True)
            sys.stdin.read()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except Refused as refused:
        print(f"cuda.py: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
