// What every client library of TypeScript does on a connection, whichever its version and era.
//
// A `peer` is a connected client behind the few calls that differ between the libraries:
// call(tool, arguments, { onprogress, signal }), updates(uri), asked (the questions it was put).

import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { PAGE, TOOLS, bench, calibrated, calibration, event, judged, offered, refused, soundPicture, within } from "./lib.mjs";

/** For what is only a moment behind. */
const MOMENT_MS = 10_000;

const textOf = (result) => result.content.filter((block) => block.type === "text").map((block) => block.text).join("\n");
const picturesOf = (result) => result.content.filter((block) => block.type === "image");

/** A call that has to succeed; gives its structured content. */
async function value(peer, tool, given, options) {
  const result = await peer.call(tool, given, options);
  assert(!result.isError, `${tool}: ${textOf(result)}`);
  // A client that shows text only sees the same.
  assert.deepEqual(JSON.parse(textOf(result)), result.structuredContent);
  return result.structuredContent;
}

/** What costs nothing: it is done on every connection. */
export async function basics(peer, { check }) {
  await check("4 tools", async () => {
    const { tools } = await peer.client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name), TOOLS);
    for (const tool of tools) assert(tool.title && tool.description && tool.outputSchema.required.includes("summary"), tool.name);
  });
  await check("the instructions", () => assert.equal(peer.client.getInstructions(), bench.instructions.trimEnd()));
  await check("an error with what to do", async () => {
    const result = await peer.call("get_history", { session: "aaaaaaaa" });
    refused(result.isError, textOf(result));
  });
}

/** The rest: judging, cancelling, a whole calibration, and what the server offers beside tools. */
export async function everything(peer, tools) {
  const { check } = tools;
  await check("judge_pair with progress and a picture", async () => {
    const told = [];
    const given = { reference: bench.reference, generated: bench.generated, images: true };
    const result = await peer.call("judge_pair", given, { onprogress: (progress) => told.push(progress) });
    assert(!result.isError, textOf(result));
    judged(result.structuredContent);
    const pictures = picturesOf(result);
    assert.equal(pictures.length, 1);
    soundPicture(pictures[0].data, pictures[0].mimeType);
    assert(told.length > 0, "no progress was told");
    told.reduce((before, { progress, total }) => {
      assert(total === 100 && progress > before && progress <= 100, JSON.stringify(told));
      return progress;
    }, -1);
  });
  const session = await check("a calibration", () => calibrate(peer));
  await check("a cancelled call", () => cancelled(peer, session));
  await check("a question", () => question(peer, tools));
  await beside(peer, session, tools);
}

async function calibrate(peer) {
  const draft = await value(peer, "inject_prompt", calibration.inject());
  const { session } = draft;
  const made = await peer.call("queue_generation", calibration.first(session));
  assert(!made.isError, textOf(made));
  assert.equal(picturesOf(made).length, 2);
  for (const picture of picturesOf(made)) soundPicture(picture.data, picture.mimeType);
  const first = made.structuredContent;
  const second = await value(peer, "queue_generation", calibration.second(session));
  const advice = await value(peer, "get_history", calibration.advice(session));
  const trend = await value(peer, "get_history", calibration.trend(session));
  calibrated({ draft, first, second, advice, trend });
  return session;
}

/** A run that does not end by itself is cancelled: the client gets an error, and ComfyUI is free for the next. */
async function cancelled(peer, session) {
  const sampling = event("progress of the sampler");
  const abort = new AbortController();
  const endless = peer.call(
    "queue_generation",
    { session, positive: "a blue square", knobs: { steps: 10_000 }, seeds: [9], wait_s: 600 },
    { signal: abort.signal, onprogress: ({ message }) => message?.includes("10000") && sampling.happened() },
  );
  endless.catch(sampling.failed);
  await sampling.wait();
  const running = await value(peer, "get_history", { session });
  assert.equal(running.iterations.at(-1).state, "running");
  abort.abort();
  await assert.rejects(within("the end of the cancelled call", endless), /abort/i);
  // Behind the endless run it would wait for minutes.
  const next = await value(peer, "queue_generation", { session, positive: "a red star", knobs: { steps: 2 }, seeds: [9] });
  assert.deepEqual([next.state, next.iteration], ["done", 4], next.summary);
  // ComfyUI takes the next run before the end of this one is written down: it may be a moment behind.
  const state = async () => (await value(peer, "get_history", { session })).iterations.find((row) => row.iteration === 3).state;
  await within("the end of the cancelled run in the history", reached(state, "cancelled"), MOMENT_MS);
}

/** Asks until the answer is `wanted`. */
async function reached(ask, wanted) {
  while ((await ask()) !== wanted) await setImmediate();
}

