// From what the server's tools answer to what the drawing functions show. Nothing in here touches the page or the host, and
// nothing trusts a shape: an older server, or a host that passes on only part of a result, must not break the page.

/** The part of a result's `_meta` that is for this page. */
const VIEW = "prompt-calibrator/view";
const VERDICT_WORDS = ["match", "partial", "mismatch", "refused", "unresolved", "not_visible"];
/** What a person must know before believing a number, by the flags of a judgement. */
const WARNINGS = {
  untrained_model: "The judge's weights are random: its numbers and words mean nothing.",
  narrow_model: "The bundled judge knows rendered scenes only: on other pictures its numbers mean nothing.",
  self_check_failed: "The judge failed its self-check: it does not tell an identical pair from an unrelated one.",
  unknown_architecture: "The judge is a kind of model that this protocol was never measured on.",
  shape_mismatch: "The pictures differ in aspect ratio, which lowers the axes of composition.",
  edited_reference: "What the reference shows was corrected by hand. What the picture shows is still the judge’s own reading, and may name a match otherwise.",
};
/** Longer texts are shown without their differences: the table of the comparison grows with the square. */
const MOST_WORDS = 2500;

const asNumber = (value) => (Number.isFinite(value) ? value : null);
const asText = (value) => (typeof value === "string" ? value : "");
const asList = (value) => (Array.isArray(value) ? value : []);
const asTable = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const bounded = (number) => Math.min(1, Math.max(0, number));
const mean = (numbers) => (numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : null);
/** A table whose keys are the server's words. */
const table = (entries) => Object.assign(Object.create(null), Object.fromEntries(entries));

// ---- a result --------------------------------------------------------------

/** What a result says: {content, view, images, text, failed}. */
function readResult(result) {
  const blocks = asList(result.content);
  const text = blocks.filter((block) => block?.type === "text").map((block) => asText(block.text)).join("\n");
  return {
    content: asTable(result.structuredContent ?? parsed(text)),
    view: asTable(asTable(result._meta)[VIEW]),
    images: blocks.filter((block) => block?.type === "image").map((block) => dataUrl(block.mimeType, block.data)).filter(Boolean),
    text,
    failed: result.isError === true,
  };
}

/** Without structured content the text says the same, as JSON. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Only kinds of picture that cannot run anything. */
function dataUrl(mimeType, base64) {
  return /^image\/(jpeg|png|webp|gif)$/.test(mimeType) && asText(base64) ? `data:${mimeType};base64,${base64}` : null;
}

/** Stored pictures are named by their content, and that is also their address. */
function addressOf(path) {
  const [, hash] = /(?:^|[\\/])([0-9a-f]{64})\.\w+$/.exec(asText(path)) ?? [];
  return hash ? `calibrator://pictures/${hash}/preview` : null;
}

/** The address of a small copy of the picture that a view names. */
function previewOf(uri) {
  const [address] = /^calibrator:\/\/pictures\/[0-9a-f]{64}/.exec(asText(uri)) ?? [];
  return address ? `${address}/preview` : null;
}

// ---- axes ------------------------------------------------------------------

/** @param {any} axis what a tool said of it, as far as it did */
function axisResult({ score, low = null, high = null, ref, gen, verdict }) {
  const known = VERDICT_WORDS.includes(verdict) ? verdict : "";
  return { score: asNumber(score), low, high, ref: asText(ref), gen: asText(gen), verdict: known, delta: null, moved: null };
}

const verdictOf = (score) => (score >= 0.8 ? "match" : score < 0.4 ? "mismatch" : "partial");

/** An axis with everything: its interval is what the two orders and the model's spread leave open. */
function axisInFull(axis) {
  const score = asNumber(axis.score);
  if (score === null) return axisResult(axis);
  const error = Math.hypot(asNumber(axis.position_bias) ?? 0, asNumber(axis.std) ?? 0);
  return axisResult({ ...axis, low: bounded(score - error), high: bounded(score + error) });
}

/** A score, or the word for why there is none. */
function axisInBrief(value) {
  return asNumber(value) === null ? axisResult({ verdict: value }) : axisResult({ score: value, verdict: verdictOf(value) });
}

/** `0.31 mismatch; ref: a red coat; gen: a blue coat`. */
function axisInALine(line) {
  const [, score, verdict, ref, gen] = /^(?:(\d\.\d+) )?(\w+); ref: (.*?); gen: (.*)$/s.exec(asText(line)) ?? [];
  return axisResult({ score: score === undefined ? null : Number(score), verdict, ref, gen });
}

