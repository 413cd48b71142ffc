// The report page: reads its data, arranges the drawings, keeps the reader's choices.

const data = JSON.parse(document.getElementById("data").textContent);
const iterations = data.iterations;
const byNumber = new Map(iterations.map((iteration) => [iteration.n, iteration]));
const byId = (id) => document.getElementById(id);

const reader = {
  chosen: null, // number of the iteration shown
  seed: null, // seed last asked for; kept while moving through iterations that have it
  view: "pair",
  wipe: 50,
  text: "changes",
};

// ---- choosing --------------------------------------------------------------

function numberInHash() {
  const number = Number(location.hash.slice(1));
  return byNumber.has(number) ? number : null;
}

const firstShown = () => numberInHash() ?? (byNumber.has(data.best) ? data.best : iterations.at(-1).n);

/** Shows an iteration and remembers it in the address, so that it can be linked. */
function choose(number) {
  if (!byNumber.has(number) || number === reader.chosen) return;
  history.replaceState(null, "", `#${number}`);
  show(number);
  byId("announce").textContent = spoken(byNumber.get(number), data.best);
}

function chooseBy(offset) {
  const index = iterations.indexOf(byNumber.get(reader.chosen)) + offset;
  choose(iterations[Math.min(iterations.length - 1, Math.max(0, index))].n);
}

function onKey(event) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // Radio buttons and the wipe need the arrow keys themselves.
  if (event.target.closest?.("input, select, textarea")) return;
  // Elsewhere Home and End keep scrolling the page.
  const inSeries = event.target.closest?.("#film, #trend");
  if (event.key === "ArrowLeft") chooseBy(-1);
  else if (event.key === "ArrowRight") chooseBy(1);
  else if (event.key === "Home" && inSeries) chooseBy(-iterations.length);
  else if (event.key === "End" && inSeries) chooseBy(iterations.length);
  else return;
  event.preventDefault();
}

// ---- header and footer -----------------------------------------------------

/** "2026-11-20 10:11 UTC": the same for every reader. */
const moment = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

function showHead() {
  byId("head").append(
    el("p", { class: "kicker" }, "Prompt calibration ", el("span", {}, moment(data.created))),
    el("h1", {}, data.title || data.session),
    el("p", { class: "summary" }, data.summary),
    data.warnings.length ? el("ul", { class: "warnings", "aria-label": "Warnings" }, data.warnings.map((text) => el("li", {}, text))) : "",
    data.explicit ? revealButton() : "",
  );
}

function showFoot() {
  const facts = [
    `Session ${data.session}`, `Rubric ${data.rubric}`, data.judge ? `Judge ${data.judge}` : "No judge",
    `Target ${two(data.target_score)}`, `At most ${data.max_iterations} iterations`, data.program,
  ];
  byId("foot").append(el("ul", {}, facts.map((fact) => el("li", {}, fact))));
}

// ---- explicit content ------------------------------------------------------

/** The label stays the same and aria-pressed says the state, as screen readers expect of a toggle. */
function revealButton() {
  const button = el("button", { type: "button", id: "reveal", "aria-pressed": "false" }, "Show explicit content");
  button.addEventListener("click", () => {
    const veiled = document.documentElement.classList.toggle("veiled");
    button.setAttribute("aria-pressed", String(!veiled));
    applyVeil();
  });
  return button;
}

/** Blurred content is also kept from selection, from find-in-page and from screen readers. */
function applyVeil() {
  if (!data.explicit) return;
  const veiled = document.documentElement.classList.contains("veiled");
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".veil"))) node.inert = veiled;
}

// ---- stage -----------------------------------------------------------------

function chosenRun(iteration) {
  return iteration.runs.find((run) => run.seed === reader.seed) ?? iteration.runs.find((run) => run.picture) ?? iteration.runs[0];
}

const referenceView = () => ({ picture: data.reference, label: "Reference", detail: "", missing: "There is no reference picture in this report." });

function iterationView(iteration) {
  const run = chosenRun(iteration);
  const detail = run ? `seed ${run.seed}${run.score === null ? "" : `, ${two(run.score)}`}` : "";
  const missing = run?.withheld ?? (iteration.state === "done" ? "No picture was kept." : STATES[iteration.state]);
  return { picture: run?.picture ?? null, label: `Iteration ${iteration.n}`, detail, missing };
}

function showPictures() {
  const views = [referenceView(), iterationView(byNumber.get(reader.chosen))];
  const drawing = reader.view === "wipe"
    ? slider(...views, reader.wipe, (at) => { reader.wipe = at; })
    : sideBySide(...views);
  byId("pictures").replaceChildren(drawing);
  applyVeil();
}

function showStage(iteration) {
  byId("stage-title").replaceChildren(
    `Iteration ${iteration.n} `,
    el("span", { class: "standing" }, markIcon(markOf(iteration)), standing(iteration), iteration.n === data.best ? ", best" : ""));
  const seeds = iteration.runs.map((run, index) => [run.seed, el("span", {}, unseen("Seed "), index + 1)]);
  byId("views").replaceChildren(
    choice("View", "view", [["pair", "Side by side"], ["wipe", "Slider"]], reader.view, (view) => { reader.view = view; showPictures(); }),
    seeds.length > 1 ? choice("Seed", "seed", seeds, chosenRun(iteration).seed, (seed) => { reader.seed = seed; showPictures(); }) : "");
  showPictures();
}

