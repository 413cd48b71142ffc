// Claude Code, driven by a scripted model through a whole calibration. What is checked is what the model is shown: the server's
// instructions, each result's summary, pictures, and errors with what to do; whole, and never as a file.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  TOOLS,
  bench,
  calibrated,
  calibration,
  client,
  fileOf,
  judged,
  offered,
  refused,
  run,
  soundPicture,
  stdio,
  versionOf,
} from "./lib.mjs";
import { Fence, MessagesApi } from "./messages_api.mjs";

const NAMES = TOOLS.map((tool) => `mcp__cal__${tool}`);
/** Claude Code's own tool for resources; it is there when a server has some. */
const READ = "ReadMcpResourceTool";
/** Claude Code cuts a server's instructions there. */
const MOST_INSTRUCTIONS = 2048;
/** What an iteration may show the model, in tokens of four bytes: see docs/mcp.md. */
const MOST_TOKENS = 1000;

const program = fileOf("@anthropic-ai/claude-code-linux-x64/claude");
const config = join(bench.home, "claude");
mkdirSync(config);
const api = new MessagesApi();
const fence = new Fence();
const proxy = await fence.listen();
const env = {
  ...process.env,
  ANTHROPIC_BASE_URL: await api.listen(),
  ANTHROPIC_API_KEY: "dummy",
  CLAUDE_CONFIG_DIR: config,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  HTTP_PROXY: proxy,
  HTTPS_PROXY: proxy,
  NO_PROXY: "127.0.0.1,localhost",
};
const claude = (what, ...args) => run(`claude ${what}`, program, args, { env, cwd: bench.folder });

/** Has a conversation to its end over one connection to the server. */
async function converse(name, server, prompt, script) {
  const file = join(bench.folder, `${name}.mcp.json`);
  writeFileSync(file, JSON.stringify({ mcpServers: { cal: server } }));
  const conversation = api.begin(script);
  const configured = ["--mcp-config", file, "--strict-mcp-config", "--allowedTools", [...NAMES, "ToolSearch", READ].join()];
  const output = ["--output-format", "stream-json", "--verbose"];
  const done = await claude(`-p over ${name}`, "-p", prompt, ...configured, ...output);
  if (conversation.error) throw conversation.error;
  assert.equal(done.status, 0, done.stdout.slice(-2000) + done.stderr);
  assert(conversation.ended, `the conversation stopped after ${conversation.requests.length} requests`);
  const lines = done.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const { mcp_servers: servers, slash_commands: commands } = lines.find(({ subtype }) => subtype === "init");
  assert.deepEqual(servers.map(({ name, status }) => [name, status]), [["cal", "connected"]]);
  return { requests: conversation.requests, commands };
}

/** Everything that a request says beside the messages of tools. */
const said = (body) => JSON.stringify([body.system, body.messages.filter(({ role }) => role !== "assistant")]);

/** The model's side: loads the tools, which are deferred. */
function* loaded(conversation) {
  const { references } = yield { tool: "ToolSearch", input: { query: `select:${NAMES.join()}`, max_results: NAMES.length } };
  assert.deepEqual(references, NAMES);
  const tools = conversation.requests.at(-1).tools.filter(({ name }) => NAMES.includes(name));
  assert.equal(tools.length, NAMES.length);
  for (const { name, description, input_schema: schema } of tools) assert(description && schema.properties, name);
}

/** A tool's structured result as the model sees it. */
function value(shown, tool) {
  assert(!shown.isError, `${tool}: ${shown.text}`);
  const parsed = JSON.parse(shown.text);
  assert.equal(typeof parsed.summary, "string", `${tool} shows no summary`);
  return parsed;
}

function* error() {
  const shown = yield { tool: "mcp__cal__get_history", input: { session: "aaaaaaaa" } };
  refused(shown.isError, shown.text);
}

/** A picture as the Messages API has it. */
function pictures(shown, count) {
  assert.equal(shown.pictures.length, count);
  for (const { type, data, media_type: mime } of shown.pictures) {
    assert.equal(type, "base64");
    soundPicture(data, mime);
  }
}

/** A question that nobody is there to answer: it comes back to the model, with what to do. */
function* question() {
  const input = { workflow: bench.two_texts, positive: "a blue square" };
  const asked = value(yield { tool: "mcp__cal__inject_prompt", input }, "inject_prompt");
  assert.deepEqual(Object.keys(asked.question.candidates), ["8.value", "9.value"]);
  assert.match(asked.summary, /Make the same call again with place/);
}

