// The MCP Inspector's command line: a process and a connection for each call, on all transports and in both eras.

import assert from "node:assert/strict";
import {
  PAGE,
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

/** What the Inspector exits with when a tool's result is an error. */
const TOOL_ERROR = 5;
const LOAD = 500;

const program = fileOf("@modelcontextprotocol/inspector/clients/launcher/build/index.js");

/** The Inspector on one transport in one era. */
function inspector(target, era) {
  return async (...args) => {
    const given = ["--cli", ...target, "--protocol-era", era, "--format", "json", ...args];
    return run(`inspector ${args.join(" ").slice(0, 80)}`, process.execPath, [program, ...given]);
  };
}

const json = ({ status, stdout, stderr }) => {
  assert.equal(status, 0, `exit status ${status}: ${stderr}${stdout}`);
  return JSON.parse(stdout).result;
};

async function call(inspect, tool, given) {
  const result = json(await inspect("--method", "tools/call", "--tool-name", tool, "--tool-args-json", JSON.stringify(given)));
  assert(!result.isError, JSON.stringify(result));
  return result;
}

async function basics(inspect, { check, note }) {
  await check("4 tools, --strict", async () => {
    const done = await inspect("--method", "tools/list", "--strict");
    assert.deepEqual(json(done).tools.map((tool) => tool.name), TOOLS);
    const remarks = done.stderr.match(/^Warning: .*\n {2}Path: .*$/gm) ?? [];
    if (remarks.length) note(`schema warnings: ${remarks.map((remark) => remark.split("Path: ")[1]).join(", ")}`);
  });
  await check("an error with what to do", async () => {
    const done = await inspect("--method", "tools/call", "--tool-name", "get_history", "--tool-args-json", '{"session":"aaaaaaaa"}');
    assert.equal(done.status, TOOL_ERROR, done.stderr);
    const { isError, content } = JSON.parse(done.stdout).result;
    refused(isError, content[0].text);
  });
  await check("--app-info", async () => {
    const done = await inspect("--method", "tools/list", "--app-info", "--advertise-apps");
    const told = done.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(told.map((app) => app.toolName), TOOLS);
    const pages = told.filter((app) => app.hasApp);
    if (!offered("apps", pages.length > 0, note)) return;
    for (const page of pages) assert.equal(page.resourceUri, PAGE);
  });
}

/** The Inspector takes tasks; in the era that has them a task's result names its pictures, elsewhere they are attached. */
async function everything(inspect, era, { check, note }) {
  await check(era === "modern" ? "judge_pair as a task" : "judge_pair with a picture", async () => {
    const { structuredContent, content } = await call(inspect, "judge_pair", {
      reference: bench.reference,
      generated: bench.generated,
      images: true,
    });
    judged(structuredContent);
    const links = content.filter((block) => block.type === "resource_link");
    if (era === "modern" && offered("tasks", links.length > 0, note)) {
      assert.deepEqual(links.map((link) => link.name), ["reference", "generated"]);
      return;
    }
    const pictures = content.filter((block) => block.type === "image");
    assert.equal(pictures.length, 1);
    soundPicture(pictures[0].data, pictures[0].mimeType);
  });
  const session = await check("a calibration", async () => {
    const value = async (tool, given) => (await call(inspect, tool, given)).structuredContent;
    const draft = await value("inject_prompt", calibration.inject());
    const first = await value("queue_generation", calibration.first(draft.session));
    const second = await value("queue_generation", calibration.second(draft.session));
    const advice = await value("get_history", calibration.advice(draft.session));
    const trend = await value("get_history", calibration.trend(draft.session));
    calibrated({ draft, first, second, advice, trend });
    return draft.session;
  });
  await check("resources and prompts", async () => {
    const listed = await inspect("--method", "resources/list");
    const { resources = [] } = listed.status === 0 ? JSON.parse(listed.stdout).result : {};
    if (offered("resources", resources.length > 0, note)) {
      const uri = `calibrator://sessions/${session}`;
      const { contents } = json(await inspect("--method", "resources/read", "--uri", uri));
      assert.match(contents[0].text, new RegExp(session));
      const { resourceTemplates } = json(await inspect("--method", "resources/templates/list"));
      assert(resourceTemplates.some(({ uriTemplate }) => uriTemplate === "calibrator://sessions/{session}"));
    }
    const asked = await inspect("--method", "prompts/list");
    const { prompts = [] } = asked.status === 0 ? JSON.parse(asked.stdout).result : {};
    if (offered("prompts", prompts.length > 0, note)) {
      const given = [`reference=${bench.reference}`, `workflow=${bench.workflow}`, "target_score=0.9"];
      const made = json(await inspect("--method", "prompts/get", "--prompt-name", "calibrate", "--prompt-args", ...given));
      assert(JSON.stringify(made.messages).includes(bench.reference));
    }
  });
}

/** Many calls at once, of the tool that costs least: none fails. */
async function load(inspect) {
  const given = ["--tool-name", "get_history", "--tool-args-json", "{}", "--load", "--load-requests", String(LOAD)];
  const { requests, ok } = json(await inspect("--method", "tools/call", ...given));
  assert.deepEqual([requests, ok], [LOAD, LOAD]);
}

await client("Inspector", versionOf("@modelcontextprotocol/inspector"), async (tools) => {
  const child = (name) => {
    const { command, args } = stdio(name);
    return [command, ...args];
  };
  const connections = [
    ["http", "modern", [bench.http, "--transport", "http"]],
    ["http", "legacy", [bench.legacy, "--transport", "http"]],
    ["stdio", "modern", child("modern")],
    ["stdio", "legacy", child("legacy")],
    ["sse", "legacy", [bench.sse, "--transport", "sse"]],
  ];
  for (const [name, era, target] of connections) {
    await tools.connection(`${name}, ${era}`, async () => {
      const inspect = inspector(target, era);
      await tools.check(`${name} ${era}`, () => basics(inspect, tools));
      await everything(inspect, era, tools);
      await tools.check(`--load of ${LOAD} calls`, () => load(inspect));
    });
  }
});
