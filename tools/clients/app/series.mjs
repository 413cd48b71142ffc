// What the app must do with a session's many iterations: pages of the history, the filmstrip, its pictures. As `scenarios.mjs`.

import { INPUT, click, complete, count, historyCalls, holds, loaded, same, says, textOf, unfold } from "./helpers.mjs";
import { SESSION, recorded, result } from "./mock.mjs";

export const series = [];
const scenario = (name, run, options = {}) => series.push({ name, run, ...options });

const ALL = 31;
const BEST = 4;
const PAGE = 20;

const scoreOf = (n) => (n === BEST ? 0.93 : Number((0.4 + 0.013 * n + 0.07 * Math.sin(n * 2.3)).toFixed(3)));
const parentOf = (n) => (n === 20 ? 4 : n % 7 === 0 ? n - 2 : n - 1);
/** A picture for each, named as the store would. */
const hashFor = (n) => Array.from({ length: 64 }, (_, place) => ((n * (place + 3) + place * place) % 16).toString(16)).join("");
const pathFor = (n) => `/data/images/${hashFor(n)}.png`;
const pageStart = (page) => Math.max(1, ALL - (page + 1) * PAGE + 1);

function row(n) {
  const parent = parentOf(n);
  return {
    iteration: n, ...(parent > 0 && parent !== n - 1 ? { parent } : {}), overall_score: scoreOf(n),
    decision: n === 1 ? "first" : ["keep", "revert", "more_seeds", "keep"][n % 4], ...(n === BEST ? { best: true } : {}), note: `change ${n}`,
  };
}

function full(n) {
  const { iterations: [like] } = recorded.iterations[3];
  const [run] = like.runs;
  const [judgement] = like.judgements;
  const { overall_score: score, ...told } = row(n);
  return {
    summary: `Iteration ${n} of session ${SESSION}: 1 run(s), 1 judgement(s).`,
    iterations: [{
      ...like, ...told, parent: parentOf(n) || undefined, overall_score: score, runs: [{ ...run, pictures: [pathFor(n)] }],
      judgements: [{ ...judgement, overall_score: score, overall_ci: [score - 0.03, score + 0.03] }],
    }],
  };
}

/** A page of the history, page 0 the newest, and the pictures that the server names beside it. */
function pageOf(page) {
  const numbers = Array.from({ length: PAGE }, (_, index) => pageStart(page) + index).filter((n) => n <= ALL - page * PAGE);
  return {
    content: {
      summary: `Session ${SESSION}: ${ALL} of at most 40 iterations, target 0.85; best 0.93 (iteration ${BEST}).`, iterations: numbers.map(row),
    },
    pictures: Object.fromEntries(numbers.map((n) => [n, `calibrator://pictures/${hashFor(n)}`])),
  };
}

function longSession(mock) {
  const pages = [pageOf(0), pageOf(1)];
  const iterations = Object.fromEntries(Array.from({ length: ALL }, (_, index) => [index + 1, full(index + 1)]));
  mock.history = { trend: pages[0].content, pages: pages.map(({ content }) => content), pictures: pages.map(({ pictures }) => pictures), iterations };
}

const queued = (n) => ({
  ...recorded.queue, summary: `Iteration ${n} of session ${SESSION}: 1 picture(s).`, iteration: n, overall_score: scoreOf(n),
  overall_ci: [scoreOf(n) - 0.03, scoreOf(n) + 0.03], best: { iteration: BEST, overall_score: scoreOf(BEST) },
  runs: [{ seed: 1, seconds: 1, overall_score: scoreOf(n), pictures: [pathFor(n)] }],
});

/** How far the middle of the chosen item lies from the strip's. */
const OFF_CENTRE = `(() => {
  const middle = (node) => { const { left, width } = node.getBoundingClientRect(); return left + width / 2; };
  return Math.abs(middle(document.querySelector("#film [aria-current]")) - middle(document.querySelector(".film")));
})()`;
/** Numbers and scores stay on their lines. */
const WRAPPED = `[...document.querySelectorAll(".film-line")].filter((line) => line.getBoundingClientRect().height > 30 || line.scrollWidth > line.clientWidth + 1).length`;
const best = `[...document.querySelectorAll("#steps button")].find((button) => button.textContent === "Best")`;
const pictureReads = (calls) => calls.filter(({ method }) => method === "resources/read").map(({ params }) => params.uri);

