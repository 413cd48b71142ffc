// The page in a chat: draws what `ask.js` knows, keeps the reader's choices, and starts everything.
//
// `show` draws all of it anew; the other show functions draw one place of the page each.

/** Axes that are not folded away. */
const FIRST_AXES = 6;
const AT_WORK = { queue_generation: "Generating.", judge_pair: "Judging.", get_history: "Reading the history." };

const byId = (id) => document.getElementById(id);

// ---- head ------------------------------------------------------------------

function notice(...nodes) {
  byId("notice").replaceChildren(...nodes.filter(Boolean));
  applyVeil();
}

function tellProblem(error) {
  known.problem = error.message;
  showNotice();
}

function showHead() {
  const iteration = chosen();
  byId("kicker").replaceChildren("Prompt calibration ", known.session ? el("span", {}, `Session ${known.session}`) : "");
  byId("verdict").replaceChildren(
    ...(iteration ? verdict(iteration) : []),
    warnings(iteration?.flags ?? asList(known.content?.flags)),
    el("div", { class: "steps" }, [known.explicit ? revealButton() : null, lookAgainButton(iteration), fullscreenButton()]));
}

/** Where there is no filmstrip to see it in. */
function bestOther(iteration) {
  const { iteration: n, overall_score: score } = asTable(known.content?.best);
  return known.iterations.length > 1 || iteration.n !== known.asked || asNumber(score) === null ? "" : `; iteration ${n} has ${two(score)}`;
}

/** What a person wants to know first: which one, how good, and what is off. */
function verdict(iteration) {
  const scored = iteration.score !== null;
  const between = interval(iteration.low, iteration.high);
  const score = scored ? el("p", { class: "overall" }, el("b", {}, two(iteration.score)), " ",
    el("span", {}, [between ? `overall, ${between}` : "overall", bestOther(iteration)].join(""))) : null;
  return [
    el("div", { class: "verdict" },
      el("h1", {}, iteration.n ? `Iteration ${iteration.n} ` : "Two pictures ", iteration.n ? standingOf(iteration) : null), score),
    el("p", { class: "summary" }, off(iteration)),
  ];
}

function warnings(flags) {
  const texts = Object.keys(WARNINGS).filter((flag) => flags.includes(flag)).map((flag) => WARNINGS[flag]);
  return texts.length ? el("ul", { class: "warnings", "aria-label": "Warnings" }, texts.map((text) => el("li", {}, text))) : "";
}

function standingOf(iteration) {
  const words = standing(iteration);
  const best = iteration.n === known.best ? "best" : "";
  // "no decision" says nothing about an iteration that was never judged.
  if (words === MARKS.none) return best ? el("span", { class: "standing" }, best) : null;
  return el("span", { class: "standing" }, markIcon(markOf(iteration)), words, best ? ", best" : "");
}

function off(iteration) {
  if (iteration.state === "running" || iteration.state === "stopping") return `${iteration.state === "running" ? "Still running" : "Being stopped"}.`;
  const results = Object.entries(iteration.axes).filter(([, { score }]) => score !== null);
  if (!results.length) return STATES[iteration.state] ?? "Not judged yet.";
  const worst = results.filter(([, { verdict: word }]) => word === "mismatch" || word === "partial").sort((a, b) => a[1].score - b[1].score);
  if (!worst.length) return "Nothing is clearly off.";
  const names = worst.slice(0, 3).map(([id]) => axisName(id));
  return `Most off: ${names.join(", ")}${worst.length > 3 ? ` and ${worst.length - 3} more` : ""}.`;
}

function fullscreenButton() {
  if (!asList(host.context.availableDisplayModes).includes("fullscreen")) return null;
  const full = host.context.displayMode === "fullscreen";
  const change = async () => {
    const { mode } = await line.request("ui/request-display-mode", { mode: full ? "inline" : "fullscreen" });
    takeContext({ displayMode: mode });
    show();
  };
  return el("button", { type: "button", click: () => change().catch(tellProblem) }, full ? "Back to the chat" : "Full screen");
}

function lookAgainButton(iteration) {
  const goesOn = known.content?.handle || (iteration && !SETTLED.includes(iteration.state));
  if (!goesOn || !known.session || !host.tools) return null;
  return el("button", { type: "button", id: "again", click: () => lookAgain().catch(tellProblem) }, "Look again");
}

