#!/usr/bin/env python3
"""The results as Markdown, as gguf/PERFORMANCE.md has them: tables.py results.json"""

import json
import sys
from pathlib import Path

MIB = 1 << 20


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mib(size: float | None) -> str:
    return "" if size is None else f"{size / MIB:,.1f}"


def apart(computed: float, real: float | None) -> str:
    return "" if not real or not computed else f"{computed / real - 1:+.1%}"


def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def markdown(results: dict) -> str:
    parts = [about(results), timings(results), decoding(results), memory(results), servers(results), rest(results), steps(results)]
    return "\n\n".join(part for part in parts if part)


def about(results: dict) -> str:
    machine = results.get("machine")
    if not machine:
        return "The machine was not looked at."
    lines = [f"{machine['device']}; {machine['processors']} processors; {machine['nvidia_smi']}. {machine['build']}."]
    if "copying" in results:
        speed = results["copying"]["bytes_a_second"] / 1e12
        lines.append(f"The card copies {speed:.2f} TB/s within its memory, bytes read and written counted.")
    return "\n".join(lines)


def each(results: dict, step: str) -> list[tuple[str, dict]]:
    return [(size, shape[step]) for size, shape in results["shapes"].items() if step in shape]


def timings(results: dict) -> str:
    rows = []
    timed = [(size, done["timings"]) for size, done in each(results, "bench")]
    timed += [
        (f"{size}, {done['layers']} layers on the GPU", done["timings"])
        for size, done in each(results, "partial")
        if "timings" in done
    ]
    for size, done in timed:
        for row in done["rows"]:
            cost = row["cost"]
            stages = [cost[key] for key in ("encode_s", "prefill_s", "branch_s", "decode_s")]
            spread = f"{row['seconds']['min']:.2f} to {row['seconds']['max']:.2f}"
            rows.append(
                [size, str(row["image_tokens"]), str(row["axes"]), row["state"], number(row["seconds"]["median"]), spread]
                + [number(stage, 3) for stage in stages]
                + [str(cost["prefill_tokens"] + cost["branch_tokens"])]
            )
    if not rows:
        return ""
    head = ["shape", "tokens a picture", "axes", "", "seconds", "min to max", "encode", "prefill", "questions", "decode", "tokens fed"]
    loads = ", ".join(f"{size} {done['model']['load_s']:.1f} s" for size, done in timed)
    return f"### Seconds a judgement\n\n{table(head, rows)}\n\nLoading: {loads}."


def decoding(results: dict) -> str:
    rows = [
        [
            size,
            str(one["axes"]),
            str(one["tokens"]),
            number(one["step_s"] * 1e3),
            number(one["bytes"] / 1e9),
            number(one["bytes_a_second"] / 1e12, 3),
            "" if one["share"] is None else f"{one['share']:.0%}",
        ]
        for size, done in each(results, "bench")
        for one in done["decoding"]
    ]
    if not rows:
        return ""
    head = ["shape", "axes", "tokens a picture", "ms a step", "GB of weights read", "TB/s", "of the copying speed"]
    note = (
        "A step gives every axis one more token. Counted are weights alone; of a mixture the experts that so many tokens use "
        "with random routing."
    )
    return f"### Decoding against the memory's speed\n\n{table(head, rows)}\n\n{note}"


def memory(results: dict) -> str:
    rows = []
    for step in ("whole", "partial", "crowded"):
        for size, done in each(results, step):
            placement = done["placement"]
            words = f"{placement['layers']} layers"
            if placement["experts_away"]:
                words += f", experts of {placement['experts_away']} away"
            for side, name in (("gpu", "GPU"), ("processor", "main memory")):
                told = done[side]
                if not told["computed"]:
                    continue
                for part, row in told["parts"].items():
                    if row["computed"] or row["llama_cpp"]:
                        real = row["llama_cpp"]
                        rows.append([size, words, name, part, mib(row["computed"]), mib(real), apart(row["computed"], real)])
                if "rest" in told:
                    spare = told["rest"]
                    rows.append([size, words, name, "pictures and driver", mib(spare["computed"]), mib(spare["measured"]), ""])
                taken = told.get("taken")
                rows.append([size, words, name, "**all**", mib(told["computed"]), mib(taken), apart(told["computed"], taken)])
    if not rows:
        return ""
    head = ["shape", "placement", "where", "part", "computed, MiB", "real, MiB", ""]
    note = (
        "Real: what llama.cpp says of the part; of all what nvidia-smi saw beyond what was in use before, and in main memory "
        "the resident size, in which a mapped file counts once it was read."
    )
    return f"### Memory\n\n{table(head, rows)}\n\n{note}"


def servers(results: dict) -> str:
    rows = []
    for size, done in each(results, "server"):
        loaded, cost = done["loaded"], done["cost"]
        used = None if loaded["gpu"] is None else loaded["gpu"] - cost["gpu_before"]
        rows.append(
            [size, number(done["first_s"]), number(done["second_s"]), mib(used), mib(loaded["main"]), number(done["unload_s"])]
            + [mib(done["gpu_left"]), mib(done["main_left"])]
        )
    if not rows:
        return ""
    head = ["shape", "first judgement, s", "second, s", "GPU, MiB", "main, MiB", "unloaded in, s", "left on the GPU", "left in main"]
    note = "The first loads the model, checks the judge and sets the reference's scale; the second is a further picture."
    return f"### The server, and memory given back\n\n{table(head, rows)}\n\n{note}"


def rest(results: dict) -> str:
    lines = []
    if "agreement" in results:
        done = results["agreement"]
        seconds = done["seconds"]
        lines.append(
            f"The bundled judge, here and on the processor alone: largest difference of an axis {number(done['largest_difference'], 4)} "
            f"of {done['axes']} axes; {seconds['first']:.1f} s and {seconds['processor']:.1f} s with loading."
        )
    if "passed over" in results:
        done = results["passed over"]
        said = "; ".join(done["said"]) or "nothing is said of it"
        lines.append(f"With no GPU to be seen: {done['build']} ({said}).")
    return "\n".join(lines)


def steps(results: dict) -> str:
    rows = [[s["step"], s["state"], number(s["seconds"], 1), s["reason"].replace("|", "/")] for s in results.get("steps", [])]
    return f"### Steps\n\n{table(['step', '', 'seconds', 'why'], rows)}" if rows else ""


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
