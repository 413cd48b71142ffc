// A stand-in for the server, speaking MCP over HTTP: it answers from `recorded.json`, results of the real tools on a session of
// the offline demo, with pictures of its own. Scenarios put other answers in front of it with `say`.

import { readFileSync } from "node:fs";
import { png } from "./pictures.mjs";

export const recorded = JSON.parse(readFileSync(new URL("recorded.json", import.meta.url), "utf8"));
export const SESSION = recorded.queue.session;
export const [REFERENCE] = recorded.judge.pictures;
export const VIEW = "prompt-calibrator/view";
export const APP = "ui://calibrator/page.html";

export const hashOf = (path) => /([0-9a-f]{64})\.\w+$/.exec(path)[1];
export const uriOf = (path) => `calibrator://pictures/${hashOf(path)}`;

/** A result as the server gives it. */
export function result(content, view = { explicit: false, reference: uriOf(REFERENCE) }, images = []) {
  return {
    content: [
      { type: "text", text: JSON.stringify(content) },
      ...images.map((name) => ({ type: "image", mimeType: "image/png", data: png(name).toString("base64") })),
    ],
    structuredContent: content,
    isError: false,
    ...(view ? { _meta: { [VIEW]: view } } : {}),
  };
}

export const failure = (text) => ({ content: [{ type: "text", text }], isError: true });

const TOOLS = ["queue_generation", "judge_pair", "get_history"].map((name) => ({
  name, description: name, inputSchema: { type: "object" }, _meta: { ui: { resourceUri: APP } },
}));

class Refused extends Error {}

export class Mock {
  constructor(page) {
    this.page = page;
    this.reset();
  }

  reset() {
    this.history = { trend: recorded.trend, iterations: recorded.iterations };
    this.view = { explicit: false, reference: uriOf(REFERENCE), target_score: 0.85 };
    this.pictures = true;
  }

  /** The answer to one message; nothing to a notification. */
  answer({ id, method, params }) {
    if (id === undefined) return null;
    try {
      return { jsonrpc: "2.0", id, result: this.#result(method, params ?? {}) };
    } catch (error) {
      return { jsonrpc: "2.0", id, error: { code: -32002, message: error.message } };
    }
  }

  #result(method, params) {
    switch (method) {
      case "initialize":
        return {
          protocolVersion: params.protocolVersion, serverInfo: { name: "mock", version: "1" },
          capabilities: { tools: {}, resources: {} },
        };
      case "ping": return {};
      case "tools/list": return { tools: TOOLS };
      case "resources/list": return { resources: [{ uri: APP, name: "calibration", mimeType: "text/html;profile=mcp-app" }] };
      case "tools/call": return this.#call(params);
      case "resources/read": return { contents: [this.#read(params.uri)] };
      default: throw new Refused(`no method ${method}`);
    }
  }

  #call({ name, arguments: { session, iteration, page = 0 } }) {
    if (name === "queue_generation") return result(recorded.queue, this.view);
    if (name === "judge_pair") return result(recorded.judge, this.view);
    if (!session) return result(recorded.sessions, null);
    const { trend, pages = [trend], pictures = [], iterations } = this.history;
    if (iteration === undefined) {
      const view = pictures[page] ? { ...this.view, pictures: pictures[page] } : this.view;
      return result(pages[page] ?? { summary: `Page ${page} is empty.` }, view);
    }
    return iterations[iteration] ? result(iterations[iteration], this.view) : failure(`session ${session} has no iteration ${iteration}`);
  }

  #read(uri) {
    if (uri === APP) return { uri, mimeType: "text/html;profile=mcp-app", text: this.page };
    const [, hash] = /^calibrator:\/\/pictures\/([0-9a-f]{64})\/preview$/.exec(uri) ?? [];
    if (!hash || !this.pictures) throw new Refused(`there is no picture ${uri}`);
    return { uri, mimeType: "image/png", blob: png(hash).toString("base64") };
  }
}