/** The label stays the same and aria-pressed says the state, as screen readers expect of a toggle. */
function revealButton() {
  const root = document.documentElement;
  const lift = () => {
    root.classList.toggle("veiled");
    show();
    byId("reveal").focus();
  };
  const lifted = !root.classList.contains("veiled");
  return el("button", { type: "button", id: "reveal", "aria-pressed": String(lifted), click: lift }, "Show explicit content");
}

/** Blurred content is also kept from selection, from find-in-page and from screen readers. */
function applyVeil() {
  if (!known.explicit) return;
  const veiled = document.documentElement.classList.contains("veiled");
  for (const node of document.querySelectorAll(".veil")) node.inert = veiled;
}

// ---- stage -----------------------------------------------------------------

function whyMissing(place) {
  if (place.problem) return place.problem;
  if (place.address && !host.resources) return "This host does not hand stored pictures to the page.";
  return place.address || place.inline ? "Loading the picture." : null;
}

const referenceView = () => ({
  picture: known.reference.picture, label: "Reference", detail: "",
  missing: whyMissing(known.reference) ?? "The reference is not part of this result.",
});

function generatedView(iteration) {
  const run = shownRun();
  const facts = [run?.seed ? `seed ${run.seed}` : "", typeof run?.score === "number" ? two(run.score) : ""];
  const missing = (run && (run.error || whyMissing(run))) ?? (iteration.state === "done" ? "There is no picture of this iteration here." : STATES[iteration.state]);
  return { picture: run?.picture ?? null, label: "Generated", detail: facts.filter(Boolean).join(", "), missing: missing ?? "Not ready yet." };
}

function showPictures() {
  const iteration = chosen();
  if (!iteration) {
    byId("pictures").replaceChildren(known.reference.address ? aloneView() : "");
    applyVeil();
    return;
  }
  const held = byId("pictures").contains(document.activeElement);
  byId("pictures").replaceChildren(drawingOf([referenceView(), generatedView(iteration)]));
  if (held) byId("pictures").querySelector("input")?.focus({ preventScroll: true });
  applyVeil();
}

function drawingOf(views) {
  if (known.sheet && !views[0].picture && !views[1].picture) {
    return el("figure", {}, el("img", { class: "sheet veil", src: known.sheet, alt: "Contact sheet of reference and picture" }));
  }
  return reader.view === "wipe" ? slider(...views, reader.wipe, (at) => { reader.wipe = at; }) : sideBySide(...views);
}

const aloneView = () => el("figure", { class: "alone" }, framed(referenceView()), caption(referenceView()));

function showViews(iteration) {
  const seeds = iteration.runs.map((run, index) => [index, el("span", {}, unseen("Picture "), index + 1)]);
  const focused = document.activeElement?.closest?.("#views") ? document.activeElement : null;
  byId("views").replaceChildren(
    choice("View", "view", [["pair", "Side by side"], ["wipe", "Slider"]], reader.view, (view) => { reader.view = view; showPictures(); }),
    seeds.length > 1 ? choice("Seed", "run", seeds, reader.run, (run) => { reader.run = run; showPictures(); }) : "");
  if (focused) byId("views").querySelector(`[name="${focused.name}"]:checked`)?.focus();
}

// ---- series: filmstrip and trend -------------------------------------------

function chooseBy(offset) {
  const index = known.iterations.indexOf(chosen()) + offset;
  const { n } = known.iterations[Math.min(known.iterations.length - 1, Math.max(0, index))];
  if (n !== reader.chosen) choose(n);
}

function onKey(event) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // The host's chat has keys of its own: only inside the series they are the page's.
  if (!event.target.closest?.("#film, #trend")) return;
  const all = known.iterations.length;
  const offset = { ArrowLeft: -1, ArrowRight: 1, Home: -all, End: all }[event.key];
  if (offset === undefined) return;
  event.preventDefault();
  chooseBy(offset);
}

function showSteps() {
  const step = (label, click) => el("button", { type: "button", click }, label);
  byId("steps").replaceChildren(
    step("Previous", () => chooseBy(-1)), step("Next", () => chooseBy(1)),
    find(known.best) ? step("Best", () => choose(known.best)) : "",
    known.older && host.tools ? step("Earlier iterations", () => loadOlder().catch(tellProblem)) : "");
}

