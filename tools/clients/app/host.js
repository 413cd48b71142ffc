// The host: a page with a frame, the official bridge, and an MCP client that speaks to the server through this page's own origin.
// `show` puts the app into the frame as a chat would; everything that the tests want to know is kept in `seen`.

import { AppBridge, PostMessageTransport, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** What the specification gives an app that asks for nothing. */
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
  + "media-src 'self' data:; connect-src 'none'";
const HOST = { name: "host-of-the-test", version: "1" };

const seen = { sizes: [], modes: [], initialized: false };
let client = null;
let bridge = null;

async function connected() {
  if (client) return client;
  client = new Client(HOST);
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
  return client;
}

function frameOf(html, { width = 760, height = 200 }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.style.cssText = `display: block; border: 0; width: ${width}px; height: ${height}px;`;
  frame.srcdoc = html.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}">`);
  return frame;
}

/** The page that the tools name. */
async function pageOf(server) {
  const { tools } = await server.listTools();
  const { contents: [{ text }] } = await server.readResource({ uri: tools.map(getToolUiResourceUri).find(Boolean) });
  return text;
}

/** options: {width, height (if the frame is to keep one), capabilities, context, input, result, call, cancelled, silent}. Resolves once the app has got everything. */
async function show(options) {
  const server = await connected();
  const html = options.html ?? (await pageOf(server));
  const frame = frameOf(html, options);
  if (options.silent) {
    document.body.replaceChildren(frame);
    return;
  }
  const context = { availableDisplayModes: ["inline"], displayMode: "inline", ...options.context };
  bridge = new AppBridge(server, HOST, options.capabilities ?? { serverTools: {}, serverResources: {} }, { hostContext: context });
  bridge.onsizechange = (size) => {
    seen.sizes.push(size);
    if (size.height && !options.height) frame.style.height = `${size.height}px`;
  };
  bridge.onrequestdisplaymode = async ({ mode }) => {
    seen.modes.push(mode);
    return { mode };
  };
  const initialized = new Promise((resolve) => { bridge.oninitialized = () => { seen.initialized = true; resolve(); }; });
  document.body.replaceChildren(frame);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await initialized;
  await feed(options);
}

/** What a chat tells the app of the tool call. */
async function feed({ input, result, call, cancelled }) {
  if (input ?? call) await bridge.sendToolInput({ arguments: input ?? call.arguments });
  if (cancelled !== undefined) await bridge.sendToolCancelled({ reason: cancelled });
  if (call) await bridge.sendToolResult(await client.callTool(call));
  if (result) await bridge.sendToolResult(result);
}

const callTool = async (call) => (await connected()).callTool(call);
const changeContext = (context) => bridge.sendHostContextChange(context);
const teardown = () => bridge.teardownResource({});

Object.assign(window, { host: { show, feed, seen, callTool, changeContext, teardown } });
