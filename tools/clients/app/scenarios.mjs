// What the app must do, scenario by scenario. Each gets {browser, mock, calls, show, shot}: the page's host has just been opened.

import { INPUT, NOTHING, click, complete, count, historyCalls, holds, loaded, same, says, textOf, unfold } from "./helpers.mjs";
import { SESSION, failure, hashOf, recorded, result, REFERENCE } from "./mock.mjs";

export const scenarios = [];
const scenario = (name, run, options = {}) => scenarios.push({ name, run, ...options });

scenario("a generation: pictures, bars, filmstrip, trend", async ({ browser, calls, show, shot }) => {
  await show({ input: INPUT, result: result(recorded.queue), width: 760, context: { theme: "light" } });
  await browser.until(loaded("#pictures img", 2));
  await browser.until(complete(3));
  same(await browser.app(count("#film [data-iteration]")), 6, "iterations in the filmstrip");
  same(await browser.app(count("#bars .bar")), 10, "axes");
  same(await browser.app(count("#bars-body > .bars > .bar")), 3, "axes that are not folded away");
  same(await browser.app(textOf("#bars .bar-name")), "colour", "the worst axis");
  holds(await browser.app(says("#bars .bar-words", "green → purple | green")), "the words of reference and picture");
  holds(await browser.app(says(".summary", "Most off: colour, position, subject")), await browser.app(textOf(".summary")));
  same(historyCalls(calls), [{ session: SESSION }, { session: SESSION, iteration: 3 }], "what was asked of the history");
  holds(calls.some(({ params }) => params?.uri === `calibrator://pictures/${hashOf(REFERENCE)}/preview`), "the reference was read");
  holds((await browser.app("document.body.getBoundingClientRect().height")) < 780, "the page is taller than a chat can bear");
  await shot("generation-760");
  await browser.app(unfold("history"));
  await browser.until(`${count("#trend [data-point]")} === 6`);
  holds((await browser.app(`document.querySelector("#trend svg + svg").clientWidth`)) > 300, "the chart takes the width that there is");
  holds(await browser.app(`${says("#legend", "the way to iteration 3")} && ${says("#legend", "other ways")}`), "what the lines mean");
  await browser.app(unfold("details"));
  await shot("unfolded-760");
});

scenario("another iteration: by click and by keyboard", async ({ browser, calls, show }) => {
  await show({ input: INPUT, result: result(recorded.queue) });
  await browser.until(complete(3));
  await browser.until(loaded("#pictures img", 2));
  const before = await browser.app(`document.querySelectorAll("#pictures img")[1].src`);
  await browser.app(click("#film [data-iteration='2']"));
  await browser.until(complete(2));
  await browser.until(`${loaded("#pictures img", 2)} && document.querySelectorAll("#pictures img")[1].src !== ${JSON.stringify(before)}`);
  same(historyCalls(calls).at(-1), { session: SESSION, iteration: 2 }, "the call for iteration 2");
  holds(await browser.app(says("h1", "Iteration 2")), "the title");
  holds(await browser.app(says("#bars", "green → purple | green")), "words out of the history");
  await browser.app(`document.querySelector("#film [aria-current]").focus()`);
  await browser.press("ArrowLeft");
  await browser.until(complete(1));
  same(await browser.app("document.activeElement.dataset.iteration"), "1", "the focus goes along");
  const asked = historyCalls(calls).length;
  await browser.app(click("#film [data-iteration='2']"));
  await browser.until(says("h1", "Iteration 2"));
  same(historyCalls(calls).length, asked, "what is known is not asked again");
  holds(await browser.app(`${count("#details ins")} > 0 && ${says("#details ins", "cyan")}`), "what changed in the prompt");
});

scenario("the slider, by keyboard", async ({ browser, show, shot }) => {
  await show({ input: INPUT, result: result(recorded.queue) });
  await browser.until(loaded("#pictures img", 2));
  await browser.until(complete(3));
  await browser.app(click("#views [value=wipe]"));
  await browser.app(`document.querySelector(".wipe input").focus()`);
  await browser.press("ArrowLeft");
  await browser.until(`document.querySelector(".wipe input").value === "49"`);
  same(await browser.app(`document.querySelector(".wipe").style.getPropertyValue("--at")`), "49%", "the edge");
  await shot("slider-760");
  await browser.app(click("#film [data-iteration='5']"));
  await browser.until(complete(5));
  same(await browser.app(`document.querySelector(".wipe input").value`), "49", "the edge stays for the next iteration");
});