function showFilm() {
  const place = byId("strip");
  byId("film").hidden = known.iterations.length < 2;
  if (byId("film").hidden) return;
  const held = place.contains(document.activeElement);
  const strip = filmstrip(known.iterations, known.best, (n) => choose(n));
  const scrolled = place.firstElementChild?.scrollLeft ?? 0;
  place.replaceChildren(strip);
  strip.scrollLeft = scrolled;
  const button = strip.querySelector(`[data-iteration="${reader.chosen}"]`);
  makeCurrent(strip, button);
  if (held) button.focus({ preventScroll: true });
  applyVeil();
}

function showTrend() {
  const scored = known.iterations.filter((iteration) => iteration.score !== null);
  byId("history").hidden = scored.length < 2;
  if (scored.length < 2) return;
  const place = byId("trend");
  const held = place.contains(document.activeElement);
  place.replaceChildren(trend(known.iterations, {
    target: known.target, best: known.best, chosen: reader.chosen, width: place.clientWidth, height: 190, choose: (n) => choose(n),
  }));
  byId("legend").replaceChildren(legend(known.iterations));
  const point = place.querySelector("[aria-current]");
  if (held) point.focus({ preventScroll: true });
  centre(place, point);
}

// ---- bars and details ------------------------------------------------------

function showBars(iteration) {
  const ids = Object.keys(iteration.axes);
  byId("bars").hidden = !ids.length && !known.content?.target;
  byId("bars-title").textContent = ids.length ? "Axes" : "What the reference shows";
  const open = byId("bars-body").querySelector("details")?.open;
  const axes = ids.map((id) => ({ id, weight: 1, target: null }));
  const seeds = iteration.partly ? " of the first seed" : "";
  byId("bars-body").replaceChildren(...(ids.length
    ? [el("p", { class: "quiet" }, `Worst first${seeds}. Words: reference → picture.`), ...bars(axes, iteration, FIRST_AXES)]
    : [targetTable(asTable(known.content?.target))]));
  const more = byId("bars-body").querySelector("details");
  if (more && open) more.open = true;
}

/** What the reference shows, axis by axis; what is not visible comes last. */
function targetTable(target) {
  const hidden = ([, words]) => words === "not visible";
  return wordTable(Object.entries(target).sort((a, b) => hidden(a) - hidden(b)).map(([id, words]) => [axisName(id), words]));
}

function wordTable(entries) {
  return el("dl", { class: "words" }, entries.map(([name, words]) => [
    el("dt", {}, name), el("dd", {}, el("span", { class: "veil" }, asText(words)))]));
}

const part = (title, ...nodes) => [el("h3", {}, title), ...nodes];

function promptParts(iteration) {
  const changes = asTable(iteration.record.changes);
  const texts = [["Prompt", asText(iteration.record.positive)], ["Negative prompt", asText(iteration.record.negative)]];
  const changed = texts.some(([, text]) => changeTo(changes, text));
  const setText = (text) => {
    reader.text = text;
    showDetails(chosen());
    byId("details").querySelector(":checked").focus();
  };
  const written = (text) => {
    const change = reader.text === "changes" ? changeTo(changes, text) : null;
    return change ? difference(wordDifference(change.from, text)) : plainText(text);
  };
  return [
    changed ? choice("Prompts", "text", [["changes", "What changed"], ["plain", "As written"]], reader.text, setText) : "",
    ...texts.filter(([, text]) => text).flatMap(([title, text]) => part(title, written(text))),
  ];
}

/** Inputs other than the prompts, which are shown by themselves. */
function otherChanges({ positive, negative, changes }) {
  const other = Object.entries(asTable(changes)).map(([place, change]) => ({ place, ...asTable(change) }));
  return other.filter(({ to }) => to !== positive && to !== negative);
}

function showDetails(iteration) {
  const { record } = iteration;
  const other = record ? otherChanges(record) : [];
  const decided = record ? asText(asList(record.decisions).at(-1)) : "";
  byId("details").hidden = !record && !iteration.note;
  byId("details-title").textContent = `Notes on iteration ${iteration.n}`;
  byId("details-body").replaceChildren(
    decided ? el("p", { class: "quiet" }, decided) : "",
    ...(iteration.note ? part("Why", el("p", { class: "note veil" }, iteration.note)) : []),
    ...(record ? promptParts(iteration) : []),
    ...(other.length ? part("Other changes", changeTable(other)) : []));
  applyVeil();
}