/** A workflow whose prompt has two places: asked of the user where the client can, else of the agent. */
async function question(peer, { note }) {
  const given = { workflow: bench.two_texts, positive: "a blue square" };
  const answer = await value(peer, "inject_prompt", given);
  if (peer.elicits && offered("elicitation", peer.asked.length > 0, note)) {
    const [{ message }] = peer.asked;
    assert.match(message, /positive|prompt/i);
    assert(answer.session && answer.changes.some((change) => change.place === "9.value"), JSON.stringify(answer));
    return;
  }
  assert.deepEqual(Object.keys(answer.question.candidates), ["8.value", "9.value"]);
  assert.match(answer.summary, /Nothing was written/);
  const answered = await value(peer, "inject_prompt", { ...given, place: { positive: "9.value" } });
  assert.equal(answered.changes[0].place, "9.value");
}

/** Resources, prompts, completions, logging: as far as the server says that it has them. */
async function beside(peer, session, { check, note }) {
  const has = peer.client.getServerCapabilities() ?? {};
  if (offered("resources", has.resources, note)) await check("resources", () => resources(peer, session));
  if (offered("subscriptions", has.resources?.subscribe, note)) await check("a subscription", () => subscription(peer, session));
  if (offered("prompts", has.prompts, note)) await check("the prompt calibrate", () => prompts(peer));
  if (offered("completions", has.completions, note)) await check("completions", () => completions(peer, session));
  // The newer revision has it no more. Nothing goes wrong here, so there is nothing to be told of.
  if (offered("logging", has.logging, note) && peer.era === "legacy") {
    await check("logging", () => peer.client.setLoggingLevel("debug"));
  }
}

const read = async ({ client }, uri) => {
  const { contents } = await client.readResource({ uri });
  assert.equal(contents.length, 1, uri);
  assert.equal(contents[0].uri, uri);
  return contents[0];
};

async function resources(peer, session) {
  const { client } = peer;
  const { resources: listed } = await client.listResources();
  for (const { uri, name, mimeType } of listed) assert(uri && name && mimeType, uri);
  assert(listed.some(({ uri }) => uri === PAGE), listed.map(({ uri }) => uri).join());
  const { resourceTemplates } = await client.listResourceTemplates();
  const templates = resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  for (const wanted of ["sessions/{session}", "pictures/{sha256}/preview", "rubrics/{rubric}"]) {
    assert(templates.includes(`calibrator://${wanted}`), `${wanted} is not among ${templates.join()}`);
  }
  const trend = JSON.parse((await read(peer, `calibrator://sessions/${session}`)).text);
  assert.match(trend.summary, new RegExp(session));
  const full = await value(peer, "get_history", { session, iteration: 1 });
  const [, sha256] = JSON.stringify(full).match(/([0-9a-f]{64})\.png/);
  const preview = await read(peer, `calibrator://pictures/${sha256}/preview`);
  soundPicture(preview.blob, preview.mimeType);
  const rubric = await read(peer, "calibrator://rubrics/default");
  assert.match(rubric.text, /\[\[axis\]\]/);
  const page = await read(peer, PAGE);
  assert.equal(page.mimeType, "text/html;profile=mcp-app");
  const missing = client.readResource({ uri: "calibrator://sessions/aaaaaaaa" });
  await assert.rejects(missing, ({ message }) => /aaaaaaaa|not found/i.test(message));
}

async function subscription(peer, session) {
  const uri = `calibrator://sessions/${session}`;
  const updates = await peer.updates(uri);
  await value(peer, "inject_prompt", { session, positive: "a green moon", note: "to be told of" });
  await updates.next.wait();
  await updates.close();
}

async function prompts({ client }) {
  const { prompts: listed } = await client.listPrompts();
  const calibrate = listed.find(({ name }) => name === "calibrate");
  assert.deepEqual(calibrate?.arguments.map(({ name }) => name).sort(), ["reference", "target_score", "workflow"]);
  const given = { reference: bench.reference, workflow: bench.workflow, target_score: "0.9" };
  const made = await client.getPrompt({ name: "calibrate", arguments: given });
  const text = made.messages.map(({ content }) => content.text ?? "").join("\n");
  for (const word of Object.values(given)) assert(text.includes(word), `${word} is not in: ${text}`);
}

async function completions({ client }, session) {
  const asked = (ref, name, value) => client.complete({ ref, argument: { name, value } }).then(({ completion }) => completion.values);
  const template = (uri) => ({ type: "ref/resource", uri });
  const sessions = await asked(template("calibrator://sessions/{session}"), "session", session.slice(0, 3));
  assert(sessions.includes(session), sessions.join());
  const rubrics = await asked(template("calibrator://rubrics/{rubric}"), "rubric", "de");
  assert.deepEqual(rubrics, ["default"]);
}
