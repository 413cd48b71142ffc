// What the page knows and how it comes to know it: the host's messages, the tool's result, and the questions that the page asks
// of the server by itself. What is known is drawn by `app.js`.

const APP = { name: "prompt-calibrator-view", version: "1" };
const PROTOCOL = "2026-01-26";
/** How long a host may take to follow the page's height. */
const PATIENCE_MS = 500;
/** Host colours and fonts that the page takes over, so that it looks at home. Those that carry meaning stay its own. */
const FROM_HOST = {
  "--paper": "--color-background-primary", "--faint": "--color-background-secondary", "--line": "--color-border-primary",
  "--ink": "--color-text-primary", "--quiet": "--color-text-secondary", "--sans": "--font-sans", "--serif": "--font-sans",
};
/** Thumbnails that are read at the same time: the reader's own choice must not wait behind many. */
const THUMBS_AT_ONCE = 3;
/** States in which nothing more happens by itself. */
const SETTLED = ["done", "draft", "failed", "cancelled"];

const known = {
  input: {}, // the arguments of the tool call
  content: null, // what it answered
  told: "", // the same in words, as the agent reads it
  session: null,
  iterations: [], // in order; empty when there is nothing to look at
  asked: null, // number of the iteration that the call was about
  best: null,
  sought: null, // the best that was asked for by itself, found or not
  target: null, // score to reach
  page: 0, // oldest page of the history that was read
  from: Infinity, // first iteration of that page; of what else is known, such as the best, some may be older
  thumbs: new Map(), // number of an iteration → address of its first picture, as the server names it
  reference: { address: null, picture: null },
  sheet: null, // reference and picture in one, from a host that gives nothing else
  explicit: false,
  failure: "", // what the tool call itself failed with
  problem: "", // why the page's last question of its own went unanswered
};
const reader = { chosen: null, run: 0, view: "pair", wipe: 50, text: "changes" };
const host = { tools: false, resources: false, context: {} };

const find = (n) => known.iterations.find((iteration) => iteration.n === n);
const chosen = () => find(reader.chosen);
const shownRun = () => chosen()?.runs[reader.run] ?? chosen()?.runs[0];

function findOrAdd(n) {
  if (!find(n)) {
    known.iterations.push(unknownIteration(n));
    known.iterations.sort((a, b) => a.n - b.n);
  }
  return find(n);
}

// ---- what of it is to be shown ---------------------------------------------

/** Where there is no filmstrip to see it in. */
function bestOther(iteration) {
  const { iteration: n, overall_score: score } = asTable(known.content?.best);
  return known.iterations.length > 1 || iteration.n !== known.asked || asNumber(score) === null ? "" : `; iteration ${n} has ${two(score)}`;
}

/** Whether the words themselves are the answer, and not only its other form. */
function isTold() {
  const { handle, advice, axis, reference_values: target } = asTable(known.content);
  return Boolean(handle || advice || axis || (!known.iterations.length && !target));
}

function whyMissing(place) {
  if (place.problem) return place.problem;
  if (place.address && !host.resources) return "This host does not hand stored pictures to the page.";
  return place.address || place.inline ? "Loading the picture." : null;
}

const referenceView = () => ({
  picture: known.reference.picture, label: "Reference", detail: "",
  missing: whyMissing(known.reference) ?? "The reference is not part of this result.",
});

const notYet = ({ state, step }) => (state === "running" && step ? `Running: ${step}.` : STATES[state]);

function generatedView(iteration) {
  const run = shownRun();
  const facts = [run?.seed ? `seed ${run.seed}` : "", typeof run?.score === "number" ? two(run.score) : ""];
  const missing = (run && (run.error || whyMissing(run))) ?? (iteration.state === "done" ? "There is no picture of this iteration here." : notYet(iteration));
  return { picture: run?.picture ?? null, label: "Generated", detail: facts.filter(Boolean).join(", "), missing: missing ?? "Not ready yet." };
}

// ---- host ------------------------------------------------------------------

/** The first answer counts in full; later contexts hold only what changed. */
function takeContext(context) {
  Object.assign(host.context, context);
  const root = document.documentElement;
  const { theme, displayMode, styles, safeAreaInsets } = host.context;
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  root.dataset.mode = displayMode === "fullscreen" ? "fullscreen" : "inline";
  const variables = asTable(styles?.variables);
  // A background without its ink, or the reverse, could be unreadable.
  const both = variables["--color-background-primary"] && variables["--color-text-primary"];
  for (const [own, theirs] of Object.entries(FROM_HOST)) root.style.setProperty(own, (both && asText(variables[theirs])) || "");
  for (const side of ["top", "right", "bottom", "left"]) {
    root.style.setProperty(`--inset-${side}`, `${asNumber(safeAreaInsets?.[side]) ?? 0}px`);
  }
}

