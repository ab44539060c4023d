/**
 * The bench in headless Chromium:  npm run bench -- [--shape S] [--device D] [--weights W] [--repeats N]
 * With `--device gpu` Chromium's software adapter is offered where there is no other.
 */

import { parseArgs } from "node:util";
import { launch } from "./e2e/browser.js";
import { serve } from "./e2e/server.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "internvl2_5-1b" },
    device: { type: "string", default: "cpu" },
    weights: { type: "string", default: "q8" },
    repeats: { type: "string", default: "5" },
  },
});
const server = await serve();
const browser = await launch({ webgpu: values.device !== "cpu" });
const page = await browser.context.newPage();
page.setDefaultTimeout(0);
await page.exposeFunction("line", (/** @type {{ name: string, ms: number, rate: number, unit: string, share: number }} */ { name, ms, rate, unit, share }) => {
  const time = ms === 0 ? "" : `${ms.toFixed(ms < 10 ? 3 : 1)} ms`;
  const work = unit === "" ? "" : `${rate.toFixed(1)} ${unit}`;
  const part = share === 0 ? "" : `${(share * 100).toFixed(0)} % of the peak`;
  console.log(`${name.padEnd(36)} ${time.padStart(12)} ${work.padStart(18)} ${part.padStart(16)}`.trimEnd());
});
await page.goto(`${server.url}bench.html`);
const end = await page.evaluate(async (/** @type {Record<string, string>} */ choices) => {
  const { start } = await import(/** @type {string} */ ("/workers.js")); // the page's policy allows no other
  const worker = /** @type {Worker} */ (start(() => new Worker("bench-worker.js", { type: "module" })));
  worker.postMessage({ ...choices, repeats: Number(choices.repeats), model: new URL("models/tiny/", document.baseURI).href });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => ("measured" in data ? /** @type {any} */ (globalThis).line(data.measured) : resolve(data));
    worker.onerror = (event) => resolve({ error: event.message });
  });
}, values);
console.log(end.error ?? `in Chromium ${browser.context.browser()?.version() ?? ""}, on the ${end.device}`);
await browser.close();
await server.close();
process.exitCode = end.error ? 1 : 0;