// ---- the whole -------------------------------------------------------------

const told = () => el("p", { class: "told veil" }, known.told);

/** What went wrong, and all that there is to say when there is no iteration to look at. */
function showNotice() {
  const trouble = (title, text) => (text ? [el("p", { class: "decision" }, title), el("p", { class: "error veil" }, text)] : []);
  notice(...trouble("That did not work.", known.failure), ...trouble("The history could not be read.", known.problem),
    ...(isTold() ? inWords() : []));
}

/** Whether the words themselves are the answer, and not only its other form. */
function isTold() {
  const { handle, advice, axis, target } = asTable(known.content);
  return Boolean(handle || advice || axis || (!known.iterations.length && !target));
}

function inWords() {
  const { state, question, handle, sessions } = asTable(known.content);
  const title = handle ? "The judgement goes on." : state === "question" ? "The server asks something. Answer it in the chat." : "";
  const rows = [
    ...Object.entries(asTable(asTable(question).candidates)),
    ...asList(sessions).map(asTable).map(({ session, iterations, last }) => [asText(session), `${asNumber(iterations) ?? 0} iterations, last ${asText(last)}`]),
  ];
  return [title ? el("p", { class: "decision" }, title) : null, known.told ? told() : null, rows.length ? wordTable(rows) : null];
}

function showFoot() {
  const folded = known.told && !isTold();
  byId("foot").replaceChildren(folded ? el("details", {}, el("summary", {}, "What the agent was told"), told()) : "");
}

function show() {
  const iteration = chosen();
  const nothing = unknownIteration(0);
  byId("notebook").hidden = !iteration && !known.content?.target;
  byId("views").hidden = !iteration;
  byId("stage").hidden = !iteration && !known.reference.address;
  showHead();
  showNotice();
  showFoot();
  showBars(iteration ?? nothing);
  showPictures();
  if (iteration) {
    showViews(iteration);
    showSteps();
    showFilm();
    showTrend();
    showDetails(iteration);
  }
  applyVeil();
}

/** Before there is a result. */
function showWaiting() {
  if (known.content) return;
  const tool = asText(host.context.toolInfo?.tool?.name);
  const { iteration, session } = known.input;
  const words = [Object.hasOwn(AT_WORK, tool) ? AT_WORK[tool] : "Waiting for the result."];
  if (asNumber(iteration) !== null) words.push(`Iteration ${iteration}.`);
  else if (asText(session)) words.push(`Session ${session}.`);
  notice(el("p", { class: "decision waiting" }, words.join(" ")));
}

const line = connectTo(parent, {
  "ping": () => ({}),
  "ui/resource-teardown": () => ({}),
  "ui/notifications/host-context-changed": (context) => { takeContext(asTable(context)); if (known.content) showHead(); },
  "ui/notifications/tool-input": (params) => { known.input = asTable(params.arguments); showWaiting(); },
  "ui/notifications/tool-result": (params) => { takeResult(asTable(params)).catch(tellProblem); },
  "ui/notifications/tool-cancelled": ({ reason }) => {
    notice(el("p", { class: "decision" }, "The call was cancelled."), reason ? el("p", { class: "quiet veil" }, asText(reason)) : null);
  },
});

async function start() {
  addEventListener("keydown", onKey);
  if (parent === window) {
    notice(el("p", { class: "decision" }, "This page shows a prompt calibration inside a chat."),
      el("p", {}, "Opened by itself it has nothing to show: it needs a host that speaks MCP Apps."));
    return;
  }
  const answer = await line.request("ui/initialize", {
    appInfo: APP, protocolVersion: PROTOCOL, appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
  }, 20);
  const { hostCapabilities, hostContext } = answer;
  Object.assign(host, { tools: Boolean(hostCapabilities?.serverTools), resources: Boolean(hostCapabilities?.serverResources) });
  takeContext(asTable(hostContext));
  showWaiting();
  line.notify("ui/notifications/initialized");
  announceSize();
  addEventListener("resize", () => { if (chosen()) showTrend(); });
}

start().catch((error) => notice(el("p", { class: "error" }, `The host does not answer: ${error.message}`)));
