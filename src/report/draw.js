"use strict";
// Drawing functions shared by the report page and the MCP App: data in, DOM
// nodes out. They never look anything up in the page. All text from the data
// is hostile, so it only ever becomes text nodes; what may be explicit carries
// the class "veil", which the page blurs on demand.

const SVG = "http://www.w3.org/2000/svg";

/** What each mark means, in the order of the legend. */
const MARKS = {
  first: "first",
  keep: "kept",
  revert: "reverted",
  more_seeds: "needs more seeds",
  tentative_keep: "tentative keep",
  tentative_revert: "tentative revert",
  none: "no decision",
  failed: "failed or cancelled",
};

const STATES = {
  draft: "Draft: not rendered yet.",
  running: "Running.",
  open: "Open: begun, and its end is not known.",
  failed: "Failed.",
  cancelled: "Cancelled.",
};

/** Why an axis has no say in the score. */
const NOT_COUNTED = {
  refused: "the judge refused to answer",
  unresolved: "the judge gave no clear answer",
  not_visible: "not visible, so it cannot be compared",
};

const VERDICTS = { match: "match", partial: "partial match", mismatch: "mismatch" };

// ---- nodes -----------------------------------------------------------------

/** Sets attributes (functions become listeners, false and null are left out) and appends children. */
function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

const unseen = (text) => el("span", { class: "unseen" }, text);

// ---- words and numbers -----------------------------------------------------

const two = (number) => (number === null || number === undefined ? "–" : number.toFixed(2));

/** "+0.12", "−0.05", and "0.00" for whatever rounds to nothing. */
function signed(number) {
  const text = Math.abs(number).toFixed(2);
  if (text === "0.00") return text;
  return (number < 0 ? "−" : "+") + text;
}

const interval = (low, high) => (low === null || high === null ? "" : `${two(low)}–${two(high)}`);

/** Axis names are identifiers; people read them better without underscores. */
const axisName = (id) => id.replaceAll("_", " ");

function markOf(iteration) {
  if (iteration.decision) return iteration.decision.kind in MARKS ? iteration.decision.kind : "none";
  return iteration.state === "failed" || iteration.state === "cancelled" ? "failed" : "none";
}

/** What to call the standing of an iteration: its decision, or else its state. */
function standing(iteration) {
  if (!iteration.decision && iteration.state !== "done") return iteration.state;
  return MARKS[markOf(iteration)];
}

function spoken(iteration, best) {
  const score = iteration.score === null ? "no score" : `score ${two(iteration.score)}`;
  return `Iteration ${iteration.n}, ${score}, ${standing(iteration)}${iteration.n === best ? ", best" : ""}`;
}

// ---- pictures --------------------------------------------------------------

function image(picture, alt) {
  const { src, width, height } = picture;
  return el("img", { class: "veil", src, width, height, alt, decoding: "async", draggable: "false" });
}

/** A view is {picture, label, detail, missing}: what to show, or why there is nothing to show. */
function framed(view) {
  if (!view.picture) return el("p", { class: "frame missing" }, view.missing);
  return el("div", { class: "frame" }, image(view.picture, view.label));
}

const caption = (view) => el("figcaption", {}, el("b", {}, view.label), " ", view.detail);

function sideBySide(left, right) {
  return el("div", { class: "pair" }, [left, right].map((view) => el("figure", {}, framed(view), caption(view))));
}

/** One picture wiped over the other. `at` is the place of the edge in percent; `moved` hears of every change. */
function slider(left, right, at, moved) {
  if (!left.picture || !right.picture) return sideBySide(left, right);
  const { width, height } = left.picture;
  const frame = el("div", { class: "frame wipe" }, image(left.picture, left.label), image(right.picture, right.label));
  frame.style.setProperty("--ratio", width / height);
  const place = (percent) => {
    frame.style.setProperty("--at", `${percent}%`);
    range.setAttribute("aria-valuetext", `${percent}% ${left.label}, the rest ${right.label}`);
  };
  const range = el("input", {
    type: "range", min: 0, max: 100, value: at, "aria-label": "Edge between the two pictures",
    input: () => { place(range.valueAsNumber); moved(range.valueAsNumber); },
  });
  place(at);
  frame.append(range);
  return el("figure", { class: "wiped" }, frame, el("div", { class: "captions" }, caption(left), caption(right)));
}

