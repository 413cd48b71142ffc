// The same page from the real server, with its real tools and pictures: nothing about the session is known but that it was
// judged at least once.

import { complete, holds } from "./helpers.mjs";

async function show({ browser, show: open, asked, shot }, width, theme) {
  const trend = await browser.host(`host.callTool(${JSON.stringify({ name: "get_history", arguments: { session: asked.session } })})`);
  const rows = trend.structuredContent.iterations;
  const { iteration } = rows.findLast((row) => typeof row.overall_score === "number");
  // It has been run and judged, so this only reads.
  await open({ width, context: { theme }, call: { name: "queue_generation", arguments: { session: asked.session, iteration, judge: true } } });
  await browser.until(`[...document.querySelectorAll("#pictures img")].filter((image) => image.complete && image.naturalWidth > 0).length === 2`);
  await browser.until(`document.querySelectorAll("#film [data-iteration]").length >= ${rows.length} || ${rows.length} < 2`);
  await browser.until(`!document.getElementById("details").hidden`);
  holds((await browser.app(`document.querySelectorAll("#bars .bar").length`)) > 0, "there are no bars");
  holds(await browser.app("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its frame");
  await shot(`live-${theme}-${width}`);
  return rows;
}

export const live = [
  {
    name: "the real server: pictures, bars, filmstrip, another iteration",
    run: async (kit) => {
      const rows = await show(kit, 760, "light");
      const { browser, calls, asked } = kit;
      if (rows.length < 2) return;
      const before = await browser.app(`document.querySelectorAll("#pictures img")[1].src`);
      const other = rows.find(({ overall_score: score }, index) => typeof score === "number" && index < rows.length - 1).iteration;
      await browser.app(`document.querySelector("#film [data-iteration='${other}']").click()`);
      await browser.until(`(document.querySelectorAll("#pictures img")[1]?.src ?? "${before.slice(0, 9)}").length && document.querySelectorAll("#pictures img")[1]?.src !== ${JSON.stringify(before)} && document.querySelectorAll("#pictures img").length === 2`);
      const last = calls.findLast(({ params }) => params?.name === "get_history").params.arguments;
      holds(last.session === asked.session && last.iteration === other, `the last call was ${JSON.stringify(last)}`);
      await browser.until(complete(other));
      await kit.shot("live-other-760");
    },
  },
  { name: "the real server at 360 px, dark", run: async (kit) => { await show(kit, 360, "dark"); } },
];
