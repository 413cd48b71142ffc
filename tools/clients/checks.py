"""What the scripts of the Python clients share: the bench, checks, and what the server's answers have to be."""

import asyncio
import base64
import importlib.metadata
import json
import logging
import os
import re
import struct
import sys
import time
import traceback
from pathlib import Path

BENCH = json.loads(Path(os.environ["CLIENT_BENCH"]).read_text())
TOOLS = ["inject_prompt", "queue_generation", "judge_pair", "get_history"]
# The page that clients with MCP Apps show.
PAGE = "ui://calibrator/page.html"
# The longest that one step may take, in seconds.
LIMIT = 60
# For what is only a moment behind.
MOMENT = 10
MOST_PIXELS = 2000
SEEDS = [1, 2]
FIGURE = (
    "a large {} star at the left, marked with a cross, {} along the bottom, "
    "a smooth green background, light from the {}"
)
PROMPTS = [FIGURE.format("blue dotted", "one ball", "left"), FIGURE.format("red striped", "three balls", "right")]


def stdio(name):
    """The server's command line on stdio, with a data folder of its own."""
    return BENCH["program"], ["--data-dir", f"{BENCH['folder']}/data-stdio-{name}", *BENCH["settings"], "serve"]


class Checks:
    """What was checked, and what failed."""

    def __init__(self):
        self.done, self.failures, self.notes = [], [], []

    async def check(self, what, work):
        """One thing that is checked: it counts once, however many connections it was checked on."""
        try:
            async with asyncio.timeout(LIMIT):
                value = await work
        except TimeoutError as error:
            raise TimeoutError(f"waited {LIMIT} s for: {what}") from error
        except Exception as error:
            error.add_note(f"while checking: {what}")
            raise
        if what not in self.done:
            self.done.append(what)
        return value

    async def connection(self, what, work):
        """When one check fails the rest of its connection is left out, and other connections go on."""
        try:
            await work
        except Exception as error:
            # Task groups wrap what went wrong; one group of one around another says nothing.
            while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
                [error] = error.exceptions
            told = "".join(traceback.format_exception(error, chain=False))
            self.failures.append(f"{what}: {told}")

    def offered(self, what, given):
        """Whether the server offers `what`; where it has to and does not, that is a failure."""
        if given:
            return True
        assert what not in BENCH["expected"], f"the server does not offer {what}"
        if f"not offered: {what}" not in self.notes:
            self.notes.append(f"not offered: {what}")
        return False


class Notes(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def emit(self, record):
        if (note := f"it logs: {record.getMessage()}") not in self.notes:
            self.notes.append(note)


def client(name, package, body):
    """Runs a client's checks and says what came of them, in a line."""
    checks, started = Checks(), time.monotonic()
    # What the library warns of belongs to the line.
    logging.basicConfig(handlers=[Notes(checks.notes)], level=logging.WARNING)
    asyncio.run(checks.connection("the script", body(checks)))
    for failure in checks.failures:
        print(f"{name}: {failure}", file=sys.stderr)
    notes = "".join(f" [{note}]" for note in checks.notes)
    end = f"FAILED ({len(checks.failures)})" if checks.failures else f"ok, {time.monotonic() - started:.0f} s"
    print(f"{name} {importlib.metadata.version(package)}: {'; '.join(checks.done)}{notes}: {end}", flush=True)
    sys.exit(1 if checks.failures else 0)


async def within(what, work, seconds=LIMIT):
    """Waits for `work`, and fails with the name of what did not come."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"waited {seconds} s for {what}") from error


def text_of(result):
    return "\n".join(block.text for block in result.content if block.type == "text")


def pictures_of(result):
    return [block for block in result.content if block.type == "image"]


def sound_picture(block):
    """Fails unless it is a whole JPEG of a size that models take."""
    data = base64.b64decode(block.data, validate=True)
    assert block.mime_type == "image/jpeg" and data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9"
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    sides = struct.unpack(">HH", data[at + 5 : at + 9])
    assert all(100 < side <= MOST_PIXELS for side in sides), sides


def refused(result):
    """An error that the agent can act on."""
    assert result.is_error is True
    assert re.search(r"there is no session aaaaaaaa.*\nWhat to do: \S", text_of(result)), text_of(result)


def judged(value):
    """The judgement of the two example pictures: they differ in lighting, colour, pattern and count."""
    assert re.match(r"Overall 0\.\d\d \(", value["summary"]), value["summary"]
    low = sorted(axis["id"] for axis in value["axes"] if axis["score"] < 0.5)
    assert low == ["colour", "count", "lighting", "pattern"], low


def advanced(told):
    """Progress that a client can show: percent, always growing."""
    assert told and all(total == 100 for _, total in told), told
    steps = [progress for progress, _ in told]
    assert steps == sorted(set(steps)) and steps[-1] <= 100, steps


async def calibrate(value):
    """A small calibration: `value` calls a tool and gives its structured content. Gives the session."""
    given = {"workflow": BENCH["workflow"], "reference": BENCH["reference"], "positive": PROMPTS[0], "target_score": 0.85}
    draft = await value("inject_prompt", {**given, "note": "as it was drawn"})
    session = draft["session"]
    assert draft["iteration"] == 1 and draft["changes"][0]["place"] == "2.text", draft
    first = await value("queue_generation", {"session": session, "seeds": SEEDS, "judge": True})
    given = {"session": session, "positive": PROMPTS[1], "seeds": SEEDS, "judge": True, "note": "as the reference"}
    second = await value("queue_generation", given)
    for made, n, decision in [(first, 1, "first"), (second, 2, "keep")]:
        assert (made["state"], made["iteration"], made["decision"]) == ("done", n, decision), made["summary"]
        assert [run["seed"] for run in made["runs"]] == SEEDS
    assert second["overall_score"] > max(0.9, first["overall_score"] + 0.1), second["summary"]
    advice = await value("get_history", {"session": session, "advice": True})
    assert advice["advice"]["step"] == "rescore", advice["summary"]
    trend = await value("get_history", {"session": session})
    assert [row["decision"] for row in trend["iterations"]] == ["first", "keep"]
    return session