function stepButtons() {
  const step = (label, click) => el("button", { type: "button", click }, label);
  return [
    step("Previous", () => chooseBy(-1)), step("Next", () => chooseBy(1)),
    byNumber.has(data.best) ? step("Best", () => choose(data.best)) : "",
  ];
}

// ---- series: filmstrip and trend -------------------------------------------

function showFilm() {
  const strip = byId("film").firstElementChild;
  makeCurrent(strip, strip.querySelector(`[data-iteration="${reader.chosen}"]`));
}

function showTrend() {
  const place = byId("trend");
  const hadFocus = place.contains(document.activeElement);
  const { target_score: target, best } = data;
  place.replaceChildren(trend(iterations, { target, best, chosen: reader.chosen, width: place.clientWidth, choose }));
  const point = /** @type {HTMLElement} */ (place.querySelector("[aria-current]"));
  if (hadFocus) point.focus({ preventScroll: true });
  centre(place, point);
}

// ---- bars and details ------------------------------------------------------

function showBars(iteration) {
  const against = iteration.decision?.against;
  const compared = against ? `; the tick and the change are against iteration ${against}, raw on the same seeds, ▲▼ only beyond noise` : "";
  byId("bars-body").replaceChildren(
    el("p", { class: "overall" }, el("b", {}, two(iteration.score)), " ",
      el("span", {}, iteration.score === null ? "no score" : `overall, ${interval(iteration.low, iteration.high) || "no interval"}`)),
    Object.keys(iteration.axes).length ? el("p", { class: "quiet" }, `Worst first. The thin line is the uncertainty${compared}. Words: reference → picture.`) : "",
    ...bars(data.axes, iteration));
}

const part = (title, ...nodes) => [el("h3", {}, title), ...nodes];

function promptParts(iteration) {
  const written = (text, diff) => (diff.length && reader.text === "changes" ? difference(diff) : plainText(text ?? ""));
  const changed = [...iteration.diff, ...iteration.negative_diff].some(([sign]) => sign !== "=");
  const setText = (text) => { reader.text = text; showDetails(iteration); (/** @type {HTMLElement} */ (byId("details").querySelector(":checked"))).focus(); };
  return [
    changed ? choice("Prompts", "text", [["changes", `Changes from iteration ${iteration.parent}`], ["plain", "As written"]], reader.text, setText) : "",
    ...part("Prompt", iteration.positive !== null || iteration.diff.length
      ? written(iteration.positive, iteration.diff) : el("p", { class: "quiet" }, "No prompt recorded.")),
    ...(iteration.beside.length ? part("Beside it, from the workflow", ...iteration.beside.map(({ place, text }) => plainText(`${place}: ${text}`))) : []),
    ...(iteration.negative !== null || iteration.negative_diff.length
      ? part("Negative prompt", written(iteration.negative, iteration.negative_diff)) : []),
  ];
}

function showDetails(iteration) {
  byId("details-title").textContent = `Notes on iteration ${iteration.n}`;
  const origin = iteration.parent === null ? "" : `, from iteration ${iteration.parent}`;
  byId("details-body").replaceChildren(
    el("p", { class: "quiet" }, `Created ${moment(iteration.created)}${origin}.`),
    iteration.decision ? el("p", { class: "decision" }, iteration.decision.words) : "",
    iteration.state === "done" ? "" : el("p", { class: "decision" }, STATES[iteration.state] ?? iteration.state),
    iteration.error ? el("p", { class: "error veil" }, iteration.error) : "",
    ...(iteration.note ? part("Why", el("p", { class: "note veil" }, iteration.note)) : []),
    ...promptParts(iteration),
    ...(iteration.changes.length ? part("Other changes", changeTable(iteration.changes)) : []),
    iteration.runs.length ? provenance(iteration.runs) : "");
  applyVeil();
}

// ---- the whole -------------------------------------------------------------

function show(number) {
  reader.chosen = number;
  const iteration = byNumber.get(number);
  showStage(iteration);
  showFilm();
  showBars(iteration);
  showTrend();
  showDetails(iteration);
  applyVeil();
}

function showNothingTried() {
  const reference = data.reference ? el("figure", { class: "alone" }, framed(referenceView()), caption(referenceView())) : "";
  byId("notebook").replaceChildren(el("p", { class: "decision" }, "Nothing has been tried yet."), reference);
}

function start() {
  showHead();
  showFoot();
  byId("notebook").hidden = false;
  if (!iterations.length) {
    showNothingTried();
  } else {
    byId("steps").append(...stepButtons());
    byId("film").append(filmstrip(iterations, data.best, choose));
    byId("legend").append(
      legend(iterations),
      el("p", { class: "soft" }, "A score is the mean over an iteration's own seeds. Keep or revert compares the same seeds, so that luck falls out."),
    );
    byId("axes-meaning").append(data.axes.length ? meanings(data.axes) : "");
    show(firstShown());
    document.addEventListener("keydown", onKey);
    addEventListener("hashchange", () => { if (numberInHash() !== null) show(numberInHash()); });
    addEventListener("resize", showTrend);
  }
  applyVeil();
  document.documentElement.dataset.ready = "yes";
}

start();