/** A small set of radio buttons; `options` are [value, label] pairs. */
function choice(legend, name, options, chosen, changed) {
  const option = ([value, label]) => el("label", {},
    el("input", { type: "radio", name, value, checked: value === chosen, change: () => changed(value) }),
    el("span", {}, label));
  return el("fieldset", { class: "choice" }, el("legend", {}, legend), options.map(option));
}

// ---- marks -----------------------------------------------------------------

/** The outline of a mark around (x, y): shapes differ, so that nothing depends on colour alone. */
function markPath(kind, x, y, r) {
  const triangle = (up) => `M${x - r} ${y + up * r * 0.8}H${x + r}L${x} ${y - up * r}Z`;
  switch (kind) {
    case "keep": return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    case "first": return `M${x} ${y - 1.2 * r}L${x + 1.2 * r} ${y}L${x} ${y + 1.2 * r}L${x - 1.2 * r} ${y}Z`;
    case "revert": return `M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`;
    case "more_seeds": return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`;
    case "tentative_keep": return triangle(1);
    case "tentative_revert": return triangle(-1);
    case "failed": return `M${x} ${y - r}V${y + r}`;
    default: return `M${x - r / 2} ${y}a${r / 2} ${r / 2} 0 1 0 ${r} 0a${r / 2} ${r / 2} 0 1 0 ${-r} 0Z`;
  }
}

function mark(kind, x, y, r) {
  return shape("path", { class: `mark ${kind}`, d: markPath(kind, x, y, r) });
}

function markIcon(kind) {
  return shape("svg", { class: "icon", viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(kind, 7, 7, 4.2));
}

/** The marks that occur, with their names. */
function legend(iterations) {
  const used = new Set(iterations.map(markOf));
  const entries = Object.keys(MARKS).filter((kind) => used.has(kind));
  return el("ul", { class: "legend" }, entries.map((kind) => el("li", {}, markIcon(kind), MARKS[kind])),
    iterations.some(({ score }) => score === null) ? el("li", {}, "A mark on the base line has no score.") : null);
}

// ---- filmstrip -------------------------------------------------------------

function filmstrip(iterations, best, choose) {
  return el("ol", { class: "film scroll" }, iterations.map((iteration) => el("li", {}, filmButton(iteration, best, choose))));
}

function filmButton(iteration, best, choose) {
  const run = iteration.runs.find((candidate) => candidate.picture);
  const thumb = run
    ? el("img", { class: "veil", src: run.picture.src, alt: "", loading: "lazy", decoding: "async", draggable: "false" })
    : el("span", { class: "empty" }, whyNoThumb(iteration));
  return el("button", {
    type: "button", "data-iteration": iteration.n, "aria-label": spoken(iteration, best), tabindex: -1,
    click: () => choose(iteration.n),
  }, el("span", { class: "thumb" }, thumb, iteration.n === best ? el("span", { class: "tag" }, "best") : null),
  el("span", { class: "film-line" }, el("b", {}, iteration.n), markIcon(markOf(iteration)), el("span", {}, two(iteration.score))));
}

function whyNoThumb(iteration) {
  if (iteration.runs.some((candidate) => candidate.withheld)) return "withheld";
  if (iteration.state !== "done") return iteration.state;
  return iteration.unread ? "not opened" : "no picture";
}

/** Makes an item the current one of its strip, the only one that Tab stops at, and brings it into view. */
function makeCurrent(strip, item) {
  const hadFocus = strip.contains(document.activeElement);
  for (const old of strip.querySelectorAll("[aria-current]")) {
    old.removeAttribute("aria-current");
    old.tabIndex = -1;
  }
  item.setAttribute("aria-current", "true");
  item.tabIndex = 0;
  if (hadFocus) item.focus({ preventScroll: true });
  centre(strip, item);
}

/** Scrolls a strip sideways only: scrollIntoView would move the page as well. */
function centre(strip, item) {
  const [outer, inner] = [strip.getBoundingClientRect(), item.getBoundingClientRect()];
  strip.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}

// ---- bars ------------------------------------------------------------------

/**
 * Each axis of one iteration: those that count, worst first, then those that do not, with the reason. All but the worst `most`
 * are folded away.
 */
function bars(axes, iteration, most = Infinity) {
  if (!Object.keys(iteration.axes).length) return [el("p", {}, "This iteration has not been judged.")];
  const rows = axes.map((axis) => ({ axis, result: iteration.axes[axis.id], why: whyNotCounted(axis, iteration) }));
  const counted = rows.filter((row) => !row.why).sort((a, b) => a.result.score - b.result.score);
  const others = rows.filter((row) => row.why);
  const [first, more] = [counted.slice(0, most), counted.slice(most)];
  const list = (some) => (some.length ? [el("ol", { class: "bars" }, some.map(bar))] : []);
  const rest = others.length ? [el("h3", {}, "Not counted"), el("ul", { class: "uncounted" }, others.map(uncounted))] : [];
  if (most === Infinity || more.length + others.length === 0) return [...list(first), ...rest];
  return [...list(first), el("details", { class: "more", open: !first.length },
    el("summary", {}, foldedAxes(more, others)), list(more), rest)];
}

/** What is folded away, so that nobody need look whether it matters. */
function foldedAxes(more, others) {
  const parts = more.length ? [`${more.length} more ${more.length === 1 ? "axis" : "axes"}, ${two(more[0].result.score)} or better`] : [];
  if (others.length) parts.push(`${others.length} not counted`);
  return parts.join("; ");
}

function whyNotCounted(axis, iteration) {
  const result = iteration.axes[axis.id];
  if (!result) return "not judged";
  if (result.verdict in NOT_COUNTED) return NOT_COUNTED[result.verdict];
  if (result.score === null) return "no score";
  return axis.weight === 0 ? "weight 0" : null;
}

function bar({ axis, result }) {
  const between = interval(result.low, result.high);
  return el("li", { class: `bar ${result.verdict}`, "data-axis": axis.id },
    el("span", { class: "bar-name" }, axisName(axis.id)),
    track(result),
    el("span", { class: "bar-score" }, two(result.score), between ? unseen(`, between ${between}`) : null),
    change(result),
    el("span", { class: "bar-words" }, comparedWords(axis, result), " ", el("i", {}, VERDICTS[result.verdict] ?? "")));
}

/** The bar itself: the score, its interval, and a tick where the compared iteration stood. */
function track(result) {
  const at = (name, from, to) => {
    const piece = el("span", { class: name });
    piece.style.setProperty("--from", from);
    piece.style.setProperty("--to", to);
    return piece;
  };
  const before = Math.min(1, Math.max(0, result.score - result.delta));
  return el("span", { class: "track", "aria-hidden": "true" },
    at("fill", 0, result.score),
    result.delta === null ? null : at("before", before, before),
    result.low === null || result.high === null ? null : at("whisker", result.low, result.high));
}

function change(result) {
  if (result.delta === null) return el("span", { class: "bar-change" });
  const sign = { up: "▲ ", down: "▼ " }[result.moved] ?? "";
  return el("span", { class: `bar-change ${result.moved ?? "noise"}` },
    el("span", { "aria-hidden": "true" }, sign), signed(result.delta), unseen(sign ? ", beyond noise" : ", within noise"));
}

function comparedWords(axis, result) {
  const { ref, gen } = result ?? {};
  if (!ref && !gen) return null;
  const wanted = axis.target && axis.target !== ref ? `, wanted ${axis.target}` : "";
  const text = ref === gen ? `${ref} in both` : `${ref || "nothing"} → ${gen || "nothing"}`;
  return el("span", { class: "veil" }, text + wanted);
}

function uncounted({ axis, result, why }) {
  const words = comparedWords(axis, result);
  return el("li", { "data-axis": axis.id }, el("b", {}, axisName(axis.id)), `: ${why}`, words ? [" (", words, ")"] : null);
}

/** What each axis asks, for the reader who wants to know. */
function meanings(axes) {
  const entry = (axis) => [
    el("dt", {}, axisName(axis.id)),
    el("dd", {}, el("span", { class: "veil" }, axis.definition), " ",
      el("small", {}, [axis.group ? `Group ${axisName(axis.group)}. ` : "", `Weight ${two(axis.weight)}.`].join("")),
      axis.target ? [" ", el("small", {}, "Wanted: ", el("span", { class: "veil" }, axis.target))] : null),
  ];
  return el("details", {}, el("summary", {}, "What the axes mean"), el("dl", { class: "meanings" }, axes.map(entry)));
}

// ---- trend -----------------------------------------------------------------

/** Where things lie in the chart: it fills the width it is given, but leaves every iteration at least 6 px. */
function plotOf(iterations, target, width, height = 250) {
  const values = iterations.flatMap(({ score, low, high }) => [score, low, high]).concat(target).filter((value) => typeof value === "number");
  const floor = Math.max(0, Math.floor((Math.min(...values, 1) - 0.03) * 10) / 10);
  const top = Math.min(1, Math.ceil((Math.max(...values, 0) + 0.03) * 10) / 10);
  const [left, right, above] = [34, 14, 22];
  const step = Math.min(90, Math.max(6, (width - left - right) / Math.max(1, iterations.length)));
  const bottom = height - 26;
  return {
    left, above, bottom, height, step, floor, top,
    width: Math.max(width, left + right + step * iterations.length),
    right: Math.max(width - right, left + step * iterations.length),
    x: (index) => left + step * (index + 0.5),
    // What has no score sits on the base line.
    y: (value) => (value === null ? bottom : bottom - ((value - floor) / (top - floor)) * (bottom - above)),
  };
}

/** options: {target, best, chosen, width, height, choose}. Every point is a button; only the chosen one is a tab stop. */
function trend(iterations, options) {
  const plot = plotOf(iterations, options.target, options.width, options.height);
  const { left, width, height } = plot;
  const indexOf = new Map(iterations.map((iteration, index) => [iteration.n, index]));
  // The scale is a drawing of its own, so that it can stay in place while a long chart scrolls.
  const scale = shape("svg", { class: "scale", width: left, height, "aria-hidden": "true" },
    rowsOf(plot).filter((_, row, rows) => rows.length < 8 || row % 2 === 0)
      .map((value) => shape("text", { x: left - 6, y: plot.y(value) + 4, "text-anchor": "end" }, two(value))));
  const chart = shape("svg", {
    width: width - left, height, viewBox: `${left} 0 ${width - left} ${height}`, role: "group", "aria-label": "Score of each iteration",
  },
  grid(plot, iterations), band(plot, "chosen", indexOf.get(options.chosen)), targetLine(plot, options.target),
  branches(plot, iterations, indexOf, options.chosen),
  iterations.map((iteration, index) => point(plot, iteration, index, options)));
  return el("div", { class: "trend" }, scale, chart);
}

/** The place of one iteration, from top to bottom. */
function band({ x, step, above, bottom }, name, index) {
  return shape("rect", { class: name, x: x(index) - step / 2, y: above, width: step, height: bottom - above });
}

const rowsOf = ({ floor, top }) => Array.from({ length: Math.round((top - floor) * 10) + 1 }, (_, row) => floor + row / 10);

function grid(plot, iterations) {
  const rule = (x1, x2, y1, y2) => shape("line", { class: "rule", x1, x2, y1, y2 });
  const rows = rowsOf(plot).map((value) => rule(plot.left, plot.right, plot.y(value), plot.y(value)));
  const every = [1, 2, 5, 10, 20, 50].find((count) => count * plot.step >= 28);
  const columns = iterations.map(({ n }, index) => {
    if (n % every !== 0 && !(index === 0 && every <= 5)) return [];
    const x = plot.x(index);
    return [rule(x, x, plot.above, plot.bottom), shape("text", { x, y: plot.bottom + 17, "text-anchor": "middle" }, n)];
  });
  return shape("g", { class: "grid", "aria-hidden": "true" }, rows, columns);
}

function targetLine(plot, target) {
  if (typeof target !== "number") return null;
  const y = plot.y(target);
  return shape("g", { class: "target", "aria-hidden": "true" },
    shape("line", { x1: plot.left, x2: plot.right, y1: y, y2: y }),
    shape("text", { x: plot.left + 5, y: y - 5 }, `target ${two(target)}`));
}

/** A line from every scored iteration to its parent; the way to the chosen one is drawn strongly, and last. */
function branches(plot, iterations, indexOf, chosen) {
  const way = new Set();
  for (let at = iterations[indexOf.get(chosen)]; at && !way.has(at.n); at = iterations[indexOf.get(at.parent)]) way.add(at.n);
  const line = (iteration) => {
    const [from, to] = [indexOf.get(iteration.parent), indexOf.get(iteration.n)];
    return shape("line", {
      class: way.has(iteration.n) ? "branch way" : "branch",
      x1: plot.x(from), y1: plot.y(iterations[from].score), x2: plot.x(to), y2: plot.y(iteration.score),
    });
  };
  const scored = (iteration) => typeof iteration?.score === "number";
  const children = iterations.filter((iteration) => scored(iteration) && scored(iterations[indexOf.get(iteration.parent)]));
  children.sort((a, b) => Number(way.has(a.n)) - Number(way.has(b.n)));
  return shape("g", { "aria-hidden": "true" }, children.map(line));
}

function point(plot, iteration, index, { best, chosen, choose }) {
  const [x, y] = [plot.x(index), plot.y(iteration.score)];
  const r = Math.min(5, Math.max(2.6, plot.step * 0.36));
  const current = iteration.n === chosen;
  const pick = () => choose(iteration.n);
  const whisker = iteration.low === null || iteration.high === null ? null
    : shape("line", { class: "whisker", x1: x, x2: x, y1: plot.y(iteration.low), y2: plot.y(iteration.high) });
  return shape("g", {
    class: "point", role: "button", tabindex: current ? 0 : -1, "aria-current": current ? "true" : null,
    "aria-label": spoken(iteration, best), "data-point": iteration.n, click: pick,
    keydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } },
  },
  band(plot, "hit", index),
  whisker, mark(markOf(iteration), x, y, r),
  iteration.n === best ? shape("circle", { class: "ring", cx: x, cy: y, r: r + 4.5 }) : null,
  iteration.n === best ? shape("text", { class: "best-word", x: Math.max(x, plot.left + 13), y: 14, "text-anchor": "middle" }, "best") : null);
}

// ---- text ------------------------------------------------------------------

/** Word-by-word difference: [sign, text] parts, signs "=", "-" and "+". */
function difference(parts) {
  const tags = { "+": "ins", "-": "del" };
  return el("p", { class: "prompt veil" }, parts.map(([sign, text]) => (sign in tags ? el(tags[sign], {}, text) : text)));
}

const plainText = (text) => el("p", { class: "prompt veil" }, text);

/** Inputs other than the prompts that differ from the parent's. */
function changeTable(changes) {
  const value = (json) => (typeof json === "string" ? json : JSON.stringify(json) ?? "–");
  const cell = (json) => el("td", {}, el("span", { class: "veil" }, value(json)));
  return el("table", { class: "changes" },
    el("thead", {}, el("tr", {}, ["Input", "Before", "After"].map((word) => el("th", { scope: "col" }, word)))),
    el("tbody", {}, changes.map(({ place, from, to }) => el("tr", {}, el("th", { scope: "row" }, place), cell(from), cell(to)))));
}

/** Where each picture came from, seed by seed. */
function provenance(runs) {
  const fact = (name, value) => (value === null ? null : [el("dt", {}, name), el("dd", {}, value)]);
  const entry = (run) => el("li", {}, el("dl", {},
    fact("Seed", run.seed), fact("Score", two(run.score)),
    fact("Time", run.seconds === null ? null : `${run.seconds.toFixed(1)} s`),
    fact("Prompt id", run.prompt_id), fact("Image sha256", run.image), fact("Withheld", run.withheld)));
  return el("details", {},
    el("summary", {}, `${runs.length} ${runs.length === 1 ? "seed" : "seeds"} and where the pictures came from`),
    el("ol", { class: "runs" }, runs.map(entry)));
}
