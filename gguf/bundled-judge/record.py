#!/usr/bin/env python3
"""Writes down a training run: `run.json` (what was run, and the hashes of what it made), and its learning curve.

    record.py --phase see:LOG --phase judge:LOG … --commands FILE --out FOLDER
"""

import argparse
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import config
from export import FILES

# Columns of the curve: a heading, and where a line of the log has it.
COLUMNS = {
    "attributes": ("loss", "attributes"),
    "halfway": ("loss", "halfway"),
    "value": ("loss", "value"),
    "digit, no values": ("digit_error", "digit_none"),
    "digit, values": ("digit_error", "digit_values"),
    "digit, difference": ("digit_error", "digit_difference"),
    "closer": ("agree", "closer"),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", action="append", required=True, metavar="NAME:LOG", help="in the order they ran")
    parser.add_argument("--commands", type=Path, required=True, help="the command of each phase, a line each")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="where the exported files are")
    return parser.parse_args()


def read(log: Path) -> list[dict]:
    """The lines of a log. A resumed run repeats steps: the later line counts."""
    lines = {entry["step"]: entry for entry in map(json.loads, log.read_text(encoding="utf-8").splitlines())}
    return [lines[step] for step in sorted(lines)]


def at(entry: dict, place: tuple[str, str]) -> str:
    value = entry["by"].get(place[0], {}).get(place[1])
    return "" if value is None else f"{value:.4f}"


def main() -> None:
    options = arguments()
    phases, rows = [], ["phase,step,seconds,learning rate," + ",".join(f'"{name}"' for name in COLUMNS)]
    for phase in options.phase:
        name, path = phase.split(":", 1)
        log = read(Path(path))
        spent, last = 0.0, 0.0
        for entry in log:
            # The clock of a log starts anew when a run is resumed.
            spent += entry["seconds"] - last if entry["seconds"] >= last else entry["seconds"]
            last = entry["seconds"]
            cells = [name, str(entry["step"]), f"{spent:.0f}", f"{entry['rate']:.3f}"]
            rows.append(",".join(cells + [at(entry, place) for place in COLUMNS.values()]))
        end = log[-1]
        phases.append({"name": name, "steps": end["step"], "seconds": round(spent), "last": end["by"]})
    (options.out / "learning_curve.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run = {
        "sha256": {name: hashlib.sha256((options.out / name).read_bytes()).hexdigest() for name in FILES},
        "commands": options.commands.read_text(encoding="utf-8").splitlines(),
        "seed": config.SEED,
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy", "gguf")},
        "phases": phases,
    }
    (options.out / "run.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
