// The MCP App under the official bridge, in a browser, as a chat would show it.
//
//   node run.mjs [--shots DIR] [--only WORDS]                     against a mock of the server with recorded results
//   node run.mjs --server URL --session ID [--shots DIR]          against a server that is running, its page and its pictures;
//                                                                 with --sources the page is that of the sources
//
// Needs the packages of `tools/clients` and a Chromium. Talks to this machine only, and to no fixed port.

import { createServer } from "node:http";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rolldown } from "rolldown";
import { Browser } from "./chromium.mjs";
import { live } from "./live.mjs";
import { Mock } from "./mock.mjs";
import { scenarios } from "./scenarios.mjs";
import { series } from "./series.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "../../../src");
const HOST_PAGE = `<!doctype html><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,"><style>body { margin: 0 }</style><script src="/host.js"></script>`;

const { values: asked } = parseArgs({
  options: { server: { type: "string" }, session: { type: "string" }, sources: { type: "boolean" }, shots: { type: "string" }, only: { type: "string" } },
});

/** The page as the server puts it together. */
function page() {
  const read = (name) => readFileSync(join(SOURCES, name), "utf8");
  const parts = {
    style: read("report/page.css") + read("mcp/app/app.css"), draw: read("report/draw.js"), bridge: read("mcp/app/bridge.js"),
    read: read("mcp/app/read.js"), ask: read("mcp/app/ask.js"), app: read("mcp/app/app.js"),
  };
  return read("mcp/app/app.html").replace(/\{\{(\w+)\}\}/g, (place, name) => parts[name] ?? place);
}

async function bundled(file) {
  const bundle = await rolldown({ input: join(HERE, file), platform: "browser", logLevel: "silent" });
  const { output: [{ code }] } = await bundle.generate({ format: "iife" });
  await bundle.close();
  return code;
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** Passes a request on to the real server: the browser would need its leave to speak to another origin. */
async function forwarded(request, body, response) {
  const names = ["content-type", "accept", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"];
  const headers = Object.fromEntries(names.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
  // A stream that the client listens to has no end of its own.
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answer = await fetch(asked.server, { method: request.method, headers, signal: gone.signal, ...(body.length ? { body } : {}) });
  const back = ["content-type", "mcp-session-id"].filter((name) => answer.headers.has(name)).map((name) => [name, answer.headers.get(name)]);
  response.writeHead(answer.status, Object.fromEntries(back));
  response.flushHeaders();
  for await (const part of answer.body ?? []) response.write(part);
  response.end();
}

/** Serves the host's page, and MCP at /mcp; `calls` gets every message. */
function serve(script, mock, calls) {
  const answerMcp = async (request, response) => {
    const body = await bodyOf(request);
    if (body.length) calls.push(JSON.parse(body));
    if (asked.server) return forwarded(request, body, response);
    // Open for as long as the client listens: the mock has nothing to tell by itself.
    if (request.method === "GET") return response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    const answer = mock.answer(JSON.parse(body));
    return answer ? response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer)) : response.writeHead(202).end();
  };
  const send = (response, type, text) => response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(text);
  const server = createServer((request, response) => {
    if (request.url === "/mcp") answerMcp(request, response).catch(() => response.destroy());
    else if (request.url === "/host.js") send(response, "text/javascript", script);
    else if (request.url === "/alone") send(response, "text/html", mock.page);
    else if (request.url === "/") send(response, "text/html", HOST_PAGE);
    else response.writeHead(404).end();
  });
  return new Promise((resolve) => { server.listen(0, "127.0.0.1", () => resolve(server)); });
}

/** What a scenario works with. */
function kit(browser, mock, calls, origin) {
  return {
    browser, mock, calls, asked,
    show: (options) => browser.host(`host.show(${JSON.stringify({ ...options, html: asked.sources ? mock.page : undefined })})`),
    alone: () => browser.open(`${origin}/alone`),
    shot: async (name) => {
      if (!asked.shots) return;
      // As a reader sees it: the host has given the page the height that it asked for.
      await browser.until("document.body.getBoundingClientRect().height <= innerHeight && document.documentElement.clientWidth === innerWidth");
      mkdirSync(asked.shots, { recursive: true });
      const { width, height } = await browser.host(`(({ width, height }) => ({ width, height }))(document.querySelector("iframe").getBoundingClientRect())`);
      writeFileSync(join(asked.shots, `${name}.png`), await browser.screenshot({ x: 0, y: 0, width, height }));
    },
  };
}

async function runAll() {
  const [calls, mock] = [[], new Mock(page())];
  const [script, browser] = [await bundled("host.js"), await Browser.start()];
  const server = await serve(script, mock, calls);
  const origin = `http://127.0.0.1:${server.address().port}`;
  const wanted = (asked.server ? live : [...scenarios, ...series]).filter(({ name }) => name.includes(asked.only ?? ""));
  const failed = [];
  try {
    for (const { name, run, scheme, width } of wanted) {
      mock.reset();
      calls.length = 0;
      await browser.open(`${origin}/`, { scheme, width });
      const problem = await run(kit(browser, mock, calls, origin)).then(() => null, (error) => error.message);
      const complaints = browser.complaints(origin);
      console.log(`${problem || complaints.length ? "FAILED" : "ok    "} ${name}`);
      for (const text of [problem, ...complaints].filter(Boolean)) console.log(`       ${text.slice(0, 1500)}`);
      if (problem || complaints.length) failed.push(name);
    }
  } finally {
    await browser.stop();
    server.closeAllConnections();
    server.close();
  }
  console.log(`app: ${wanted.length - failed.length} of ${wanted.length} scenarios passed, the page has ${Math.round(mock.page.length / 1024)} KiB.`);
  return failed.length === 0 && wanted.length > 0;
}

if (process.env.PROMPT_CALIBRATOR_NO_BROWSER !== undefined) {
  console.log("app: not run, PROMPT_CALIBRATOR_NO_BROWSER is set.");
} else process.exitCode = (await runAll()) ? 0 : 1;
