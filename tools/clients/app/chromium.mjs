// A headless Chromium, driven over its DevTools protocol.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const LIMIT = 30_000;

/** Nothing that is waited for may hang: this says what did. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${LIMIT / 1000} s: ${what}`)), LIMIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function launch(name, profile) {
  // A sandboxed frame in a process of its own would be a target of its own; here it is a frame like any other.
  const flags = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0",
    "--disable-features=IsolateSandboxedIframes", "--force-color-profile=srgb", `--user-data-dir=${profile}`, "about:blank",
  ];
  const child = spawn(name, flags, { stdio: ["ignore", "ignore", "pipe"] });
  const listening = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${name} ended`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      const [, url] = /DevTools listening on (ws:\S+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
  });
  return within(listening, `${name} to listen`).then((url) => ({ child, url }));
}

export class Browser {
  static async start() {
    const profile = mkdtempSync(join(tmpdir(), "app-test-"));
    for (const name of NAMES) {
      const started = await launch(name, profile).catch((error) => (error.code === "ENOENT" ? null : Promise.reject(error)));
      if (started) return new Browser(profile, started.child).#attach(started.url);
    }
    throw new Error(`none of ${NAMES.join(", ")} is here`);
  }

  constructor(profile, child) {
    Object.assign(this, { profile, child, number: 0, waiting: new Map(), events: [], listeners: new Set(), contexts: new Map() });
  }

  async #attach(url) {
    this.socket = new WebSocket(url);
    await within(new Promise((resolve, reject) => Object.assign(this.socket, { onopen: resolve, onerror: reject })), "the browser");
    this.socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank" });
    ({ sessionId: this.session } = await this.ask("Target.attachToTarget", { targetId, flatten: true }));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.ask(`${domain}.enable`);
    return this;
  }

  #hear(message) {
    if (message.id) {
      const { resolve, reject, method } = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error) reject(new Error(`${method}: ${message.error.message}`));
      else resolve(message.result);
      return;
    }
    const { method, params } = message;
    if (method === "Runtime.executionContextCreated") this.contexts.set(params.context.auxData.frameId, params.context.id);
    this.events.push(message);
    for (const listener of this.listeners) listener(message);
  }

  ask(method, params = {}) {
    const id = ++this.number;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, method }));
    this.socket.send(JSON.stringify({ id, method, params, ...(this.session ? { sessionId: this.session } : {}) }));
    return within(answer, method);
  }

  /** A new page, with nothing left of the one before. */
  async open(url, { width = 800, height = 900, scheme = "light" } = {}) {
    await this.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    await this.ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    this.events.length = 0;
    this.contexts.clear();
    const loaded = this.event("Page.loadEventFired");
    await this.ask("Page.navigate", { url });
    await loaded;
  }

  event(method) {
    const found = new Promise((resolve) => {
      const listener = (message) => {
        if (message.method !== method) return;
        this.listeners.delete(listener);
        resolve(message.params);
      };
      this.listeners.add(listener);
    });
    return within(found, method);
  }

  async #evaluate(expression, contextId) {
    const params = { expression, contextId, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", params);
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** The value of an expression in the host's page. */
  host(expression) {
    return this.#evaluate(expression);
  }

  /** The value of an expression in the app's frame. */
  async app(expression) {
    const { frameTree } = await this.ask("Page.getFrameTree");
    const frame = frameTree.childFrames?.[0]?.frame.id;
    return this.#evaluate(expression, this.contexts.get(frame));
  }

  /** Waits until an expression in the app's frame holds. */
  until(expression) {
    const look = `new Promise((resolve) => {
      const look = () => { if (${expression}) resolve(true); else requestAnimationFrame(look); };
      look();
    })`;
    return within(this.app(look), expression).catch((error) => { throw new Error(`never came true: ${expression} (${error.message})`); });
  }

  async press(key) {
    const text = key === "Enter" ? "\r" : key === " " ? " " : undefined;
    for (const type of ["keyDown", "keyUp"]) {
      await this.ask("Input.dispatchKeyEvent", { type, key, code: key, ...(type === "keyDown" && text ? { text } : {}) });
    }
  }

  async screenshot(clip) {
    const { data } = await this.ask("Page.captureScreenshot", { format: "png", captureBeyondViewport: true, clip: { ...clip, scale: 1 } });
    return Buffer.from(data, "base64");
  }

  /** What went wrong since the page was opened, and what the app asked of the network. */
  complaints(origin) {
    const found = [];
    for (const { method, params } of this.events) {
      if (method === "Runtime.exceptionThrown") found.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === "Log.entryAdded" && params.entry.level !== "verbose") found.push(`${params.entry.text} ${params.entry.url ?? ""}`);
      if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
        found.push(`console.${params.type}: ${params.args.map((arg) => arg.value ?? arg.description).join(" ")}`);
      }
      if (method === "Network.requestWillBeSent") {
        const { url } = params.request;
        const ours = url.startsWith(`${origin}/`) && !params.documentURL.startsWith("about:");
        if (!ours && !url.startsWith("data:") && !url.startsWith("about:")) found.push(`asked the network for ${url}`);
      }
    }
    return found;
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.session = null;
    await this.ask("Browser.close").catch(() => this.child.kill());
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