for (const [width, theme] of [[760, "light"], [760, "dark"], [360, "light"], [360, "dark"]]) {
  scenario(`31 iterations, the best on an older page, ${width} px, ${theme}`, async ({ browser, mock, calls, show, shot }) => {
    longSession(mock);
    await show({ input: { ...INPUT, iteration: 25 }, result: result(queued(25)), width, context: { theme } });
    await browser.until(complete(25));
    await browser.until(loaded("#pictures img", 2));
    await browser.until(`${count("#film [data-iteration]")} === 21 && ${best}`);
    holds((await browser.app(OFF_CENTRE)) < 3, "the chosen one is in the middle of the strip");
    same(await browser.app(`document.querySelector("#film [data-iteration]").dataset.iteration`), String(BEST), "the first in the strip");
    same(await browser.app(textOf("#film .tag")), "best", "its mark");
    same(await browser.app(WRAPPED), 0, "lines of the strip that are broken or too long");
    same(historyCalls(calls).filter(({ iteration }) => iteration === BEST).length, 1, "how often the best was asked for");
    holds(await browser.app(`!document.querySelector("#film [data-iteration='12'] img")`), "what is not in view is not read");
    await browser.until(`document.querySelectorAll("#film img").length > 5`);
    await shot(`long-${theme}-${width}`);
    await browser.app(unfold("history"));
    await browser.until(`${count("#trend [data-point]")} === 21 && ${says("#legend", "Not here: 5–11.")}`);
    await shot(`long-chart-${theme}-${width}`);
    await browser.app(click("#film [data-iteration='31']"));
    await browser.until(complete(31));
    await browser.app(`${best}.click()`);
    await browser.until(complete(BEST));
    holds(await browser.app(says("h1", "best")), "the best is called so");
    same(historyCalls(calls).filter(({ iteration }) => iteration === BEST).length, 1, "how often the best was asked for in the end");
  });
}

scenario("31 iterations, page by page", async ({ browser, mock, show }) => {
  longSession(mock);
  await show({ input: { ...INPUT, iteration: 29 }, result: result(queued(29)) });
  await browser.until(complete(29));
  holds((await browser.app(OFF_CENTRE)) < 100, "the chosen one is in view, near the end");
  const earlier = `[...document.querySelectorAll("#steps button")].find((button) => button.textContent === "Earlier iterations")`;
  await browser.until(earlier);
  await browser.app(`${earlier}.click()`);
  await browser.until(`${count("#film [data-iteration]")} === ${ALL} && !${earlier}`);
  same(await browser.app(count("#film .apart")), 0, "gaps");
});

scenario("the filmstrip's pictures, out of the view beside the trend", async ({ browser, mock, calls, show }) => {
  longSession(mock);
  await show({ input: { ...INPUT, iteration: 25 }, result: result(queued(25)) });
  await browser.until(complete(25));
  await browser.until(`[22, 23, 24, 25, 26, 27, 28].every((n) => document.querySelector("#film [data-iteration='" + n + "'] img")?.naturalWidth > 0)`);
  const before = pictureReads(calls);
  same(before.length, new Set(before).size, "pictures that were read");
  holds(before.length < 16, `${before.length} pictures were read`);
  await browser.app(`document.querySelector(".film").scrollLeft = 0`);
  await browser.until(`[12, 13, 14].every((n) => document.querySelector("#film [data-iteration='" + n + "'] img")?.naturalWidth > 0)`);
  holds((await browser.app(`document.querySelector(".film").scrollLeft`)) < 5, "the strip stays where the reader has put it");
  holds(pictureReads(calls).includes(`calibrator://pictures/${hashFor(12)}/preview`), "small copies are asked for");
});

scenario("earlier iterations on another page", async ({ browser, mock, calls, show }) => {
  const trend = structuredClone(recorded.trend);
  trend.iterations = trend.iterations.slice(3);
  mock.history = { trend, iterations: recorded.iterations };
  await show({ input: INPUT, result: result({ ...recorded.queue, iteration: 5 }) });
  await browser.until(complete(5));
  same(await browser.app(count("#film [data-iteration]")), 3, "the newest page");
  await browser.app(`[...document.querySelectorAll("#steps button")].find((button) => button.textContent === "Earlier iterations").click()`);
  await browser.until(`![...document.querySelectorAll("#steps button")].some((button) => button.textContent === "Earlier iterations")`);
  same(historyCalls(calls).at(-1), { session: SESSION, page: 1 }, "the call for the page before");
});
