#!/usr/bin/env python3
"""Measures the program on this machine's GPU (README.md). check.sh calls it; `check.py --help` shows the settings.

Every step has a limit of its own, and what is known is written after each: a step that fails or hangs takes nothing with it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import steps
import tables
from program import Failed, Program
from steps import Check, NoGpu, Plan, Skipped

REAL = Plan(layers=None, tokens=[256, 1024], axes=[1, 20], rounds=3, few_tokens=256)
SMALLEST = Plan(layers=None, tokens=[64], axes=[1, 5], rounds=1, few_tokens=64)


@dataclass(frozen=True)
class Step:
    name: str
    limit: float
    work: Callable[[float], dict]
    size: str | None = None  # of the model it is about


def all_steps(check: Check, sizes: list[str], must_have_gpu: bool) -> list[Step]:
    """In the order of what matters most: time may run out."""
    plan = check.plan
    listed = [
        Step("machine", 120, lambda limit: steps.machine(check, limit, must_have_gpu)),
        Step("models", 200, lambda limit: steps.make(check, limit, sizes)),
    ]
    if check.program.gpu:
        listed.insert(1, Step("copying", 30, lambda limit: steps.copying(check, limit)))

    def about(name: str, limit: float, work: Callable[[float, str], dict]) -> None:
        listed.extend(Step(name, limit, lambda left, size=size: work(left, size), size) for size in sizes)

    about("whole", 90, lambda limit, size: steps.doctor(check, limit, size, plan.tokens[-1]))
    about("bench", 90, lambda limit, size: steps.bench(check, limit, size, plan.axes, plan.tokens, plan.rounds))
    about("server", 60, lambda limit, size: steps.server(check, limit, size))
    listed.append(Step("agreement", 90, lambda limit: steps.agreement(check, limit)))
    about("partial", 75, lambda limit, size: steps.partial(check, limit, size))
    about("crowded", 75, lambda limit, size: steps.crowded(check, limit, size))
    listed.append(Step("passed over", 60, lambda limit: steps.passed_over(check, limit)))
    return listed


def run(check: Check, listed: list[Step], ends: float, out: Path, patience: float) -> bool:
    """Whether all steps did what they should."""
    told = check.results["steps"] = []
    good = True
    for step in listed:
        name = f"{step.size} {step.name}" if step.size else step.name
        left = ends - time.monotonic() - 5
        started = time.monotonic()
        state, reason = "ok", ""
        try:
            if left < 10:
                raise Skipped("no time was left")
            result = step.work(min(step.limit * patience, left))
            place = check.shape(step.size) if step.size else check.results
            place[step.name] = result
        except Skipped as skipped:
            state, reason = "skipped", str(skipped)
            good = good and reason != "no time was left"
        except NoGpu as missing:
            state, reason, good = "failed", str(missing), False
        except Exception as error:  # Whatever it is, the other steps go on.
            state, reason, good = "failed", str(error) if isinstance(error, Failed) else repr(error), False
        seconds = round(time.monotonic() - started, 1)
        told.append({"step": name, "state": state, "seconds": seconds, "reason": reason})
        print(f"{state:8}{name:20}{seconds:7.1f} s  {reason}", flush=True)
        write(check.results, out)
        if state == "failed" and step.name == "machine":
            return False
    return good


def write(results: dict, out: Path) -> None:
    save(out / "results.json", json.dumps(results, indent=1))
    try:
        text = tables.markdown(results)
    except Exception as error:  # The numbers are safe; tables.py makes the tables of them once it is mended.
        text = f"The tables could not be made: {error!r}"
    save(out / "results.md", text)


def save(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(file)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the program, with its backends beside it")
    parser.add_argument("--needs", default="", help="libraries that the CUDA backend needs, with commas")
    parser.add_argument("--work", type=Path, required=True, help="folder for the model files, 27 GB with the usual shapes")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json and results.md")
    parser.add_argument("--sizes", help="shapes, with commas (default: 8b,30b-a3b)")
    parser.add_argument("--layers", type=int, help="models of so many layers only")
    parser.add_argument("--smallest", action="store_true", help="tiny shapes, few axes, one round: tries the script itself")
    parser.add_argument("--cpu", action="store_true", help="goes on without a GPU, and leaves one that is there alone")
    parser.add_argument("--minutes", type=float, default=9.0, help="all of it (default: 9)")
    parser.add_argument("--patience", type=float, default=1.0, help="each step's limit times this, on a slow machine")
    parser.add_argument("--keep", action="store_true", help="keep the model files")
    return parser.parse_args()


def main() -> int:
    started, chosen = time.monotonic(), options()
    for folder in (chosen.work, chosen.out):
        folder.mkdir(parents=True, exist_ok=True)
    sizes = (chosen.sizes or ("tiny,tiny-moe" if chosen.smallest else "8b,30b-a3b")).split(",")
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        program = Program(chosen.program.resolve(), Path(scratch), not chosen.cpu)
        if chosen.cpu:
            program.environment["CUDA_VISIBLE_DEVICES"] = ""
        plan = replace(SMALLEST if chosen.smallest else REAL, layers=chosen.layers)
        needed = [name for name in chosen.needs.split(",") if name]
        check = Check(program, plan, chosen.work.resolve(), needed)
        check.results["command"] = " ".join(sys.argv[1:])
        listed = all_steps(check, sizes, not chosen.cpu)
        good = run(check, listed, started + 60 * chosen.minutes, chosen.out, chosen.patience)
        log = Path(scratch) / "program.log"
        if log.exists():
            (chosen.out / "program.log").write_bytes(log.read_bytes()[-4_000_000:])
    if not chosen.keep:
        for file in chosen.work.glob("random-*.gguf"):
            file.unlink()
    print(f"{time.monotonic() - started:.0f} s; {chosen.out / 'results.md'}, results.json and program.log lie beside it")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
