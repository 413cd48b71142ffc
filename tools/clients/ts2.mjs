// The TypeScript SDK 2: the revision of 2026-07-28 where the server has it, and the older ones.

import assert from "node:assert/strict";
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { LIMIT_MS, bench, client, event, stdio, versionOf } from "./lib.mjs";
import { basics, everything } from "./suite.mjs";

/** The newest revision, by which this library tells the eras apart. */
const MODERN = "2026-07-28";

/** Connects, and hides what differs from the other library. */
async function connected(transport, mode, elicits) {
  const capabilities = elicits ? { elicitation: { form: {} } } : {};
  const sdk = new Client({ name: "ts2", version: "1" }, { capabilities, versionNegotiation: { mode } });
  const peer = { client: sdk, elicits, asked: [] };
  if (elicits) {
    sdk.setRequestHandler("elicitation/create", ({ params }) => {
      peer.asked.push(params);
      const [name] = Object.keys(params.requestedSchema.properties);
      return { action: "accept", content: { [name]: "9.value" } };
    });
  }
  peer.call = (name, given, options) => sdk.callTool({ name, arguments: given }, { timeout: LIMIT_MS, ...options });
  peer.updates = async (uri) => {
    const next = event(`an update of ${uri}`);
    sdk.setNotificationHandler("notifications/resources/updated", ({ params }) => {
      if (params.uri === uri) next.happened();
    });
    if (peer.era === "legacy") {
      await sdk.subscribeResource({ uri });
      return { next, close: () => sdk.unsubscribeResource({ uri }) };
    }
    const subscription = await sdk.listen({ resourceSubscriptions: [uri] });
    assert.deepEqual(subscription.honoredFilter.resourceSubscriptions, [uri]);
    return { next, close: () => subscription.close() };
  };
  await sdk.connect(transport);
  peer.era = sdk.getProtocolEra();
  return peer;
}

await client("TypeScript client", versionOf("@modelcontextprotocol/client"), async (tools) => {
  const http = (url) => () => new StreamableHTTPClientTransport(new URL(url));
  const child = (name) => () => new StdioClientTransport({ ...stdio(name), stderr: "ignore" });
  const connections = [
    // name, transport, mode, era that has to come of it, whether it can be asked
    ["http", http(bench.http), "auto", "modern", true],
    ["http", http(bench.legacy), "legacy", "legacy", true],
    ["stdio", child("auto"), "auto", "modern", false],
    ["stdio", child("legacy"), "legacy", "legacy", false],
    ["sse", () => new SSEClientTransport(new URL(bench.sse)), "legacy", "legacy", false],
  ];
  for (const [name, transport, mode, era, elicits] of connections) {
    await tools.connection(`${name}, ${mode}`, async () => {
      const peer = await tools.check(`${name} ${era}`, () => connected(transport(), mode, elicits));
      assert.equal(peer.era, era);
      if (era === "modern") assert.equal(peer.client.getNegotiatedProtocolVersion(), MODERN);
      await basics(peer, tools);
      await everything(peer, tools);
      await tools.check("closes", () => peer.client.close());
    });
  }
});
