/**
 * PageLens and onnxruntime-web in one Chromium, one after the other, on one CPU thread each: InternVL2.5-1B's sizes, noise for
 * weights, 8 bits, medians.
 *
 *     python tests/peers/models.py /tmp/peers        (once: the rival's models, 1 GB)
 *     (cd tests/peers && npm install)
 *     node tests/peers/bench.js /tmp/peers [--repeats 5]
 */

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch } from "../e2e/browser.js";
import { serve } from "../e2e/server.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { repeats: { type: "string", default: "5" } } });
const [models] = positionals;
if (models === undefined) throw new Error("where are the models? see the top of this file");
const repeats = Number(values.repeats);
const runtime = fileURLToPath(new URL("node_modules/onnxruntime-web/dist/", import.meta.url));
const types = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm" };

const rivals = createServer((request, response) => {
  const name = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
  const file = [join(runtime, name), join(models, name)].find((path) => existsSync(path) && statSync(path).isFile());
  if (name === "/") return response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>peers</title>");
  if (file === undefined) return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream", "Content-Length": statSync(file).size });
  createReadStream(file).pipe(response);
});
await new Promise((resolve) => rivals.listen(0, "127.0.0.1", () => resolve(undefined)));
const rivalUrl = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (rivals.address()).port}/`;
const ours = await serve();

/** @typedef {Map<string, number>} Times milliseconds by what was done */

/** @returns {Promise<Times>} */
async function pagelens() {
  const browser = await launch();
  const page = await browser.context.newPage();
  page.setDefaultTimeout(0);
  await page.goto(`${ours.url}bench.html`);
  const measured = await page.evaluate(async (/** @type {number} */ repeats) => {
    const worker = new Worker("bench-worker.js", { type: "module" });
    const model = new URL("models/tiny/", document.baseURI).href;
    worker.postMessage({ model, repeats, device: "cpu", shape: "internvl2_5-1b", weights: "q8" });
    /** @type {{ name: string, ms: number }[]} */
    const all = [];
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if ("measured" in data) all.push(data.measured);
        else if ("error" in data) reject(new Error(data.error));
        else resolve(all);
      };
    });
  }, repeats);
  await browser.close();
  return new Map(measured.map(({ name, ms }) => [name, ms]));
}

/** @returns {Promise<Times>} */
async function onnxruntime() {
  const browser = await launch();
  const page = await browser.context.newPage();
  page.setDefaultTimeout(0);
  await page.goto(rivalUrl);
  const measured = await page.evaluate(async (/** @type {number} */ repeats) => {
    const ort = await import(/** @type {string} */ ("/ort.wasm.min.mjs"));
    ort.env.wasm.numThreads = 1;
    const open = (/** @type {string} */ file) => ort.InferenceSession.create(file, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    const median = async (/** @type {() => Promise<unknown>} */ work) => {
      const times = [];
      for (let turn = 0; turn <= repeats; turn++) {
        const began = performance.now();
        await work();
        if (turn > 0) times.push(performance.now() - began);
      }
      return times.sort((a, b) => a - b)[times.length >> 1];
    };
    /** @type {[string, number][]} */
    const all = [];
    const encoder = await open("/encoder-int8.onnx");
    const pixels = new ort.Tensor("float32", Float32Array.from({ length: 3 * 448 * 448 }, (_, i) => Math.sin(i)), [1, 3, 448, 448]);
    all.push(["encode a tile", await median(() => encoder.run({ pixel_values: pixels }))]);
    await encoder.release();
    const decoder = await open("/decoder-int8.onnx");
    const cache = (/** @type {number} */ length) => new ort.Tensor("float32", new Float32Array(24 * 2 * 64 * length).fill(0.01), [24, 1, 2, length, 64]);
    const ids = (/** @type {number} */ length) => new ort.Tensor("int64", BigInt64Array.from({ length }, (_, i) => BigInt(i % 1000)), [1, length]);
    for (const [name, past, length] of /** @type {[string, number, number][]} */ ([["prefill 512", 1, 512], ["a token at 512", 512, 1], ["a token at 4096", 4096, 1]])) {
      const inputs = { ids: ids(length), keys: cache(past), values: cache(past) };
      all.push([name, await median(() => decoder.run(inputs))]);
    }
    return all;
  }, repeats);
  await browser.close();
  return new Map(measured);
}

const rival = await onnxruntime();
const own = await pagelens();
console.log(`${"one thread, 8 bits".padEnd(20)} ${"PageLens".padStart(12)} ${"onnxruntime".padStart(12)} ${"ratio".padStart(7)}`);
for (const [name, theirs] of rival) {
  const mine = own.get(name) ?? NaN;
  console.log(`${name.padEnd(20)} ${mine.toFixed(0).padStart(9)} ms ${theirs.toFixed(0).padStart(9)} ms ${(theirs / mine).toFixed(2).padStart(7)}`);
}
await ours.close();
rivals.close();
