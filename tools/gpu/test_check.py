"""The measuring script itself, with stand-ins for the driver, nvidia-smi and the program: python3 -m unittest test_check"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import check
import libraries
import memory
import steps
import tables
from program import Failed, Program, Server

HERE = Path(__file__).resolve().parent
MIB = 1 << 20

# A card of 64 MiB in main memory; a megabyte is gone as soon as somebody looks.
DRIVER = """
#include <stdlib.h>
#include <string.h>
static size_t total = 64 << 20, used = 1 << 20;
int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &total; return 0; }
int cuCtxSetCurrent(void *context) { return context == &total ? 0 : 201; }
int cuCtxSynchronize(void) { return 0; }
int cuMemGetInfo_v2(size_t *left, size_t *all) { *left = total - used; *all = total; return 0; }
int cuMemAlloc_v2(unsigned long long *where, size_t size) {
  if (size > total - used) return 2;
  used += size;
  *where = (unsigned long long)(size_t)malloc(size);
  return 0;
}
int cuMemsetD8_v2(unsigned long long where, unsigned char byte, size_t size) { memset((void *)(size_t)where, byte, size); return 0; }
int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t size, void *stream) {
  memcpy((void *)(size_t)to, (void *)(size_t)from, size);
  return 0;
}
"""

NAMES = ("weights", "projector", "context", "buffers", "pictures", "driver")
DATA = {
    "placement": {"layers": 5, "experts_away": 2, "projector": True},
    "need": {
        "gpu": {name: size * MIB for name, size in zip(NAMES, (100, 10, 5, 4, 3, 400))},
        "processor": {name: size * MIB for name, size in zip(NAMES, (50, 0, 0, 2, 0, 0))},
    },
    "held": [
        {"place": "CPU_Mapped", "kind": "model", "bytes": 51 * MIB},
        {"place": "CUDA0", "kind": "model", "bytes": 101 * MIB},
        {"place": "CUDA0", "kind": "context", "bytes": 5 * MIB},
        {"place": "CUDA0", "kind": "compute", "bytes": 4 * MIB},
        {"place": "CUDA_Host", "kind": "compute", "bytes": MIB},
        {"place": "CPU", "kind": "output", "bytes": MIB},
        {"place": "", "kind": "projector", "bytes": 10 * MIB},
    ],
}
COST = {"gpu_before": 7 * MIB, "gpu_most": 507 * MIB, "gpu_taken": 500 * MIB, "main_most": 80 * MIB, "seconds": 1.0}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def script(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o755)
        return file

    def check(self, text: str = "", gpu: bool = False) -> steps.Check:
        program = Program(self.script("program", f"#!{sys.executable}\n{text}"), self.folder, gpu)
        return steps.Check(program, check.SMALLEST, self.folder, [])


class Driver(Case):
    def cuda(self, *arguments: str, **more: object) -> subprocess.Popen:
        source = self.folder / "driver.c"
        source.write_text(DRIVER)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.folder / "libcuda.so.1", source], check=True)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(self.folder)}
        command = [sys.executable, str(HERE / "cuda.py"), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def test_memory_and_speed_are_told(self) -> None:
        told = json.loads(self.cuda("memory").communicate()[0])
        self.assertEqual(told, {"free": 63 * MIB, "total": 64 * MIB})
        told = json.loads(self.cuda("copy", str(MIB)).communicate()[0])
        self.assertGreater(told["bytes_a_second"], 0)

    def test_all_but_some_memory_is_held_until_the_input_ends(self) -> None:
        process = self.cuda("hold", str(10 * MIB), stdin=subprocess.PIPE)
        told = json.loads(process.stdout.readline())
        self.assertEqual(told, {"held": 53 * MIB, "free": 10 * MIB})
        self.assertIsNone(process.poll(), "it holds on")
        process.stdin.close()
        self.assertEqual(process.wait(), 0)

    def test_without_a_driver_it_says_so(self) -> None:
        done = subprocess.run(
            [sys.executable, str(HERE / "cuda.py"), "memory"],
            capture_output=True,
            text=True,
            env={**os.environ, "LD_LIBRARY_PATH": ""},
            check=False,
        )
        if done.returncode == 0:
            self.skipTest("there is a driver here")
        self.assertIn("cuda.py: ", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


class Memory(Case):
    def test_parts_are_told_apart_by_where_they_lie(self) -> None:
        told = steps.fit(DATA, COST)
        gpu, main = told["gpu"], told["processor"]
        self.assertEqual(gpu["parts"]["weights"], {"computed": 100 * MIB, "llama_cpp": 101 * MIB})
        self.assertEqual(gpu["parts"]["projector"]["llama_cpp"], 10 * MIB)
        self.assertEqual(gpu["rest"], {"computed": 403 * MIB, "measured": (500 - 120) * MIB})
        self.assertEqual((gpu["computed"], gpu["taken"]), (522 * MIB, 500 * MIB))
        self.assertEqual(main["parts"]["buffers"]["llama_cpp"], 2 * MIB, "the host's side of the GPU's buffers is main memory")
        self.assertEqual(main["parts"]["projector"], {"computed": 0, "llama_cpp": 0})

    def test_the_most_that_was_in_use_is_seen(self) -> None:
        smi = (
            "#!/bin/sh\n"
            'case "$*" in\n'
            "  *loop*) for used in 300 900 400; do echo $used; done; exec sleep 60 ;;\n"
            "  *) echo 200 ;;\n"
            "esac\n"
        )
        self.script("nvidia-smi", smi)
        path = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        os.environ["PATH"] = f"{self.folder}:{path}"
        watch = memory.Watch(True, os.getpid())
        ends = time.monotonic() + 20
        while ((watch.most_gpu or 0) < 900 * MIB or not watch.most_resident) and time.monotonic() < ends:
            time.sleep(0.01)
        told = watch.stop()
        self.assertEqual((told["gpu_before"], told["gpu_taken"]), (200 * MIB, 700 * MIB))
        self.assertGreater(told["main_most"], MIB)
        self.assertEqual(memory.back(100 * MIB, 0.0)["gpu_left"], 100 * MIB)
        self.assertEqual(memory.back(200 * MIB, 0.0)["gpu_left"], 0)


class Programs(Case):
    def test_one_that_hangs_is_ended_with_all_that_it_started(self) -> None:
        hangs = (
            "import subprocess, time\n"
            "child = subprocess.Popen(['sleep', '600'])\n"
            f"open({str(self.folder / 'pid')!r}, 'w').write(str(child.pid))\n"
            "time.sleep(600)\n"
        )
        one = self.check(hangs)
        with self.assertRaisesRegex(Failed, "longer than its 2 s"):
            one.program.json(2, "bench")
        child = int((self.folder / "pid").read_text())
        stat = Path(f"/proc/{child}/stat")
        gone = not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
        self.assertTrue(gone, "its child lives on")

    def test_one_that_fails_says_why(self) -> None:
        one = self.check("import sys; sys.exit('the card is on fire')")
        with self.assertRaisesRegex(Failed, "status 1: .*on fire"):
            one.program.json(20, "bench")

    def test_a_judgement_is_waited_for_to_its_end(self) -> None:
        served = self.check(
            "import sys, json\n"
            "for line in sys.stdin:\n"
            "    asked = json.loads(line)\n"
            "    if 'id' not in asked: continue\n"
            "    given = asked['params'].get('arguments', {})\n"
            "    told = {} if given.get('handle') else {'handle': 'h1'}\n"
            "    print(json.dumps({'id': asked['id'], 'result': {'structuredContent': told}}), flush=True)\n"
        )
        with Server(served.program) as server:
            server.open(20)
            self.assertGreaterEqual(server.judge({"reference": "a"}, 20), 0)


class Steps(Case):
    def quietly(self, one: steps.Check, listed: list[check.Step], seconds: float) -> bool:
        with contextlib.redirect_stdout(io.StringIO()):
            return check.run(one, listed, time.monotonic() + seconds, self.folder, 1.0)

    def run_steps(self, works: list) -> tuple[bool, dict]:
        one = self.check()
        listed = [check.Step(name, 20, work, size) for name, work, size in works]
        good = self.quietly(one, listed, 600)
        return good, json.loads((self.folder / "results.json").read_text())

    def test_a_step_that_fails_takes_nothing_with_it(self) -> None:
        def fails(_: float) -> dict:
            raise KeyError("memory")

        machine = {"device": "d", "processors": 2, "nvidia_smi": "n", "build": "b"}
        works = [("machine", lambda _: machine, None), ("whole", fails, "8b"), ("agreement", self.agreed, None)]
        good, told = self.run_steps(works)
        self.assertFalse(good)
        states = [(step["step"], step["state"]) for step in told["steps"]]
        self.assertEqual(states, [("machine", "ok"), ("8b whole", "failed"), ("agreement", "ok")])
        self.assertIn("agreement", told)
        self.assertIn("8b whole | failed", (self.folder / "results.md").read_text())

    @staticmethod
    def agreed(_: float) -> dict:
        return {"axes": 3, "largest_difference": 0.001, "seconds": {"first": 1.0, "processor": 2.0}}

    def test_without_a_gpu_it_ends_at_once_and_says_why(self) -> None:
        checks = [
            {"what": "build", "health": "ok", "found": "0.1.0", "details": ["not used: NVIDIA's driver is not installed here"]},
            {"what": "device", "health": "ok", "found": "the processor"},
            {"what": "memory", "health": "ok", "found": "", "data": {"gpus": []}},
        ]
        one = self.check(f"print({json.dumps(json.dumps(checks))})")
        one.needed = ["libcuda-of-no-machine.so.1"]
        listed = [
            check.Step("machine", 60, lambda limit: steps.machine(one, limit, True)),
            check.Step("agreement", 60, self.agreed),
        ]
        self.assertFalse(self.quietly(one, listed, 600))
        [told] = one.results["steps"]
        self.assertIn("finds no GPU", told["reason"])
        self.assertIn("libcuda-of-no-machine.so.1", told["reason"])
        self.assertIn("driver is not installed", told["reason"])

    def test_when_time_runs_out_the_rest_is_skipped(self) -> None:
        one = self.check()
        listed = [check.Step("agreement", 60, self.agreed)]
        self.assertFalse(self.quietly(one, listed, 3))
        self.assertEqual(one.results["steps"][0]["reason"], "no time was left")

    def test_decoding_is_held_against_the_speed_of_copying(self) -> None:
        one = self.check()
        one.results["copying"] = {"bytes_a_second": 4e12}
        one.shape("8b")["files"] = {"layers": 36, "dense": 4_000_000_000, "experts": 0, "experts_share": 0.0}
        warm = {"state": "warm", "axes": 1, "image_tokens": 256, "cost": {"decode_s": 0.03}}
        rows = [warm, {"state": "cold", "cost": {"decode_s": 1}}]
        [told] = steps.decoding(one, "8b", rows)
        self.assertAlmostEqual(told["step_s"], 0.002)
        self.assertAlmostEqual(told["share"], 0.5)

    def test_libraries_are_found_where_the_loader_does_not_look(self) -> None:
        toolkit = self.folder / "cuda" / "lib64"
        toolkit.mkdir(parents=True)
        (toolkit / "libcublas.so.99").touch()
        os.environ["CUDA_PATH"] = str(self.folder / "cuda")
        self.addCleanup(os.environ.pop, "CUDA_PATH")
        found = libraries.find(["libcublas.so.99", "libnowhere.so.1"])
        self.assertEqual((found.folders, found.missing), ([str(toolkit)], ["libnowhere.so.1"]))
        self.assertTrue(found.path().endswith(str(toolkit)))

    def test_all_results_make_tables(self) -> None:
        row = {"state": "warm", "axes": 1, "image_tokens": 64, "seconds": {"min": 1, "median": 1, "max": 2}}
        row["cost"] = dict.fromkeys(["encode_s", "prefill_s", "branch_s", "decode_s", "prefill_tokens", "branch_tokens"], 1)
        timings = {"model": {"load_s": 1.5}, "rows": [row]}
        step = {"axes": 1, "tokens": 64, "step_s": 0.001, "bytes": 5e9, "bytes_a_second": 5e12, "share": None}
        server = {"first_s": 1, "second_s": 1, "loaded": {"gpu": 600 * MIB, "main": MIB}, "cost": COST}
        server |= {"unload_s": 0.1, "gpu_left": 0, "main_left": MIB}
        fit = steps.fit(DATA, COST)
        shape = {"whole": fit, "bench": {"timings": timings, "decoding": [step]}, "server": server, "crowded": fit}
        shape["partial"] = fit | {"layers": 18, "timings": timings}
        text = tables.markdown({"shapes": {"8b": shape}, "agreement": self.agreed(0)})
        parts = ("500.0 | +4.4%", "pictures and driver | 403.0 | 380.0", "593.0")
        for words in ("8b, 18 layers on the GPU", "experts of 2 away", *parts):
            self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
