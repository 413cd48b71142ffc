"""Reads training batches from the standard output of the program that draws them.

A frame: b"PCB1", u32 length of a JSON header, the header, then the arrays it lists, raw and little-endian.
"""

import json
import os
import queue
import signal
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from batches import Batch, Shaper

MAGIC = b"PCB1"


@dataclass(frozen=True)
class Frame:
    header: dict
    arrays: dict[str, np.ndarray]


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = stream.readinto(view[filled:])
        if not count:
            raise EOFError
        filled += count
    return data


def read_frame(stream: BinaryIO) -> Frame:
    if (magic := bytes(_exactly(stream, 4))) != MAGIC:
        raise ValueError(f"not a frame: {magic!r}")
    (length,) = struct.unpack("<I", _exactly(stream, 4))
    header = json.loads(_exactly(stream, length))
    arrays = {}
    for entry in header["arrays"]:
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        size = int(np.prod(entry["shape"])) * dtype.itemsize
        arrays[entry["name"]] = np.frombuffer(_exactly(stream, size), dtype).reshape(entry["shape"])
    return Frame(header, arrays)


class Source:
    """Runs the drawing program; a thread reads and prepares batches ahead of the training."""

    def __init__(self, command: str, shaper: Shaper, ahead: int = 3):
        # A group of its own, so that closing ends everything that the shell started.
        self.process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, start_new_session=True)
        self.queue: queue.Queue[Batch | Exception] = queue.Queue(maxsize=ahead)
        self.shaper = shaper
        self.waited = 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                self.queue.put(self.shaper.batch(read_frame(self.process.stdout)))
        except Exception as error:  # handed to the training, which stops with it
            self.queue.put(error)

    def next(self) -> Batch:
        start = time.monotonic()
        item = self.queue.get()
        self.waited += time.monotonic() - start
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