/** Tells the host how much room the page takes, now and whenever that changes. A host that does not give it gets a scroll bar. */
function announceSize() {
  let last = "";
  let soon;
  const height = () => Math.ceil(document.body.getBoundingClientRect().height);
  const fit = () => document.documentElement.toggleAttribute("data-fits", innerHeight >= height());
  const announce = () => {
    const size = { width: Math.ceil(innerWidth), height: height() };
    if (JSON.stringify(size) === last) return;
    last = JSON.stringify(size);
    line.notify("ui/notifications/size-changed", size);
    clearTimeout(soon);
    soon = setTimeout(fit, PATIENCE_MS);
  };
  new ResizeObserver(announce).observe(document.body);
  addEventListener("resize", () => { if (innerHeight >= height()) fit(); });
}

/** Calls a tool of the server; an error that the tool reports is an error here too. */
async function callTool(name, args) {
  const result = readResult(await line.request("tools/call", { name, arguments: args }));
  if (result.failed) throw new HostError(result.text || `${name} failed`);
  takeView(result.view);
  known.problem = "";
  return result.content;
}

const reading = new Map(); // address of a picture → the promise of it

function readPicture(address) {
  if (!reading.has(address)) reading.set(address, fetchPicture(address));
  return reading.get(address);
}

async function fetchPicture(address) {
  try {
    const { contents } = await line.request("resources/read", { uri: address });
    const [first] = asList(contents);
    return await decoded(dataUrl(first?.mimeType, first?.blob));
  } catch (error) {
    reading.delete(address); // so that choosing the iteration again tries again
    throw error;
  }
}

async function decoded(src) {
  if (!src) throw new HostError("what came is not a picture");
  const picture = new Image();
  picture.src = src;
  await picture.decode();
  return { src, width: picture.naturalWidth, height: picture.naturalHeight };
}

// ---- what comes in ---------------------------------------------------------

function takeView(view) {
  if (view.explicit === true && !known.explicit) {
    known.explicit = true;
    document.documentElement.classList.add("veiled");
  }
  known.target = asNumber(view.target_score) ?? known.target;
  if (!known.reference.address) {
    known.reference.address = previewOf(view.reference);
    loadPicture(known.reference);
  }
  for (const [n, uri] of Object.entries(asTable(view.pictures))) known.thumbs.set(Number(n), previewOf(uri));
  placeThumbs();
}

/** Gives what was never opened the picture that the server names; the view comes before the rows that it is about. */
function placeThumbs() {
  for (const iteration of known.iterations) {
    const address = known.thumbs.get(iteration.n);
    if (address && iteration.unread && !iteration.runs.length) iteration.runs = [{ ...aRun("", ""), address }];
  }
}

async function takeResult(params) {
  const result = readResult(params);
  const { content, view } = result;
  Object.assign(known, result.failed ? { content, told: "", failure: result.text } : { content, told: asText(content.summary) || result.text, failure: "" });
  const session = asText(content.session) || asText(view.session) || asText(known.input.session) || null;
  if (session !== known.session) {
    const nothing = { iterations: [], best: null, sought: null, page: 0, from: Infinity, thumbs: new Map() };
    Object.assign(known, { session, ...nothing, reference: { address: null, picture: null } });
  }
  const n = [content.iteration, view.iteration, known.input.iteration].map(asNumber).find((number) => number !== null);
  known.asked = n ?? null;
  if (content.axes || content.runs) takeScores(findOrAdd(n ?? 0), result);
  else if (content.iterations) takeHistory(content);
  else if (n !== undefined && content.state && content.state !== "question") readScores(findOrAdd(n), result);
  takeSteps(content);
  takeView(view);
  reader.chosen = known.iterations.length ? firstShown() : null;
  show();
  await Promise.all([loadPicture(known.reference), loadSession()]);
}

function takeScores(iteration, result) {
  readScores(iteration, result);
  const [reference] = asList(result.content.pictures);
  known.reference.address ??= addressOf(reference);
  if (result.content.pictures && result.images.length === 1) known.sheet = result.images[0];
  takeBest(iteration, asTable(result.content.best));
}