/** A session as a resource, where the server has resources. */
function* resource(conversation, session, note) {
  const has = JSON.stringify(conversation.requests[0].messages).includes(READ);
  if (!offered("resources", has, note)) return;
  yield { tool: "ToolSearch", input: { query: `select:${READ}`, max_results: 1 } };
  const shown = yield { tool: READ, input: { server: "cal", uri: `calibrator://sessions/${session}` } };
  const [{ text }] = JSON.parse(shown.text).contents;
  assert.match(JSON.parse(text).summary, new RegExp(session));
}

/** The whole calibration; `note` gets what an iteration costs. */
function whole(note) {
  return function* (conversation) {
    yield* loaded(conversation);
    const call = function* (tool, input) {
      const shown = yield { tool: `mcp__cal__${tool}`, input };
      shown.cost = shown.bytes + Buffer.byteLength(JSON.stringify(input));
      return shown;
    };
    const alone = value(yield* call("judge_pair", { reference: bench.reference }), "judge_pair");
    assert.equal(alone.reference_values.colour, "red");
    const draft = value(yield* call("inject_prompt", calibration.inject()), "inject_prompt");
    const { session } = draft;
    const shown = yield* call("queue_generation", calibration.first(session));
    pictures(shown, 2);
    const first = value(shown, "queue_generation");
    const next = yield* call("queue_generation", calibration.second(session));
    pictures(next, 0);
    const second = value(next, "queue_generation");
    const asked = yield* call("get_history", calibration.advice(session));
    const advice = value(asked, "get_history");
    const trend = value(yield* call("get_history", calibration.trend(session)), "get_history");
    calibrated({ draft, first, second, advice, trend });
    const pair = yield* call("judge_pair", { reference: bench.reference, generated: bench.generated, images: true });
    pictures(pair, 1);
    judged(value(pair, "judge_pair"));
    yield* error();
    yield* question();
    yield* resource(conversation, session, note);
    const [iteration, history] = [next, asked].map(({ cost }) => Math.ceil(cost / 4));
    assert(iteration <= MOST_TOKENS, `an iteration costs ${iteration} tokens`);
    note(`an iteration: result ${next.bytes} bytes, with its request ${iteration} tokens; advice: ${history}`);
    const [width, height] = soundPicture(pair.pictures[0].data, pair.pictures[0].media_type);
    note(`contact sheet: ${width} × ${height}`);
  };
}

await client("Claude Code", versionOf("@anthropic-ai/claude-code"), async ({ check, connection, note }) => {
  await connection("stdio", async () => {
    await check("a whole calibration over stdio", async () => {
      const { requests } = await converse("stdio", stdio("claude"), "Calibrate.", whole(note));
      const text = said(requests[0]);
      for (const name of NAMES) assert(text.includes(name), `the model is not told of ${name}`);
      assert(bench.instructions.length <= MOST_INSTRUCTIONS, `instructions of ${bench.instructions.length} characters`);
      const written = JSON.stringify(bench.instructions.trimEnd()).slice(1, -1);
      assert(text.includes(written), "the model is not shown the instructions whole");
    });
  });
  for (const [name, type, url] of [["http", "http", bench.http], ["sse", "sse", bench.sse]]) {
    await connection(name, async () => {
      await check(`a call over ${name}`, () =>
        converse(name, { type, url }, "Try.", function* (conversation) {
          yield* loaded(conversation);
          yield* error();
        }));
    });
  }
  await connection("mcp list", async () => {
    await check("mcp list shows ✔", async () => {
      const { command, args } = stdio("list");
      for (const given of [
        ["cal-stdio", "--", command, ...args],
        ["--transport", "http", "cal-http", bench.http],
        ["--transport", "sse", "cal-sse", bench.sse],
      ]) {
        const added = await claude("mcp add", "mcp", "add", "--scope", "user", ...given);
        assert.equal(added.status, 0, added.stderr);
      }
      const { stdout } = await claude("mcp list", "mcp", "list");
      for (const name of ["cal-stdio", "cal-http", "cal-sse"]) assert.match(stdout, new RegExp(`^${name}: .*✔`, "m"));
    });
  });
  await connection("the prompt", async () => {
    await check("/mcp__cal__calibrate", async () => {
      const given = [bench.reference, bench.workflow, "0.9"];
      const command = ["/mcp__cal__calibrate", ...given].join(" ");
      const { requests, commands } = await converse("prompt", stdio("prompt"), command, function* () {});
      if (!offered("prompts", commands.includes("mcp__cal__calibrate"), note)) return;
      const texts = requests[0].messages[0].content.map(({ text }) => text);
      const written = texts.find((text) => text.includes("judge_pair"));
      for (const word of given) assert(written?.includes(word), `${word} is not in what the model is told: ${texts.join("\n")}`);
    });
  });
  await connection("loopback", () => check("nothing leaves loopback", () => assert.deepEqual(fence.asked, [])));
});
