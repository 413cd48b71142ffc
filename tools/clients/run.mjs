// Starts the stand-in for ComfyUI, and for each client servers of its own; runs the clients one after the other; ends everything.
//
//   node run.mjs [inspector|ts1|ts2|python|fastmcp|claude|app …]
//
// From the environment: CLIENTS_BIN (the folder of the binaries), CLIENTS_WORK (a folder that may be emptied), CLIENTS_PYTHON.

import { spawn } from "node:child_process";
import { copyFileSync, createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { here, within } from "./lib.mjs";

const root = resolve(here, "../..");
const bin = resolve(process.env.CLIENTS_BIN ?? join(root, "target/release"));
const work = resolve(process.env.CLIENTS_WORK ?? join(root, "target/clients"));
const python = process.env.CLIENTS_PYTHON ?? "python3";
const node = process.execPath;

const CLIENTS = {
  inspector: [node, "inspector.mjs"],
  ts1: [node, "ts1.mjs"],
  ts2: [node, "ts2.mjs"],
  python: [python, "python_sdk.py"],
  fastmcp: [python, "fastmcp_client.py"],
  claude: [node, "claude.mjs"],
  app: [node, "app.mjs"],
};
/**
 * What the server has to offer beside tools. Whatever it offers is checked; what is named here and missing is a failure. For a
 * binary that has less, shorten the list.
 */
const EXPECTED = ["resources", "subscriptions", "prompts", "completions", "logging", "elicitation", "tasks", "apps"];
/** For a whole client. */
const CLIENT_MS = 420_000;
const START_MS = 30_000;
/** Milliseconds of a sampler's step: a picture of 20 steps takes a fifth of a second, one of 10,000 does not end by itself. */
const STEP_MS = "10";

const chosen = process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(CLIENTS);
const unknown = chosen.filter((name) => !CLIENTS[name]);
if (unknown.length) {
  console.error(`clients: there is no client ${unknown.join(", ")}; there are ${Object.keys(CLIENTS).join(", ")}`);
  process.exit(2);
}

/** Everything that runs. Each leads a process group, so that what it started itself ends with it. */
const running = new Set();

function endAll() {
  for (const child of running) end(child);
}

function end(child) {
  running.delete(child);
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended already.
  }
}

process.on("exit", endAll);
for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) process.on(signal, () => process.exit(status));

/** A clean environment: what this machine sets for the server, for Node or for a proxy has no say here. */
function environment(home, more = {}) {
  const { PATH, PROMPT_CALIBRATOR_NO_BROWSER } = process.env;
  const browser = PROMPT_CALIBRATOR_NO_BROWSER === undefined ? {} : { PROMPT_CALIBRATOR_NO_BROWSER };
  return { PATH, HOME: home, LANG: "C.UTF-8", NO_COLOR: "1", NO_PROXY: "*", ...browser, ...more };
}

function start(command, args, options) {
  const child = spawn(command, args, { detached: true, ...options });
  running.add(child);
  return child;
}

/** Starts a program and waits for the line in which it says its address. */
async function listening(what, command, args, home, log, pattern) {
  const child = start(command, args, { env: environment(home), stdio: ["ignore", "pipe", "pipe"] });
  const file = createWriteStream(log);
  const found = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        file.write(`${line}\n`);
        const match = pattern.exec(line);
        if (match) resolve(match[1]);
      });
    }
    child.on("error", reject);
    child.on("exit", (status) => reject(new Error(`${what} ended with ${status}; see ${log}`)));
  });
  return { child, url: await within(`the address of ${what}`, found, START_MS) };
}

/** A workflow that puts its prompt together from two texts, so that the server has to ask. */
function twoTexts(workflow) {
  const graph = JSON.parse(workflow);
  graph["8"] = { class_type: "PrimitiveStringMultiline", _meta: { title: "Style" }, inputs: { value: "oil paint" } };
  graph["9"] = { class_type: "PrimitiveStringMultiline", _meta: { title: "Subject" }, inputs: { value: "a red circle" } };
  graph["10"] = { class_type: "StringConcatenate", inputs: { string_a: ["8", 0], string_b: ["9", 0], delimiter: ", " } };
  graph["2"].inputs.text = ["10", 0];
  return JSON.stringify(graph);
}

/** Prepares a folder for a client: files, servers, and what they are called. */
async function prepare(name, comfyui) {
  const folder = join(work, name);
  rmSync(folder, { recursive: true, force: true });
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  const bench = { folder, home, comfyui, program: join(bin, "prompt-calibrator"), expected: EXPECTED };
  const files = [
    ["reference", "pictures/reference.png"],
    ["generated", "pictures/generated.png"],
    ["workflow", "workflows/text_to_image.json"],
  ];
  for (const [key, file] of files) {
    bench[key] = join(folder, file.split("/")[1]);
    copyFileSync(join(root, "examples", file), bench[key]);
  }
  bench.two_texts = join(folder, "two_texts.json");
  writeFileSync(bench.two_texts, twoTexts(readFileSync(bench.workflow, "utf8")));
  bench.instructions = readFileSync(join(root, "tools/contracts/instructions.txt"), "utf8");
  // One thread: two would wait for each other on a machine that is busy with something else.
  bench.settings = ["--comfyui", comfyui, "--root", folder, "--threads", "1", "--log", "info"];
  const servers = [];
  for (const [key, path] of [["http", "/mcp"], ["legacy", "/mcp"], ["sse", "/sse"]]) {
    const args = ["--data-dir", join(folder, `data-${key}`), ...bench.settings, "serve", "--http", "127.0.0.1:0"];
    const log = join(folder, `${key}.log`);
    const server = await listening(`the server for ${name}`, bench.program, args, home, log, /listening on (http:\/\/\S+)\/mcp/);
    servers.push(server.child);
    bench[key] = server.url + path;
  }
  const file = join(folder, "bench.json");
  writeFileSync(file, JSON.stringify(bench, null, 1));
  return { folder, home, servers, file };
}

async function runClient(name, comfyui) {
  const { folder, home, servers, file } = await prepare(name, comfyui);
  const [command, script] = CLIENTS[name];
  const env = environment(home, { CLIENT_BENCH: file, PYTHONDONTWRITEBYTECODE: "1" });
  const child = start(command, [join(here, script)], { cwd: folder, env, stdio: ["ignore", "inherit", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status) => resolve(status === 0));
  });
  try {
    return await within(`the end of ${name}; its servers' logs are in ${folder}`, ended, CLIENT_MS);
  } finally {
    end(child);
    servers.forEach(end);
  }
}

mkdirSync(work, { recursive: true });
const standIn = [join(bin, "comfyui-stand-in"), ["--step-ms", STEP_MS], work, join(work, "comfyui.log")];
const studio = await listening("the stand-in for ComfyUI", ...standIn, /^(http:\/\/\S+)/);
const failed = [];
for (const name of chosen) {
  const ok = await runClient(name, studio.url).catch((error) => {
    console.error(`${name}: ${error.message}`);
    return false;
  });
  if (!ok) failed.push(name);
}
endAll();
if (failed.length) {
  console.error(`clients: failed: ${failed.join(", ")}. What was written is in ${work}`);
  process.exit(1);
}
console.log("All clients passed.");
process.exit(0);
