// What the clients' scripts share: where things are, waiting with a limit that says for what, checks, pictures.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** This folder. */
export const here = dirname(fileURLToPath(import.meta.url));

/** The server's tools, in the order in which they are used. */
export const TOOLS = ["inject_prompt", "queue_generation", "judge_pair", "get_history"];

/** The page that clients with MCP Apps show. */
export const PAGE = "ui://calibrator/page.html";

/** The longest that one step of a client may take; a slow machine needs a part of it. */
export const LIMIT_MS = 60_000;

/** The largest picture that long chats bear. */
export const MOST_PIXELS = 2000;

/** What the runner made for this client: addresses, command lines, files. */
export const bench = process.env.CLIENT_BENCH ? JSON.parse(readFileSync(process.env.CLIENT_BENCH, "utf8")) : undefined;

/** A command line of the server on stdio, with a data folder of its own: what one connection judged is no news to the next. */
export function stdio(name) {
  return { command: bench.program, args: ["--data-dir", join(bench.folder, `data-stdio-${name}`), ...bench.settings, "serve"] };
}

/** The version of an installed package. */
export function versionOf(name) {
  return JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8")).version;
}

/** The file behind a package's path, for what is run and not imported. */
export function fileOf(path) {
  return createRequire(import.meta.url).resolve(path);
}

/** Waits for `promise`, and fails with the name of what did not come. */
export function within(what, promise, ms = LIMIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A promise that is settled from outside: events that are waited for. */
export function event(what) {
  const it = Promise.withResolvers();
  return { happened: it.resolve, failed: it.reject, wait: (ms) => within(what, it.promise, ms) };
}

/** Runs a program to its end, and gives its exit status and what it said. */
export function run(what, command, args, options = {}) {
  const running = new Promise((resolve) => {
    const limits = { maxBuffer: 64 << 20, timeout: LIMIT_MS, killSignal: "SIGKILL" };
    const child = execFile(command, args, { ...limits, ...options }, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === "number" ? error.code : -1) : 0;
      resolve({ status, stdout, stderr, killed: error?.killed === true });
    });
    // Nobody types; some programs wait for the end of their input.
    child.stdin.end();
  });
  return running.then((done) => {
    assert(!done.killed, `waited ${(options.timeout ?? LIMIT_MS) / 1000} s for the end of ${what}: ${done.stderr.slice(-2000)}`);
    return done;
  });
}

/** Runs a client's checks and says what came of them, in a line. */
export async function client(name, version, body) {
  const done = [];
  const failures = [];
  const notes = [];
  /** One thing that is checked: it counts once, however many connections it was checked on. */
  const check = async (what, work, ms) => {
    try {
      const value = await within(what, Promise.resolve().then(work), ms);
      if (!done.includes(what)) done.push(what);
      return value;
    } catch (error) {
      error.message = `${what}: ${error.message}`;
      throw error;
    }
  };
  /** Checks that belong together: when one fails the rest of its connection is left out, and other connections go on. */
  const connection = async (what, work) => {
    try {
      await work();
    } catch (error) {
      failures.push(`${what}: ${error.stack ?? error.message}`);
    }
  };
  const note = (text) => notes.includes(text) || notes.push(text);
  const started = Date.now();
  await connection("the script", () => body({ check, connection, note }));
  for (const failure of failures) console.error(`${name}: ${failure}\n`);
  const told = `${name} ${version}: ${done.join("; ")}${notes.map((text) => ` [${text}]`).join("")}`;
  console.log(`${told}: ${failures.length ? `FAILED (${failures.length})` : `ok, ${((Date.now() - started) / 1000).toFixed(0)} s`}`);
  // What a failed check left open must not keep this process.
  process.exit(failures.length ? 1 : 0);
}

/** Whether the server offers `what`; where it has to and does not, that is a failure. */
export function offered(what, given, note) {
  if (given) return true;
  assert(!bench.expected.includes(what), `the server does not offer ${what}`);
  note(`not offered: ${what}`);
  return false;
}

