// The page in a chat: draws what `ask.js` knows, keeps the reader's choices, and starts everything.
//
// `show` draws all of it anew; the other show functions draw one place of the page each.

/** Axes that are not folded away: a chat has a page like this under every answer. */
const FIRST_AXES = { inline: 3, fullscreen: 6 };
const AT_WORK = { queue_generation: "Generating.", judge_pair: "Judging.", get_history: "Reading the history." };

const byId = (id) => document.getElementById(id);
const shownMode = () => (host.context.displayMode === "fullscreen" ? "fullscreen" : "inline");

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

function fullscreenButton() {
  if (!asList(host.context.availableDisplayModes).includes("fullscreen")) return null;
  const full = shownMode() === "fullscreen";
  const change = async () => {
    const { mode } = await line.request("ui/request-display-mode", { mode: full ? "inline" : "fullscreen" });
    changeContext({ displayMode: mode });
  };
  return el("button", { type: "button", click: () => change().catch(tellProblem) }, full ? "Back to the chat" : "Full screen");
}

/** With the whole screen the page opens what it folds away in a chat; what the reader folds by hand stays until that changes. */
function changeContext(context) {
  const before = shownMode();
  takeContext(context);
  const now = shownMode();
  if (now !== before) {
    for (const fold of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(".fold"))) fold.open = now === "fullscreen";
  }
  if (known.content && now !== before) show();
  else if (known.content) showHead();
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
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".veil"))) node.inert = veiled;
}

// ---- stage -----------------------------------------------------------------

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
  const held = document.activeElement?.closest?.("#views") ? document.activeElement : null;
  const focused = /** @type {HTMLInputElement} */ (held);
  byId("views").replaceChildren(
    choice("View", "view", [["pair", "Side by side"], ["wipe", "Slider"]], reader.view, (view) => { reader.view = view; showPictures(); }),
    seeds.length > 1 ? choice("Seed", "run", seeds, reader.run, (run) => { reader.run = run; showPictures(); }) : "");
  const again = focused && byId("views").querySelector(`[name="${focused.name}"]:checked`);
  (/** @type {HTMLElement} */ (again))?.focus();
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
    known.from > 1 && known.from < Infinity && host.tools ? step("Earlier iterations", () => loadOlder().catch(tellProblem)) : "");
}

function showFilm() {
  const place = byId("strip");
  byId("film").hidden = known.iterations.length < 2;
  if (byId("film").hidden) return;
  const held = place.contains(document.activeElement);
  const strip = filmstrip(known.iterations, known.best, (n) => choose(n));
  const scrolled = place.firstElementChild?.scrollLeft ?? 0;
  markGaps(strip);
  place.replaceChildren(strip);
  const button = strip.querySelector(`[data-iteration="${reader.chosen}"]`);
  makeCurrent(strip, button);
  // Drawn anew for another reason, it must not run from under the reader who has scrolled it.
  const centred = [reader.chosen, known.iterations.length, strip.clientWidth].join();
  if (centred === place.dataset.centred) strip.scrollLeft = scrolled;
  place.dataset.centred = centred;
  if (held) button.focus({ preventScroll: true });
  watchStrip(strip);
  applyVeil();
}

/** Where iterations in between are not here. The best, if it lies apart, stays in view to compare with. */
function markGaps(strip) {
  const items = [...strip.children];
  for (const [first] of gapsIn(known.iterations)) {
    const before = known.iterations.findLastIndex(({ n }) => n < first);
    items[before].classList.add("apart");
    items[before].classList.toggle("stays", known.iterations[before].n === known.best && before === 0);
  }
}

let watching = null;

/** Pictures are read when they come into view, not before: a session may have hundreds. */
function watchStrip(strip) {
  watching?.disconnect();
  const seen = (entries) => wantThumbs(entries.filter((entry) => entry.isIntersecting).map(({ target }) => Number(target.dataset.iteration)));
  watching = new IntersectionObserver(seen, { root: strip, rootMargin: "0px 90px" });
  for (const button of strip.querySelectorAll("[data-iteration]")) watching.observe(button);
}

/** Puts a picture that has come into its place, and leaves the rest of the strip alone. */
function showThumb(n) {
  const old = byId("strip").querySelector(`[data-iteration="${n}"] .thumb`);
  if (old && find(n)) old.replaceWith(filmButton(find(n), known.best, choose).querySelector(".thumb"));
  applyVeil();
}