scenario("the host's theme, its colours and its changes", async ({ browser, show, shot }) => {
  const ground = `getComputedStyle(document.documentElement).backgroundColor`;
  await show({ input: INPUT, result: result(recorded.queue), width: 760, context: { theme: "dark" } });
  await browser.until(loaded("#pictures img", 2));
  await browser.until(complete(3));
  same(await browser.app(ground), "rgb(20, 24, 27)", "dark, though the browser prefers light");
  await shot("generation-dark-760");
  await browser.host(`host.changeContext({ theme: "light" })`);
  await browser.until(`${ground} === "rgb(246, 247, 245)"`);
  const variables = { "--color-background-primary": "rgb(1, 2, 3)", "--color-text-primary": "rgb(250, 250, 250)" };
  await browser.host(`host.changeContext(${JSON.stringify({ styles: { variables } })})`);
  await browser.until(`${ground} === "rgb(1, 2, 3)"`);
});

scenario("without a theme from the host, the reader's own", async ({ browser, show }) => {
  await show({ input: INPUT, result: result(recorded.queue) });
  same(await browser.app(`getComputedStyle(document.documentElement).backgroundColor`), "rgb(20, 24, 27)", "dark");
}, { scheme: "dark" });

for (const [width, theme] of [[320, "light"], [360, "light"], [360, "dark"], [560, "light"]]) {
  scenario(`at ${width} px, ${theme}: nothing sticks out, and the host learns the size`, async ({ browser, show, shot }) => {
    await show({ input: INPUT, result: result(recorded.queue), width, context: { theme } });
    await browser.until(loaded("#pictures img", 2));
    await browser.until(complete(3));
    holds(await browser.app("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its frame");
    // The last size that was announced is the size of the page: nothing is cut off, nothing scrolls within the chat.
    await browser.until("document.body.getBoundingClientRect().height <= innerHeight");
    same(await browser.app("document.documentElement.clientWidth"), width, "the width without a scroll bar");
    const sizes = await browser.host("host.seen.sizes");
    same(sizes.at(-1), { width, height: await browser.app("Math.ceil(document.body.getBoundingClientRect().height)") }, "the announced size");
    await shot(`generation-${theme}-${width}`);
  });
}

scenario("21 axes, some of them not counted", async ({ browser, show, shot }) => {
  await show({ input: { reference: "a.png", generated: "b.png" }, result: result(many(), null) });
  await browser.until(loaded("#pictures img", 2));
  same(await browser.app(count("#bars-body > .bars > .bar")), 3, "the worst");
  same(await browser.app(count("#bars .more .bar")), 15, "the rest");
  same(await browser.app(count("#bars .uncounted li")), 3, "those that do not count");
  holds(await browser.app(says("h1", "Two pictures")), "the title of a judgement outside of a session");
  same(await browser.app(`document.getElementById("film").hidden`), true, "no filmstrip");
  await shot("portrait-760");
});

scenario("21 axes at 360 px, dark", async ({ browser, show, shot }) => {
  await show({ width: 360, context: { theme: "dark" }, input: NOTHING, result: result(many(), null) });
  await browser.until(loaded("#pictures img", 2));
  await shot("portrait-dark-360");
});

const HOSTILE = `<img src=x onerror="parent.hacked=1"><script>window.hacked=1</script>&lt;b&gt;\u202Egnp.exe ${"W".repeat(300)}`;

scenario("hostile texts stay texts", async ({ browser, mock, show, shot }) => {
  const queue = structuredClone(recorded.queue);
  Object.assign(queue, { summary: HOSTILE, decision: "constructor" });
  queue.axes.forEach((axis, index) => Object.assign(axis, { ref: HOSTILE, gen: HOSTILE, verdict: "toString", ...(index === 0 ? { id: "__proto__" } : {}) }));
  queue.rest = { [HOSTILE]: HOSTILE, constructor: 0.5 };
  const full = structuredClone(recorded.iterations[3]);
  for (const judgement of full.iterations[0].judgements) judgement.axes[HOSTILE] = `0.10 mismatch; ref: ${HOSTILE}; gen: ${HOSTILE}`;
  Object.assign(full.iterations[0], { note: HOSTILE, positive: HOSTILE, negative: HOSTILE, decisions: [HOSTILE], state: HOSTILE,
    changes: { [HOSTILE]: { from: HOSTILE, to: HOSTILE }, other: { from: { a: HOSTILE }, to: null } } });
  const trend = structuredClone(recorded.trend);
  for (const row of trend.iterations) Object.assign(row, { note: HOSTILE, state: HOSTILE });
  mock.history = { trend, iterations: { 3: full } };
  await show({ width: 360, input: INPUT, result: result(queue) });
  await browser.until(complete(3));
  await browser.until(loaded("#pictures img", 2));
  same(await browser.app(count("script, img:not([src^='data:image/png;base64,'])")), 1, "scripts and pictures, of which the page's own script is one");
  same(await browser.app("typeof window.hacked"), "undefined", "a script out of a text ran");
  same(await browser.host("typeof window.hacked"), "undefined", "a script out of a text ran in the host");
  holds(await browser.app(says("#details", HOSTILE.slice(0, 60))), "the text is there as it was written");
  holds(await browser.app("document.documentElement.scrollWidth <= innerWidth"), "a long text makes the page wider than its frame");
  const height = "document.body.getBoundingClientRect().height";
  holds((await browser.app(height)) < 1500, "long texts make the page tall");
  await shot("hostile-360");
  for (const part of ["history", "details"]) await browser.app(unfold(part));
  await browser.until(`${count("#trend [data-point]")} === 6`);
  holds((await browser.app(height)) < 3500, "long texts make the opened page tall");
  holds(await browser.app("document.documentElement.scrollWidth <= innerWidth"), "a long text makes the opened page wider than its frame");
  await shot("hostile-unfolded-360");
});

scenario("explicit work is veiled until the reader lifts it", async ({ browser, mock, show, shot }) => {
  const view = { explicit: true, reference: `calibrator://pictures/${hashOf(REFERENCE)}` };
  mock.view = view;
  await show({ input: INPUT, result: result(recorded.queue, view) });
  await browser.until(loaded("#pictures img", 2));
  await browser.until(complete(3));
  const veils = `[...document.querySelectorAll(".veil")]`;
  holds(await browser.app(`${veils}.length > 8 && ${veils}.every((node) => node.inert && getComputedStyle(node).filter.includes("blur"))`), "pictures and words are veiled");
  await shot("veiled-760");
  await browser.app(`document.getElementById("reveal").focus()`);
  await browser.press("Enter");
  await browser.until(`${veils}.every((node) => !node.inert && getComputedStyle(node).filter === "none")`);
  same(await browser.app(`document.activeElement.id + document.activeElement.getAttribute("aria-pressed")`), "revealtrue", "the button");
  await browser.app(click("#film [data-iteration='2']"));
  await browser.until(complete(2));
  holds(await browser.app(`${veils}.every((node) => !node.inert)`), "it stays lifted");
});

scenario("a host that gives neither tools nor pictures", async ({ browser, calls, show, shot }) => {
  const images = recorded.queue.runs.flatMap((run) => run.pictures).map(hashOf);
  await show({ capabilities: {}, input: INPUT, result: result(recorded.queue, undefined, images), width: 760 });
  await browser.until(loaded("#pictures img", 1));
  holds(await browser.app(says("#pictures", "does not hand stored pictures")), "why there is no reference");
  same(await browser.app(count("#bars .bar")), 10, "axes, out of the result alone");
  same(await browser.app(`document.getElementById("film").hidden`), true, "no filmstrip");
  same(await browser.app(count("button:not([hidden] *)")), 0, "no button that could not work");
  same(await browser.app(count("#views [name=run]")), 2, "both seeds can be seen");
  same(calls.filter(({ method }) => method === "tools/call").length, 0, "calls of tools");
  await shot("alone-760");
});

scenario("a host that passes on the text of a result only", async ({ browser, show }) => {
  const { content } = result(recorded.queue);
  await show({ capabilities: {}, input: INPUT, result: { content } });
  await browser.until(`${count("#bars .bar")} === 10 && ${says("h1", "Iteration 3")}`);
});

scenario("a contact sheet and no pictures", async ({ browser, show }) => {
  await show({ capabilities: {}, input: { session: SESSION, iteration: 3 }, result: result(recorded.judge, undefined, ["5a5a5a5a5a5a5a5a"]) });
  await browser.until(loaded("#pictures img.sheet", 1));
});

scenario("a judgement of an iteration with two seeds", async ({ browser, show }) => {
  await show({ input: { session: SESSION, iteration: 3 }, result: result(recorded.judge) });
  await browser.until(complete(3));
  same(await browser.app(textOf(".overall b")), "0.82", "the mean of both seeds, as everywhere");
  same(await browser.app(count("#views [name=run]")), 2, "both seeds can be seen");
});

scenario("pictures that cannot be read", async ({ browser, mock, show }) => {
  mock.pictures = false;
  await show({ input: INPUT, result: result(recorded.queue) });
  await browser.until(`${textOf("#pictures")}.split("could not be read").length === 3`);
  await browser.until(complete(3));
});

scenario("a run that goes on, and then has ended", async ({ browser, mock, calls, show, shot }) => {
  const running = { summary: `Iteration 3 of session ${SESSION} goes on (12 of 30). Call queue_generation with only session and iteration for its result.`, state: "running", session: SESSION, iteration: 3 };
  const trend = structuredClone(recorded.trend);
  trend.iterations.length = 3;
  trend.summary = `Session ${SESSION}: 3 of at most 12 iterations, target 0.85; best 0.72 (iteration 2). Iteration 3 runs now (sampling, 14 of 30).`;
  Object.assign(trend.iterations[2], { state: "running", overall_score: undefined, decision: undefined });
  const third = structuredClone(recorded.iterations[3]);
  Object.assign(third.iterations[0], { state: "running", runs: [], judgements: [], decisions: undefined, decision: undefined });
  mock.history = { trend, iterations: { ...recorded.iterations, 3: third } };
  await show({ input: INPUT, result: result(running) });
  await browser.until(complete(3));
  same(await browser.app(textOf(".summary")), "Still running: sampling, 14 of 30.", "how far it is");
  same(await browser.app(count("#film [data-iteration]")), 3, "the iterations before");
  await shot("running-760");
  mock.reset();
  const asked = calls.length;
  await browser.app(click("#again"));
  await browser.until(`${count("#bars .bar")} === 10 && ${loaded("#pictures img", 2)}`);
  holds(await browser.app(says("h1", "kept")), "the decision");
  same(await browser.app(count("#again")), 0, "nothing is left to look for");
  same(historyCalls(calls.slice(asked)), [{ session: SESSION }, { session: SESSION, iteration: 3 }], "what looking again asked");
});

scenario("a judgement that goes on, and then has ended", async ({ browser, mock, show }) => {
  const goesOn = { summary: 'Not done yet (reading the reference). It goes on; call judge_pair with handle "h1" to wait for it.', handle: "h1" };
  const third = structuredClone(recorded.iterations[3]);
  third.iterations[0].judgements = [];
  mock.history = { ...mock.history, iterations: { 3: third } };
  await show({ input: { session: SESSION, iteration: 3 }, result: result(goesOn) });
  await browser.until(complete(3));
  holds(await browser.app(`${says("#notice", "The judgement goes on.")} && ${says("h1", "Iteration 3")} && ${count("#again")} === 1`), "what it says");
  mock.reset();
  await browser.app(click("#again"));
  await browser.until(`${count("#bars .bar")} === 10 && ${count("#again")} === 0`);
  holds(!(await browser.app(says("#notice", "goes on"))), "it has ended");
});

scenario("a question", async ({ browser, show, shot }) => {
  const question = { summary: "Which node takes the prompt?", state: "question", question: { role: "positive", candidates: { "2.text": "Positive Prompt: a dog", "3.text": "Other: x" } } };
  await show({ input: {}, result: result(question, null) });
  await browser.until(says("#notice", "Which node takes the prompt?"));
  same(await browser.app(count("#notice dt")), 2, "its candidates");
  await shot("question-760");
});

scenario("an error", async ({ browser, show, shot }) => {
  await show({ input: INPUT, result: failure("ComfyUI is out of memory\nWhat to do: smaller pictures.") });
  await browser.until(`${says("#notice .error", "out of memory")} && ${count("#film [data-iteration]")} === 6`);
  await browser.until(complete(3));
  await browser.until(loaded("#pictures img", 2));
  holds(await browser.app(says("#notice .error", "out of memory")), "the error stays while the session is read");
  await shot("error-760");
});

scenario("a session that cannot be read", async ({ browser, show }) => {
  const queue = { ...recorded.queue, iteration: 99 };
  await show({ input: { session: SESSION, iteration: 99 }, result: result(queue) });
  await browser.until(says("#notice .error", "has no iteration 99"));
  same(await browser.app(count("#bars .bar")), 10, "the result is shown all the same");
});

scenario("a reference alone", async ({ browser, show, shot }) => {
  await show({ capabilities: { serverResources: {} }, input: { session: SESSION }, result: result(recorded.target) });
  await browser.until(loaded("#pictures img", 1));
  same(await browser.app(count("#bars dt")), 10, "what it shows");
  await shot("target-760");
});

scenario("the history as the result", async ({ browser, show }) => {
  await show({ input: { session: SESSION }, result: result(recorded.trend) });
  await browser.until(complete(6));
  same(await browser.app(count("#film [data-iteration]")), 6, "iterations");
});

scenario("a list of sessions", async ({ browser, show }) => {
  await show({ input: {}, result: result(recorded.sessions, null) });
  await browser.until(`${says("#notice", "1 session(s)")} && ${count("#notice dt")} === 1`);
});

scenario("a call that was cancelled", async ({ browser, show }) => {
  await show({ input: INPUT, cancelled: "by the reader" });
  await browser.until(`${says("#notice", "The call was cancelled.")} && ${says("#notice", "by the reader")}`);
});

scenario("while the tool is at work", async ({ browser, show }) => {
  await show({ input: INPUT, context: { toolInfo: { tool: { name: "queue_generation", inputSchema: { type: "object" } } } } });
  await browser.until(says("#notice", "Generating. Iteration 3."));
});

scenario("full screen, where the host has it", async ({ browser, show, shot }) => {
  const button = `[...document.querySelectorAll("#head button")].find((button) => button.textContent === "Full screen")`;
  await show({ input: INPUT, result: result(recorded.queue), width: 1100, context: { availableDisplayModes: ["inline", "fullscreen"] } });
  await browser.until(complete(3));
  await browser.app(`${button}.click()`);
  await browser.until(says("#head", "Back to the chat"));
  same(await browser.host("host.seen.modes"), ["fullscreen"], "what was asked of the host");
  await browser.until(`${count("#trend [data-point]")} === 6 && ${count(".fold[open]")} === 2`);
  same(await browser.app(count("#bars-body > .bars > .bar")), 6, "axes that are not folded away");
  await browser.until(loaded("#pictures img", 2));
  await shot("fullscreen-1100");
}, { width: 1100 });

scenario("a host that does not follow the page's height", async ({ browser, show }) => {
  await show({ input: INPUT, result: result(recorded.queue), height: 300 });
  await browser.until(complete(3));
  await browser.until(`getComputedStyle(document.documentElement).overflowY !== "hidden"`);
});

scenario("the host takes the page away", async ({ browser, show }) => {
  await show({ input: INPUT, result: result(recorded.queue) });
  same(await browser.host("host.teardown()"), {}, "the answer");
});

scenario("opened without a host", async ({ browser, alone }) => {
  await alone();
  same(await browser.host(says("#notice", "Opened by itself it has nothing to show")), true, "what it says");
});

/** A judgement with the default rubric's names and sentences of a large judge. */
function many() {
  const axis = (id, score, ref, gen, verdict) => ({ id, score, raw: score, position_bias: 0.02, std: 0.06, ref, gen, verdict });
  const axes = [
    axis("hair_colour", 0.08, "copper red", "platinum blond", "mismatch"),
    axis("pose", 0.22, "leaning on a railing, weight on the left leg", "standing upright, arms crossed", "mismatch"),
    axis("lighting", 0.35, "low sun from the left, long shadows", "overcast, no shadows", "mismatch"),
    axis("clothing_upper", 0.48, "dark green wool coat with a high collar, buttoned to the top", "light green rain coat, open collar", "partial"),
    axis("background", 0.66, "harbour with cranes", "river with a bridge", "partial"),
    axis("camera_angle", 0.79, "eye level", "slightly from below", "partial"),
  ];
  const names = ["age", "gaze", "expression", "framing", "focus", "palette", "grain", "weather", "season", "hair_length", "skin", "style"];
  const rest = Object.fromEntries(names.map((name, index) => [name, 0.8 + index / 70]));
  return {
    summary: "Overall 0.58 (0.53-0.63). Worst: hair_colour 0.08 (ref: copper red; gen: platinum blond).",
    overall_score: 0.58, overall_ci: [0.53, 0.63], axes,
    rest: { ...rest, hands: "not_visible", tattoos: "refused", text_in_picture: "unresolved" },
    signals: {}, judge: "0123456789abcdef", pictures: [recorded.judge.pictures[0], recorded.judge.pictures[1]],
  };
}