/** Width and height of a JPEG or PNG picture; fails where it is none. */
export function sizeOf(base64, mimeType) {
  const bytes = Buffer.from(base64, "base64");
  if (mimeType === "image/png") {
    assert.equal(bytes.toString("latin1", 1, 4), "PNG", "the picture is no PNG");
    return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  }
  assert.equal(mimeType, "image/jpeg", "a picture of an unknown media type");
  assert.equal(bytes.readUInt16BE(0), 0xffd8, "the picture is no JPEG");
  assert.equal(bytes.readUInt16BE(bytes.length - 2), 0xffd9, "the JPEG is cut off");
  for (let at = 2; at < bytes.length; ) {
    const marker = bytes[at + 1];
    // A start of frame, but for the three markers among them that are something else.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  throw new Error("the JPEG has no frame");
}

/** Fails unless it is a whole picture of a size that models take. */
export function soundPicture(base64, mimeType) {
  const size = sizeOf(base64, mimeType);
  for (const side of size) assert(side > 100 && side <= MOST_PIXELS, `a picture of ${size.join(" × ")} pixels`);
  return size;
}

/** What a refusal has to be: an error that the agent can act on. */
export function refused(isError, text) {
  assert.equal(isError, true, `no error: ${text}`);
  assert.match(text, /there is no session aaaaaaaa/);
  assert.match(text, /\nWhat to do: \S/);
}

/** What the judgement of the two example pictures has to be: they differ in lighting, colour, pattern and count. */
export function judged(value) {
  assert.match(value.summary, /^Overall 0\.\d\d \(/);
  const low = value.axes.filter((axis) => axis.score < 0.5).map((axis) => axis.id);
  assert.deepEqual(low.sort(), ["colour", "count", "lighting", "pattern"]);
  assert.equal(value.pictures.length, 2);
}

/** What the calibration begins with, and what it ends with: the reference as the stand-in's words have it. */
export const PROMPTS = [
  ["blue dotted", "one ball", "left"],
  ["red striped", "three balls", "right"],
].map(
  ([figure, count, light]) =>
    `a large ${figure} star at the left, marked with a cross, ${count} along the bottom, ` +
    `a smooth green background, light from the ${light}`,
);
export const SEEDS = [1, 2];

/** The arguments of a small calibration's calls: two iterations with two seeds. `session` is known after the first. */
export const calibration = {
  inject: () => ({
    workflow: bench.workflow,
    reference: bench.reference,
    positive: PROMPTS[0],
    target_score: 0.85,
    max_iterations: 4,
    note: "as it was drawn",
  }),
  first: (session) => ({ session, seeds: SEEDS, judge: true, images: true }),
  second: (session) => ({ session, positive: PROMPTS[1], seeds: SEEDS, judge: true, note: "colour, pattern, count, light" }),
  advice: (session) => ({ session, advice: true }),
  trend: (session) => ({ session }),
};

/** What the calls of that calibration have to answer. */
export function calibrated({ draft, first, second, advice, trend }) {
  assert.match(draft.session, /^[a-z0-9]{8}$/);
  const [change] = draft.changes;
  assert.deepEqual([draft.iteration, change.place], [1, "2.text"]);
  // Long texts are shortened in the echo.
  assert.equal(change.to.slice(0, 60), PROMPTS[0].slice(0, 60));
  for (const [made, n] of [[first, 1], [second, 2]]) {
    assert.deepEqual([made.state, made.iteration, made.session], ["done", n, draft.session], made.summary);
    assert.deepEqual(made.runs.map((run) => run.seed), SEEDS);
    assert.match(made.summary, new RegExp(`^Iteration ${n} of session ${draft.session}`));
  }
  assert.equal(first.decision, "first");
  assert.equal(second.decision, "keep", second.summary);
  const [before, after] = [first.overall_score, second.overall_score];
  assert(after > 0.9 && after > before + 0.1, `${before}, then ${after}`);
  assert.equal(advice.advice.step, "rescore", advice.summary);
  const rows = trend.iterations.map((row) => [row.iteration, row.decision, row.best ?? false]);
  assert.deepEqual(rows, [[1, "first", false], [2, "keep", true]]);
}