/** The axes of a tool's scores: the worst in full, the rest in brief. */
function axesOf(content) {
  const worst = asList(content.axes).map(asTable).filter((axis) => asText(axis.id)).map((axis) => [axis.id, axisInFull(axis)]);
  const rest = Object.entries(asTable(content.rest)).map(([id, value]) => [id, axisInBrief(value)]);
  return table([...worst, ...rest]);
}

/** Judgements of an iteration's seeds as one: scores as means, and each thing that a picture showed. */
function axesOfAll(judgements) {
  const all = judgements.map((judgement) => asTable(judgement.axes)).filter((axes) => Object.keys(axes).length);
  const ids = all.length ? Object.keys(all[0]) : [];
  return table(ids.map((id) => [id, averaged(all.filter((axes) => Object.hasOwn(axes, id)).map((axes) => axisInALine(axes[id])))]));
}

function averaged(results) {
  const score = mean(results.map((result) => result.score).filter((number) => number !== null));
  const shown = [...new Set(results.map((result) => result.gen))];
  return axisResult({
    score, ref: results[0].ref, gen: shown.slice(0, 2).join(" | ") + (shown.length > 2 ? " | …" : ""),
    verdict: results.length === 1 || score === null ? results[0].verdict : verdictOf(score),
  });
}

// ---- summaries -------------------------------------------------------------

/** The number of the best iteration, as a trend's summary names it: its row may lie on another page. */
function bestIn(summary) {
  const [, n] = /; best (?:\d\.\d+ )?\(iteration (\d+)\)/.exec(asText(summary)) ?? [];
  return n === undefined ? null : Number(n);
}

/** How far the iterations are that a summary says are at work: [number, step] pairs. */
function stepsIn(summary) {
  const told = asText(summary).matchAll(/Iteration (\d+)\b[^.]*? (?:goes on|runs now|running now) \((.+?)\)(?=[.;]|$)/g);
  return [...told].map(([, n, step]) => [Number(n), step]);
}

/** What is off in an iteration, or why nothing can be said of it. */
function off(iteration) {
  const atWork = { running: "Still running", stopping: "Being stopped" };
  if (Object.hasOwn(atWork, iteration.state)) return `${atWork[iteration.state]}${iteration.step ? `: ${iteration.step}` : ""}.`;
  const results = Object.entries(iteration.axes).filter(([, { score }]) => score !== null);
  if (!results.length) return STATES[iteration.state] ?? "Not judged yet.";
  const worst = results.filter(([, { verdict: word }]) => word === "mismatch" || word === "partial").sort((a, b) => a[1].score - b[1].score);
  if (!worst.length) return "Nothing is clearly off.";
  const names = worst.slice(0, 3).map(([id]) => axisName(id));
  return `Most off: ${names.join(", ")}${worst.length > 3 ? ` and ${worst.length - 3} more` : ""}.`;
}

// ---- iterations ------------------------------------------------------------

/** An iteration of which nothing is known but its number; 0 is a pair of pictures outside of every session. */
function unknownIteration(n) {
  return {
    n, parent: n > 1 ? n - 1 : null, state: "done", score: null, low: null, high: null, decision: null, axes: {}, flags: [], runs: [],
    note: "", step: "", unread: true, record: null,
  };
}

/** One line of a session's trend. */
function readRow(iteration, row) {
  if (asNumber(row.parent) !== null) iteration.parent = row.parent;
  iteration.state = asText(row.state) || "done";
  iteration.note = asText(row.note);
  if (asNumber(row.overall_score) !== null) iteration.score = row.overall_score;
  if (asText(row.decision)) iteration.decision = { kind: row.decision };
}

/** The scores and pictures of queue_generation or judge_pair. */
function readScores(iteration, { content, images }) {
  iteration.unread = false;
  iteration.state = asText(content.state) || "done";
  if (asText(content.decision)) iteration.decision = { kind: content.decision };
  iteration.runs = content.runs ? runsOf(content.runs) : judgedRun(content);
  // Previews come in the order of the pictures; a contact sheet does not say where in it they are.
  const places = iteration.runs.filter((run) => run.address || run.file);
  if (content.runs && places.length === images.length) places.forEach((run, index) => { run.inline = images[index]; });
  if (!content.axes) return;
  iteration.axes = axesOf(content);
  iteration.flags = asList(content.flags);
  iteration.score = asNumber(content.overall_score);
  [iteration.low = null, iteration.high = null] = asList(content.overall_ci).map(asNumber);
}

const aRun = (seed, path, score = null, error = "") => ({
  seed: seed === undefined || seed === null ? "" : String(seed), score: asNumber(score), file: asText(path),
  address: addressOf(path), inline: null, picture: null, withheld: null, error: asText(error),
});

