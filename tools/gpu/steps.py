"""What is measured, a function a step. Each gets a limit in seconds and returns what goes into the results."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import libraries
import memory
import models
from program import Failed, Program, Server, end

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent.parent / "examples" / "pictures"
# A value that does not end by itself has 16 tokens, of which the first comes with the question (VALUE_TOKENS in
# crates/judge/src/protocol.rs). A warm judgement prints the values of one picture: so many steps of decoding.
DECODING_STEPS = 15
ON_GPU = re.compile(r"(CUDA|Vulkan|ROCm|MTL|Metal)\d+$")
PARTS = {"weights": ("model", "adapter"), "projector": ("projector",), "context": ("context",), "buffers": ("compute", "output")}


class NoGpu(Failed):
    """There is none, or it cannot be used."""


@dataclass
class Plan:
    """How much is measured."""

    layers: int | None
    tokens: list[int]
    axes: list[int]
    rounds: int
    # Tokens a picture where time is short.
    few_tokens: int


@dataclass
class Check:
    """One run of all steps."""

    program: Program
    plan: Plan
    models: Path
    needed: list[str]  # libraries of the CUDA backend
    results: dict = field(default_factory=lambda: {"shapes": {}})

    def shape(self, size: str) -> dict:
        return self.results["shapes"].setdefault(size, {})

    def settings(self, size: str, tokens: int) -> list[str]:
        files = models.files(size, self.models)
        if not files.model.exists() or not files.mmproj.exists():
            raise Failed("its model files were not made")
        return ["--model", str(files.model), "--mmproj", str(files.mmproj), "--image-tokens", str(tokens)]


def cuda(limit: float, *arguments: str, environment: dict[str, str] | None = None) -> dict:
    command = [sys.executable, str(HERE / "cuda.py"), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"cuda.py {arguments[0]} took longer than {limit:.0f} s") from None
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return json.loads(done.stdout)


def machine(check: Check, limit: float, must_have_gpu: bool) -> dict:
    """The machine, and whether the program finds its GPU."""
    about: dict = {"processors": os.cpu_count()}
    query = [*memory.smi("name", "driver_version", "memory.total", "clocks.max.memory"), "--format=csv,noheader"]
    try:
        about["nvidia_smi"] = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        about["nvidia_smi"] = f"not there: {error}"
    found = libraries.find(check.needed)
    about["libraries"] = {"folders": found.folders, "missing": found.missing}
    if found.folders:
        check.program.environment["LD_LIBRARY_PATH"] = found.path()
    checks, _ = check.program.doctor(limit)
    about["build"] = checks["build"]["found"]
    about["unused"] = checks["build"].get("details", [])
    about["device"] = checks["device"]["found"]
    about["gpus"] = (checks.get("memory", {}).get("data") or {}).get("gpus", [])
    if must_have_gpu and not about["gpus"]:
        check.results["machine"] = about
        missing = [f"not found on this machine: {name}" for name in found.missing]
        raise NoGpu("the program finds no GPU. " + "; ".join(missing + about["unused"]))
    return about


def copying(check: Check, limit: float) -> dict:
    """How fast the card's own memory is."""
    environment = {**os.environ, **check.program.environment}
    return cuda(limit, "copy", environment=environment)


def make(check: Check, limit: float, sizes: list[str]) -> dict:
    """The model files, all at once."""
    check.models.mkdir(parents=True, exist_ok=True)
    needed = sum(models.room_needed(size, check.plan.layers) for size in sizes)
    free = shutil.disk_usage(check.models).free
    if free < needed:
        raise Failed(f"{check.models} has {free / 1e9:.0f} GB free and the models take {needed / 1e9:.0f}: name another folder with --work")
    started, seconds = time.monotonic(), {}
    waiting = {size: models.make(size, check.plan.layers, check.models) for size in sizes}
    failed = []
    for size, process in waiting.items():
        try:
            said, _ = process.communicate(timeout=max(1.0, limit - (time.monotonic() - started)))
        except subprocess.TimeoutExpired:
            end(process)
            for file in vars(models.files(size, check.models)).values():
                file.unlink(missing_ok=True)
            failed.append(f"{size}: not made within {limit:.0f} s")
            continue
        if process.returncode != 0:
            failed.append(f"{size}: {said.strip()[-400:]}")
            continue
        seconds[size] = round(time.monotonic() - started, 1)
        weights = models.weights_of(size, check.plan.layers)
        files = models.files(size, check.models)
        check.shape(size)["files"] = {
            "model": files.model.stat().st_size,
            "mmproj": files.mmproj.stat().st_size,
            "layers": weights.layers,
            "dense": weights.dense,
            "experts": weights.experts,
            "experts_share": weights.share,
        }
    if failed:
        raise Failed("; ".join(failed))
    return {"seconds": seconds}