/** Until the history says which is the best, a better one than this is taken for it. */
function takeBest(iteration, { iteration: n, overall_score: score }) {
  const better = asNumber(n) !== null && asNumber(score) !== null && (iteration.score === null || score > iteration.score);
  if (better) known.best ??= n;
}

/** Lines of the history; one with runs is an iteration in full. Gives how many there were. */
function takeHistory(content) {
  const rows = asList(content.iterations).map(asTable).filter((row) => asNumber(row.iteration) !== null);
  for (const row of rows) {
    if (row.runs) readRecord(findOrAdd(row.iteration), row);
    else readRow(findOrAdd(row.iteration), row);
  }
  const lines = rows.filter((row) => !row.runs);
  if (lines.length) {
    known.best = lines.find((row) => row.best === true)?.iteration ?? bestIn(content.summary) ?? known.best;
    known.from = Math.min(known.from, ...lines.map((row) => row.iteration));
  }
  takeSteps(content);
  placeThumbs();
  return rows.length;
}

function takeSteps({ summary }) {
  for (const [n, step] of stepsIn(summary)) {
    if (find(n)) find(n).step = step;
  }
}

const firstShown = () => (find(known.asked) ?? find(0) ?? find(known.best) ?? known.iterations.at(-1)).n;

// ---- asking for more -------------------------------------------------------

/** A place is anything with an address, or a picture inside the result, and room for the picture. */
async function loadPicture(place) {
  if (place.picture || !(place.inline || (place.address && host.resources))) return;
  try {
    place.picture = await (place.inline ? decoded(place.inline) : readPicture(place.address));
    place.problem = "";
  } catch (error) {
    place.problem = `This picture could not be read: ${error.message}`;
  }
  // Another picture must not disturb the slider that the reader is moving.
  if (place === known.reference || place === shownRun()) showPictures();
}

async function loadSession() {
  if (known.session && host.tools) {
    await loadPage(0).catch(tellProblem);
  }
  const best = loadBest().catch(tellProblem);
  if (known.iterations.length) await choose(reader.chosen ?? firstShown(), false);
  await best;
}

/** The best iteration belongs in the strip, on whichever page it lies. */
async function loadBest() {
  const n = known.best;
  if (n === null || find(n) || n === known.sought || !known.session || !host.tools) return;
  known.sought = n;
  takeHistory(await callTool("get_history", { session: known.session, iteration: n }));
  show();
}

async function loadPage(page) {
  const content = await callTool("get_history", { session: known.session, ...(page ? { page } : {}) });
  const rows = takeHistory(content);
  known.page = Math.max(known.page, page);
  if (!rows) known.from = 1;
  show();
}

const loadOlder = () => loadPage(known.page + 1);

const thumbs = { wanted: [], busy: 0 };

/** Reads the first pictures of iterations that have come into view, the last to come first: there the reader is now. */
function wantThumbs(numbers) {
  thumbs.wanted.push(...numbers);
  while (thumbs.busy < THUMBS_AT_ONCE && thumbs.wanted.length) loadThumb(find(thumbs.wanted.pop()));
}

async function loadThumb(iteration) {
  const runs = iteration?.runs ?? [];
  const run = runs.find(({ address, inline, problem }) => (address || inline) && !problem);
  if (!run || runs.some(({ picture }) => picture)) return;
  thumbs.busy++;
  await loadPicture(run);
  thumbs.busy--;
  showThumb(iteration.n);
  wantThumbs([]);
}

/** Shows an iteration, then reads in full what is not yet known of it. */
async function choose(n, aloud = true) {
  if (!find(n)) return;
  if (n !== reader.chosen) Object.assign(reader, { chosen: n, run: 0 });
  show();
  if (aloud) byId("announce").textContent = spoken(chosen(), known.best);
  await loadRecord(n).catch(tellProblem);
  await Promise.all(find(n).runs.map(loadPicture));
  showFilm();
}

async function loadRecord(n) {
  const { record } = find(n);
  const settled = record && SETTLED.includes(asText(record.state) || "done") && !known.content?.handle;
  if (settled || n === 0 || !known.session || !host.tools) return;
  const content = await callTool("get_history", { session: known.session, iteration: n });
  takeHistory(content);
  if (n === reader.chosen) show();
}

/** Whether it has gone on; the agent's own call waits for it as well. */
async function lookAgain() {
  await loadPage(0);
  await loadBest();
  await choose(reader.chosen, false);
  // The handle of a judgement is of no use once its scores are in the history.
  if (known.content.handle && Object.keys(find(known.asked)?.axes ?? {}).length) delete known.content.handle;
  show();
}