/** A view of every picture: a run may have made several, or none. */
function runsOf(runs) {
  return asList(runs).map(asTable).flatMap((run) => {
    const paths = asList(run.pictures);
    return (paths.length ? paths : [""]).map((path) => aRun(run.seed, path, run.overall_score, run.error));
  });
}

function judgedRun(content) {
  const [, generated] = asList(content.pictures);
  // Of several seeds the score is that of all, and the picture the first one's.
  return generated ? [aRun(content.seed, generated, content.seeds ? null : content.overall_score)] : [];
}

/** An iteration in full, as the history has it. What a tool said of the same judgement in more detail stays. */
function readRecord(iteration, full) {
  Object.assign(iteration, { record: full, unread: false });
  if (asNumber(full.parent) !== null) iteration.parent = full.parent;
  iteration.state = asText(full.state) || "done";
  iteration.note = asText(full.note) || iteration.note;
  if (asText(full.decision)) iteration.decision = { kind: full.decision };
  const judgements = newestJudge(asList(full.judgements).map(asTable));
  const axes = axesOfAll(judgements);
  const keep = iteration.axes;
  for (const id of Object.keys(axes)) {
    if (Object.hasOwn(keep, id) && keep[id].low !== null) axes[id] = keep[id];
  }
  if (Object.keys(axes).length) iteration.axes = axes;
  if (judgements.length) iteration.flags = judgements.flatMap((judgement) => asList(judgement.flags));
  readOverall(iteration, judgements);
  readRuns(iteration, full, judgements);
}

/** Scores of different judges are not to be mixed. */
function newestJudge(judgements) {
  return judgements.filter(({ judge }) => judge === judgements.at(-1).judge);
}

function readOverall(iteration, judgements) {
  if (iteration.score === null) {
    iteration.score = mean(judgements.map((judgement) => asNumber(judgement.overall_score)).filter((number) => number !== null));
  }
  if (judgements.length === 1 && iteration.low === null) {
    [iteration.low = null, iteration.high = null] = asList(judgements[0].overall_ci).map(asNumber);
  }
}

/** The runs of the history, with the pictures that are here already. */
function readRuns(iteration, full, judgements) {
  const old = iteration.runs;
  const left = [...judgements];
  iteration.runs = runsOf(full.runs).map((run) => {
    // A seed may be beyond what a script can tell apart, so every judgement is used once.
    const at = left.findIndex((judgement) => String(judgement.seed) === run.seed);
    const score = at < 0 ? null : asNumber(left.splice(at, 1)[0].overall_score);
    const before = old.find((other) => (run.address ? other.address === run.address : other.file === run.file && other.seed === run.seed));
    return { ...run, score, inline: before?.inline ?? null, picture: before?.picture ?? null };
  });
  if (!iteration.runs.length) iteration.runs = old;
}

/** The runs of numbers between iterations that are not here: [first, last] pairs. */
function gapsIn(iterations) {
  return iterations.slice(1).map(({ n }, index) => [iterations[index].n + 1, n - 1]).filter(([first, last]) => first <= last);
}

// ---- texts -----------------------------------------------------------------

/** Inputs other than the prompts, which are shown by themselves. */
function otherChanges({ positive, negative, changes }) {
  const other = Object.entries(asTable(changes)).map(([place, change]) => ({ place, ...asTable(change) }));
  return other.filter(({ to }) => to !== positive && to !== negative);
}

/** The change that wrote this prompt, if one did. */
function changeTo(changes, text) {
  return Object.values(changes).map(asTable).find(({ from, to }) => text && to === text && typeof from === "string");
}

/** Word by word: [sign, text] parts, as `difference` draws them. */
function wordDifference(before, after) {
  const [a, b] = [before, after].map((text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? []);
  if (Math.max(a.length, b.length) > MOST_WORDS) return [["=", after]];
  const common = commonWords(a, b);
  const parts = [];
  const push = (sign, text) => {
    if (parts.at(-1)?.[0] === sign) parts.at(-1)[1] += text;
    else parts.push([sign, text]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      push("=", a[i++]);
      j++;
    } else if (j === b.length || (i < a.length && common(i + 1, j) >= common(i, j + 1))) push("-", a[i++]);
    else push("+", b[j++]);
  }
  return parts;
}

/** How many words the two have in common, in order, from these places on. */
function commonWords(a, b) {
  const width = b.length + 1;
  const count = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      count[at] = a[i] === b[j] ? count[at + width + 1] + 1 : Math.max(count[at + width], count[at + 1]);
    }
  }
  return (i, j) => count[i * width + j];
}