def fit(data: dict, cost: dict) -> dict:
    """Computed and real bytes, part by part, on the GPU and in main memory."""
    told: dict = {"placement": data["placement"], "cost": cost}

    def on_gpu(buffer: dict) -> bool:
        # Of the projector llama.cpp does not say where it lies: there where it was planned.
        place = buffer["place"]
        return ON_GPU.match(place) is not None if place else data["need"]["gpu"]["projector"] > 0

    for side in ("gpu", "processor"):
        need, rows = data["need"][side], {}
        for part, kinds in PARTS.items():
            there = [b["bytes"] for b in data["held"] if b["kind"] in kinds and on_gpu(b) == (side == "gpu")]
            rows[part] = {"computed": need[part], "llama_cpp": sum(there)}
        told[side] = {"parts": rows, "computed": sum(need.values())}
    taken = cost["gpu_taken"]
    if taken is not None:
        said = sum(row["llama_cpp"] for row in told["gpu"]["parts"].values())
        need = data["need"]["gpu"]
        told["gpu"]["taken"] = taken
        told["gpu"]["rest"] = {"computed": need["pictures"] + need["driver"], "measured": taken - said}
    told["processor"]["taken"] = cost["main_most"]
    return told


def doctor(check: Check, limit: float, size: str, tokens: int, *more: str) -> dict:
    """Loads the model, judges, and compares the memory that it takes with what was computed."""
    checks, cost = check.program.doctor(limit, *check.settings(size, tokens), *more)
    if "judgement" not in checks:
        bad = next((c for c in checks.values() if c["health"] == "missing"), checks["build"])
        raise Failed(f"the judge does not work: {bad['what']}: {bad['found']}")
    told = fit(checks["memory"]["data"], cost)
    return told | {"tokens": tokens, "model": checks["model"]["found"], "judgement": checks["judgement"]["found"]}


def bench(check: Check, limit: float, size: str, axes: list[int], tokens: list[int], rounds: int, *more: str) -> dict:
    """Seconds of a judgement, cold and warm, stage by stage."""
    settings = check.settings(size, tokens[0]) + list(more)
    words = ["--axes", ",".join(map(str, axes)), "--tokens", ",".join(map(str, tokens))]
    timings, cost = check.program.json(
        limit, *settings, "bench", *words, "--protocol", "digit", "--rounds", str(rounds), "--json"
    )
    return {"timings": timings, "cost": cost, "decoding": decoding(check, size, timings["rows"])}


def decoding(check: Check, size: str, rows: list[dict]) -> list[dict]:
    """What share of the card's speed of reading its memory a step of decoding reaches. Weights only: caches come on top."""
    about = check.shape(size)["files"]
    weights = models.Weights(about["layers"], about["dense"], about["experts"], about["experts_share"])
    # A copy reads and writes each byte; both were counted.
    most = check.results.get("copying", {}).get("bytes_a_second")
    told = []
    for row in rows:
        seconds = row["cost"]["decode_s"] / DECODING_STEPS
        if row["state"] != "warm" or seconds <= 0:
            continue
        read = weights.read_by(row["axes"])
        told.append(
            {
                "axes": row["axes"],
                "tokens": row["image_tokens"],
                "step_s": seconds,
                "bytes": round(read),
                "bytes_a_second": read / seconds,
                "share": read / seconds / most if most else None,
            }
        )
    return told