function showTrend() {
  const scored = known.iterations.filter((iteration) => iteration.score !== null);
  byId("history").hidden = scored.length < 2;
  const place = byId("trend");
  // Folded away there is no width to draw for; it is drawn when it opens.
  if (scored.length < 2 || !place.closest("details").open) return;
  const held = place.contains(document.activeElement);
  place.replaceChildren(trend(known.iterations, {
    target: known.target, best: known.best, chosen: reader.chosen, width: place.clientWidth, height: 190, choose: (n) => choose(n),
  }));
  byId("legend").replaceChildren(legend(known.iterations), lineLegend(place), missingNote());
  const point = /** @type {HTMLElement} */ (place.querySelector("[aria-current]"));
  if (held) point.focus({ preventScroll: true });
  centre(place, point);
}

/** What the lines between the marks mean, of those that the chart has. */
function lineLegend(chart) {
  const lines = [["branch way", `the way to iteration ${reader.chosen}`], ["branch", "other ways that were tried"]];
  const sample = (kind) => shape("svg", { class: "sample", viewBox: "0 0 24 14", "aria-hidden": "true" },
    shape("line", { class: kind, x1: 0, x2: 24, y1: 7, y2: 7 }));
  const drawn = lines.filter(([kind]) => chart.querySelector(`line[class="${kind}"]`));
  return el("ul", { class: "legend" }, drawn.map(([kind, words]) => el("li", {}, sample(kind), words)));
}

function missingNote() {
  const spans = gapsIn(known.iterations).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
  return spans.length ? el("p", { class: "quiet" }, `Not here: ${spans.join(", ")}.`) : "";
}

// ---- bars and details ------------------------------------------------------

function showBars(iteration) {
  const ids = Object.keys(iteration.axes);
  byId("bars").hidden = !ids.length && !known.content?.reference_values;
  byId("bars-title").textContent = ids.length ? "Axes" : "What the reference shows";
  const open = byId("bars-body").querySelector("details")?.open;
  const axes = ids.map((id) => ({ id, weight: 1, target: null }));
  byId("bars-body").replaceChildren(...(ids.length
    ? [el("p", { class: "quiet" }, "Worst first. Words: reference → picture."), ...bars(axes, iteration, FIRST_AXES[shownMode()])]
    : [targetTable(asTable(known.content?.reference_values))]));
  const more = byId("bars-body").querySelector("details");
  if (more && open) more.open = true;
}

/** What the reference shows, axis by axis; what is not visible comes last. */
function targetTable(target) {
  const hidden = ([, words]) => words === "not visible";
  return wordTable(Object.entries(target).sort((a, b) => Number(hidden(a)) - Number(hidden(b))).map(([id, words]) => [axisName(id), words]));
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
    (/** @type {HTMLElement} */ (byId("details").querySelector(":checked"))).focus();
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

function showDetails(iteration) {
  const { record } = iteration;
  const other = record ? otherChanges(record) : [];
  const decided = record ? asText(asList(record.decisions).at(-1)) : "";
  byId("details").hidden = !record && !iteration.note;
  byId("details-title").textContent = `${record ? "Prompts of" : "Notes on"} iteration ${iteration.n}`;
  byId("details-body").replaceChildren(
    decided ? el("p", { class: "quiet" }, decided) : "",
    ...(iteration.note ? part("Why", el("p", { class: "note veil" }, iteration.note)) : []),
    ...(record ? promptParts(iteration) : []),
    ...(other.length ? part("Other changes", el("div", { class: "clamp" }, changeTable(other))) : []));
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
  byId("notebook").hidden = !iteration && !known.content?.reference_values;
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
  "ui/notifications/host-context-changed": (context) => changeContext(asTable(context)),
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
  changeContext(asTable(hostContext));
  showWaiting();
  line.notify("ui/notifications/initialized");
  announceSize();
  addEventListener("resize", () => { if (chosen()) { showTrend(); showFilm(); } });
  byId("trend").closest("details").addEventListener("toggle", () => { if (chosen()) showTrend(); });
}

start().catch((error) => notice(el("p", { class: "error" }, `The host does not answer: ${error.message}`)));
