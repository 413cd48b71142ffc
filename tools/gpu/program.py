"""Runs the program, with a limit in time, while its memory is watched."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import memory

# Nothing listens there, so that no ComfyUI of this machine has a say.
NO_COMFYUI = "http://127.0.0.1:9"


class Failed(Exception):
    """Why a step has no result."""


def end(process: subprocess.Popen) -> None:
    """Ends a process that was started in a session of its own, and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


@dataclass
class Program:
    """The program under test with its settings."""

    binary: Path
    work: Path
    gpu: bool
    environment: dict[str, str] = field(default_factory=dict)
    settings: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        general = ["--data-dir", str(self.work / "data"), "--comfyui", NO_COMFYUI, "--log", "warn"]
        return [str(self.binary), *general, *self.settings, *arguments]

    def start(self, command: list[str], log: Path, **pipes: int) -> subprocess.Popen:
        # A settings file of the user's would change what is measured.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PROMPT_CALIBRATOR_")}
        environment |= {"XDG_CONFIG_HOME": str(self.work / "config")} | self.environment
        with log.open("ab") as errors:
            return subprocess.Popen(command, stderr=errors, env=environment, start_new_session=True, **pipes)

    def json(self, limit: float, *arguments: str, statuses: tuple[int, ...] = (0,)) -> tuple[object, dict]:
        """What a command printed, and what it cost: seconds and memory."""
        log = self.work / "program.log"
        command = self.command(*arguments)
        with log.open("ab") as file:
            file.write(f"\n$ {' '.join(command)}\n".encode())
        watch, started = memory.Watch(self.gpu), time.monotonic()
        process = self.start(command, log, stdout=subprocess.PIPE)
        watch.of(process.pid)
        try:
            printed, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            end(process)
            raise Failed(f"it took longer than its {limit:.0f} s and was ended") from None
        finally:
            cost = watch.stop()
        cost["seconds"] = round(time.monotonic() - started, 2)
        if process.returncode not in statuses:
            raise Failed(f"{arguments[0]} ended with status {process.returncode}: {tail(log)}")
        try:
            return json.loads(printed), cost
        except ValueError:
            raise Failed(f"{arguments[0]} printed no JSON, with status {process.returncode}: {tail(log)}") from None

    def doctor(self, limit: float, *settings: str) -> tuple[dict[str, dict], dict]:
        """The checks by their names. Status 1 is right: there is no ComfyUI, and random weights pass no self-check."""
        checks, cost = self.json(limit, *settings, "doctor", "--json", statuses=(0, 1))
        return {check["what"]: check for check in checks}, cost


def tail(log: Path, lines: int = 4) -> str:
    said = log.read_text(errors="replace").splitlines()[-lines:]
    return " / ".join(line.strip() for line in said if line.strip())[-600:]


class Server:
    """The program as an MCP server over its standard streams."""

    def __init__(self, program: Program, *settings: str) -> None:
        self._log = program.work / "program.log"
        self._process = program.start(
            program.command(*settings, "serve"), self._log, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._next = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._reader.join(timeout=5)
        end(self._process)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _send(self, message: dict) -> None:
        try:
            self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed(f"the server is gone ({error}): {tail(self._log)}") from error

    def ask(self, method: str, parameters: dict, limit: float) -> dict:
        self._next += 1
        self._send({"id": self._next, "method": method, "params": parameters})
        ends = time.monotonic() + limit
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{method} had no answer within {limit:.0f} s") from None
            if not line:
                raise Failed(f"the server ended: {tail(self._log)}")
            answer = json.loads(line)
            if answer.get("id") == self._next and "method" not in answer:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error'].get('message')}")
                return answer["result"]

    def open(self, limit: float) -> None:
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "gpu-check", "version": "1"}}
        self.ask("initialize", about, limit)
        self._send({"method": "notifications/initialized"})

    def judge(self, arguments: dict, limit: float) -> float:
        """Seconds of a judgement, waited for to its end."""
        started = time.monotonic()
        while True:
            left = limit - (time.monotonic() - started)
            result = self.ask("tools/call", {"name": "judge_pair", "arguments": arguments}, max(left, 0.1))
            told = result.get("structuredContent") or {}
            if result.get("isError"):
                raise Failed(f"judge_pair: {str(told or result.get('content'))[:400]}")
            if not told.get("handle"):
                return round(time.monotonic() - started, 2)
            arguments = {"handle": told["handle"]}