def server(check: Check, limit: float, size: str) -> dict:
    """As an agent uses it: a first judgement, a second one, and memory given back while the server lives on."""
    started = time.monotonic()

    def left() -> float:
        return max(1.0, limit - (time.monotonic() - started))

    watch = memory.Watch(check.program.gpu)
    settings = check.settings(size, check.plan.few_tokens)
    pair = {"reference": str(PICTURES / "reference.png"), "wait_s": 50}
    try:
        with Server(check.program, *settings, "--root", str(PICTURES)) as served:
            watch.of(served.pid)
            served.open(left())
            first = served.judge({**pair, "generated": str(PICTURES / "generated.png")}, left())
            second = served.judge({**pair, "generated": str(PICTURES / "calibration.png")}, left())
            loaded = {"gpu": memory.gpu_used() if check.program.gpu else None, "main": memory.resident(served.pid)}
            unloading = time.monotonic()
            served.judge({"unload": True}, left())
            answered = time.monotonic() - unloading
            given_back = memory.back(watch.before, min(10.0, left()))
            resident = memory.resident(served.pid)
    finally:
        cost = watch.stop()
    return {
        "tokens": check.plan.few_tokens,
        "first_s": first,
        "second_s": second,
        "loaded": loaded,
        "unload_s": round(answered + given_back["seconds"], 2),
        "gpu_left": given_back["gpu_left"],
        "main_left": resident,
        "cost": cost,
    }


def partial(check: Check, limit: float, size: str) -> dict:
    """Half of the layers on the GPU, as the setting says."""
    half = max(1, check.shape(size)["files"]["layers"] // 2)
    tokens, started = check.plan.few_tokens, time.monotonic()
    told = doctor(check, limit, size, tokens, "--gpu-layers", str(half))
    told["layers"] = half
    left = limit - (time.monotonic() - started)
    try:
        timed = bench(check, left, size, [check.plan.axes[-1]], [tokens], 1, "--gpu-layers", str(half))
        told["timings"] = timed["timings"]
    except Failed as failed:
        told["timings_failed"] = str(failed)
    return told


def crowded(check: Check, limit: float, size: str) -> dict:
    """The placement that the program chooses by itself where the card is nearly full."""
    if not check.program.gpu:
        raise Skipped("it takes a GPU")
    whole = check.shape(size).get("whole")
    if not whole:
        raise Failed("what the whole model takes is not known")
    leave = int(0.65 * whole["gpu"]["computed"])
    command = [sys.executable, str(HERE / "cuda.py"), "hold", str(leave)]
    environment = {**os.environ, **check.program.environment}
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        said = holder.stdout.readline()
        if not said:
            raise Failed("the card's memory could not be taken by another process")
        held = json.loads(said)
        told = doctor(check, limit, size, check.plan.few_tokens)
    finally:
        end(holder)
    return told | {"free": held["free"]}


def agreement(check: Check, limit: float) -> dict:
    """The bundled judge, which was trained, on the GPU and on the processor: the same picture gets the same scores."""
    pair = [str(PICTURES / "reference.png"), str(PICTURES / "generated.png")]
    verdicts, started = {}, time.monotonic()
    for name, settings in {"first": [], "processor": ["--gpu-layers", "0"]}.items():
        left = max(1.0, limit - (time.monotonic() - started))
        verdicts[name], cost = check.program.json(left, *settings, "judge", *pair, "--json")
        verdicts[name]["seconds_whole"] = cost["seconds"]
    raw = {name: {axis["id"]: axis.get("raw") for axis in verdict["axes"]} for name, verdict in verdicts.items()}
    apart = [abs(raw["first"][axis] - other) for axis, other in raw["processor"].items() if None not in (other, raw["first"].get(axis))]
    return {
        "axes": len(apart),
        "largest_difference": max(apart, default=None),
        "overall": {name: verdict.get("overall_raw") for name, verdict in verdicts.items()},
        "seconds": {name: verdict["seconds_whole"] for name, verdict in verdicts.items()},
    }


def passed_over(check: Check, limit: float) -> dict:
    """The same program where no GPU can be seen: it says so and works on."""
    hidden = Program(
        check.program.binary,
        check.program.work,
        False,
        {**check.program.environment, "CUDA_VISIBLE_DEVICES": ""},
        check.program.settings,
    )
    checks, _ = hidden.doctor(limit)
    if "judgement" not in checks or (checks["memory"]["data"] or {}).get("gpus"):
        raise Failed(f"it did not go on without a GPU: {checks['build']['found']}")
    return {
        "build": checks["build"]["found"],
        "health": checks["build"]["health"],
        "said": checks["build"].get("details", []),
        "judgement": checks["judgement"]["found"],
    }


class Skipped(Exception):
    """Why a step is left out."""
