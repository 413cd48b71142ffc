// A scripted Messages API on loopback: it plays the model. A conversation is a generator that yields the tool calls which the
// model makes, and is given what the model is shown of each result; what it throws ends the conversation and is reported.

import assert from "node:assert/strict";
import { createServer } from "node:http";

/** Signs that a result was cut or put into a file instead of being shown. */
const CUT = /\[truncated|characters truncated|<persisted-output>|output too large|exceeds maximum allowed tokens|has been saved to/i;

/** What the model sees of a tool's result. */
function seen(block) {
  const blocks = typeof block.content === "string" ? [{ type: "text", text: block.content }] : (block.content ?? []);
  const text = blocks.filter(({ type }) => type === "text").map((part) => part.text);
  assert.doesNotMatch(text.join("\n"), CUT, "the result was cut");
  // Claude Code says of each picture where it keeps it, and writes links out; the rest is the server's own words.
  const own = text.filter((part) => !/^\[Image: source: .*\]$|^\[Resource link: /.test(part));
  return {
    isError: block.is_error === true,
    text: own.join("\n"),
    pictures: blocks.filter(({ type }) => type === "image").map(({ source }) => source),
    references: blocks.filter(({ type }) => type === "tool_reference").map((part) => part.tool_name),
    // Of the words; pictures are charged by their pixels.
    bytes: text.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
  };
}

/** The server-sent events of one answer with one block. */
function* events(model, id, step) {
  const message = { id: `msg_${id}`, type: "message", role: "assistant", model, content: [], stop_reason: null };
  yield ["message_start", { message: { ...message, usage: { input_tokens: 1, output_tokens: 1 } } }];
  const [block, delta] = step.tool
    ? [
        { type: "tool_use", id: `toolu_${id}`, name: step.tool, input: {} },
        { type: "input_json_delta", partial_json: JSON.stringify(step.input) },
      ]
    : [
        { type: "text", text: "" },
        { type: "text_delta", text: step.text },
      ];
  yield ["content_block_start", { index: 0, content_block: block }];
  yield ["content_block_delta", { index: 0, delta }];
  yield ["content_block_stop", { index: 0 }];
  const reason = step.tool ? "tool_use" : "end_turn";
  yield ["message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 1 } }];
  yield ["message_stop", {}];
}

/** A conversation that is being had. */
export class Conversation {
  /** Every request of the conversation itself, as it came. */
  requests = [];
  /** What the script found wrong. */
  error;
  ended = false;

  constructor(script) {
    this.script = script(this);
  }

  /** The step that follows a request. */
  step(body) {
    this.requests.push(body);
    try {
      const last = body.messages.findLast(({ role }) => role === "user");
      const results = typeof last.content === "string" ? [] : last.content.filter(({ type }) => type === "tool_result");
      const { value, done } = this.script.next(results.length ? seen(results.at(-1)) : undefined);
      if (!done) return value;
    } catch (error) {
      this.error ??= error;
    }
    this.ended = true;
    return { text: "That is all." };
  }
}

/** Serves conversations, one at a time: `begin` says which. */
export class MessagesApi {
  #server = createServer((request, response) => this.#answer(request, response));
  #conversation;
  #answers = 0;

  /** Listens on a free port of loopback, and gives the address. */
  async listen() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  begin(script) {
    this.#conversation = new Conversation(script);
    return this.#conversation;
  }

  async #answer(request, response) {
    let text = "";
    for await (const part of request) text += part;
    const plain = (status, value) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    const path = request.url.split("?")[0];
    if (path === "/v1/messages/count_tokens") return plain(200, { input_tokens: Math.ceil(text.length / 4) });
    if (path !== "/v1/messages") return plain(404, { type: "error", error: { type: "not_found_error", message: path } });
    const body = JSON.parse(text);
    // Besides the conversation, a title and the like are asked for, without tools.
    const own = body.tools?.some(({ name }) => name === "ToolSearch");
    const step = own ? this.#conversation.step(body) : { text: "A title" };
    const id = ++this.#answers;
    if (!body.stream) {
      const message = { id: `msg_${id}`, type: "message", role: "assistant", model: body.model, stop_reason: "end_turn" };
      const content = [{ type: "text", text: step.text ?? "" }];
      return plain(200, { ...message, content, usage: { input_tokens: 1, output_tokens: 1 } });
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [type, data] of events(body.model, id, step)) {
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
    }
    response.end();
  }
}

/** A proxy that lets nothing through and remembers who asked: what is not meant for loopback arrives here. */
export class Fence {
  asked = [];

  async listen() {
    const server = createServer((request, response) => {
      this.asked.push(request.url);
      response.writeHead(403).end();
    });
    server.on("connect", (request, socket) => {
      this.asked.push(request.url);
      // Who was refused may be gone already.
      socket.on("error", () => {});
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${server.address().port}`;
  }
}
