// The page's end of the line to its host: JSON-RPC 2.0 over postMessage. Nothing in here knows about calibrations.

/** What an answer says when the other side does not know the method. */
const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;

/** A request that was refused, or that nobody answered in time (then it has no code). */
class HostError extends Error {
  constructor(message, code = null) {
    super(message);
    this.name = "HostError";
    this.code = code;
  }
}

/**
 * Speaks with the window `peer`. `handlers` maps methods to functions of the params; what the handler of a request gives back,
 * at once or later, is its answer. Gives {request, notify}.
 *
 * Messages go to any origin: a page in a sandbox cannot know its host's, and nothing that it says is secret. What comes in
 * counts only when it comes from that very window.
 */
function connectTo(peer, handlers) {
  const waiting = new Map();
  let last = 0;
  const send = (message) => peer.postMessage({ jsonrpc: "2.0", ...message }, "*");
  const notify = (method, params = {}) => send({ method, params });

  function request(method, params = {}, seconds = 60) {
    const id = ++last;
    return new Promise((resolve, reject) => {
      const tooLate = () => {
        waiting.delete(id);
        notify("notifications/cancelled", { requestId: id, reason: "no answer in time" });
        reject(new HostError(`no answer to ${method} within ${seconds} s`));
      };
      waiting.set(id, { resolve, reject, timer: setTimeout(tooLate, seconds * 1000) });
      send({ id, method, params });
    });
  }

  function settle({ id, result, error }) {
    const asked = waiting.get(id);
    if (!asked) return;
    waiting.delete(id);
    clearTimeout(asked.timer);
    if (error) asked.reject(new HostError(String(error.message ?? "refused without a reason"), error.code ?? null));
    else asked.resolve(result ?? {});
  }

  async function answer({ id, method, params }) {
    if (!Object.hasOwn(handlers, method)) {
      send({ id, error: { code: METHOD_NOT_FOUND, message: `this page has no method ${method}` } });
      return;
    }
    try {
      send({ id, result: (await handlers[method](params ?? {})) ?? {} });
    } catch (error) {
      send({ id, error: { code: INTERNAL_ERROR, message: String(error?.message ?? error) } });
    }
  }

  function hear({ source, data: message }) {
    if (source !== peer || message?.jsonrpc !== "2.0") return;
    if (typeof message.method !== "string") settle(message);
    else if (message.id !== undefined && message.id !== null) answer(message);
    else if (Object.hasOwn(handlers, message.method)) handlers[message.method](message.params ?? {});
  }

  addEventListener("message", hear);
  return { request, notify };
}
