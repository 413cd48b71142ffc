// The page that shows a calibration (MCP App) under the official bridge in a browser: with recorded results, then with this server.

import assert from "node:assert/strict";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { bench, calibration, client, here, run, versionOf } from "./lib.mjs";

/** A browser starts slowly on a busy machine. */
const BROWSER_MS = 300_000;

/** A session with two iterations, for the page to look up. */
async function calibrated() {
  const sdk = new Client({ name: "app", version: "1" });
  await sdk.connect(new StreamableHTTPClientTransport(new URL(bench.http)));
  const call = async (name, given) => {
    const { structuredContent, isError, content } = await sdk.callTool({ name, arguments: given });
    assert(!isError, JSON.stringify(content));
    return structuredContent;
  };
  const { session } = await call("inject_prompt", calibration.inject());
  await call("queue_generation", calibration.first(session));
  await call("queue_generation", calibration.second(session));
  await sdk.close();
  return session;
}

/** Runs the page's own test; gives its closing line. */
async function shown(what, args) {
  const script = join(here, "app", "run.mjs");
  const done = await run(what, process.execPath, [script, ...args], { timeout: BROWSER_MS, env: process.env });
  assert.equal(done.status, 0, done.stdout.slice(-4000) + done.stderr.slice(-2000));
  return done.stdout.trim().split("\n").at(-1);
}

await client("MCP App, bridge", versionOf("@modelcontextprotocol/ext-apps"), async ({ check, note }) => {
  note(await check("recorded results", () => shown("the page with recorded results", ["--shots", join(bench.folder, "recorded")]), BROWSER_MS));
  const session = await check("a calibration to show", calibrated);
  note(await check("this server's own page", () => shown("the server's page", ["--server", bench.http, "--session", session, "--shots", join(bench.folder, "shots")]), BROWSER_MS));
});
