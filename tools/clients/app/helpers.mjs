// What scenarios have in common: expressions for the app's frame, and what must hold.

import { SESSION } from "./mock.mjs";

/** Names in the failure what was wanted and what was there. */
export function same(found, wanted, what) {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

export function holds(value, what) {
  if (!value) throw new Error(what);
}

export const INPUT = { session: SESSION, iteration: 3, judge: true };
export const NOTHING = {};

export const count = (selector) => `document.querySelectorAll(${JSON.stringify(selector)}).length`;
export const textOf = (selector) => `(document.querySelector(${JSON.stringify(selector)})?.textContent ?? "")`;
export const loaded = (selector, wanted) =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].filter((image) => image.complete && image.naturalWidth > 0).length === ${wanted}`;
export const says = (selector, text) => `${textOf(selector)}.includes(${JSON.stringify(text)})`;
export const click = (selector) => `document.querySelector(${JSON.stringify(selector)}).click()`;
/** The whole record of the chosen iteration is there. */
export const complete = (n) => `!document.getElementById("details").hidden && ${says("#details-title", `iteration ${n}`)} && ${count("#details .prompt")} > 0`;
export const historyCalls = (calls) => calls.filter(({ method, params }) => method === "tools/call" && params.name === "get_history").map(({ params }) => params.arguments);
/** Opens a part that is folded away in a chat. */
export const unfold = (part) => `document.querySelector(${JSON.stringify(`#${part} .fold > summary`)}).click()`;
