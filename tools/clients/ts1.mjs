// The TypeScript SDK 1: the era of `initialize`, on all three transports.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { LIMIT_MS, bench, client, event, stdio, versionOf } from "./lib.mjs";
import { basics, everything } from "./suite.mjs";

/** Connects, and hides what differs from the other library. */
async function connected(transport, elicits) {
  const capabilities = elicits ? { elicitation: {} } : {};
  const sdk = new Client({ name: "ts1", version: "1" }, { capabilities });
  const peer = { client: sdk, elicits, asked: [], era: "legacy" };
  if (elicits) {
    sdk.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      peer.asked.push(params);
      const [name] = Object.keys(params.requestedSchema.properties);
      return { action: "accept", content: { [name]: "9.value" } };
    });
  }
  peer.call = (name, given, options) => sdk.callTool({ name, arguments: given }, undefined, { timeout: LIMIT_MS, ...options });
  peer.updates = async (uri) => {
    const next = event(`an update of ${uri}`);
    sdk.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      if (params.uri === uri) next.happened();
    });
    await sdk.subscribeResource({ uri });
    return { next, close: () => sdk.unsubscribeResource({ uri }) };
  };
  await sdk.connect(transport);
  return peer;
}

await client("TypeScript SDK", versionOf("@modelcontextprotocol/sdk"), async (tools) => {
  const transports = {
    // It can be asked.
    http: [() => new StreamableHTTPClientTransport(new URL(bench.http)), true],
    stdio: [() => new StdioClientTransport({ ...stdio("ts1"), stderr: "ignore" }), false],
    sse: [() => new SSEClientTransport(new URL(bench.sse)), false],
  };
  for (const [name, [transport, elicits]] of Object.entries(transports)) {
    await tools.connection(name, async () => {
      const peer = await tools.check(name, () => connected(transport(), elicits));
      await basics(peer, tools);
      await everything(peer, tools);
      await tools.check("closes", () => peer.client.close());
    });
  }
});
