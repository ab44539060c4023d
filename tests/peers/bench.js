/**
 * PageLens, onnxruntime-web and wllama in one Chromium: InternVL2.5-1B's sizes, noise for weights, medians. On the CPU they take
 * turns, since a machine may be slower for minutes.
 *
 *     python tests/peers/models.py /tmp/peers        (once: the rivals' models, 3 GB)
 *     (cd tests/peers && npm install)
 *     node tests/peers/bench.js /tmp/peers [--repeats 5] [PART ...]
 *
 * The parts, in this order, all of them if none is named:
 *   encoder   One CPU thread each, 8 bits.
 *   decoder   The same.
 *   threads   The encoder on two: onnxruntime's share memory, on a page that is cross-origin isolated; PageLens has two workers, on
 *             one that is not, and seven tiles to hand them.
 *   wllama    The decoder again, on one thread, beside llama.cpp in WebAssembly, in 8 and in 4 bits. Its prompt takes minutes, and is
 *             timed once.
 *   webgpu    Chromium's software adapter, and models that are cut to what it gets done: one layer of the encoder, two of the decoder.
 *             PageLens has 8 bits, the rival whichever of its kinds of weights is its fastest; --kinds names them. A layer takes
 *             minutes, and is timed once.
 */

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch } from "../e2e/browser.js";
import { serve } from "../e2e/server.js";
import { SHAPES, checkpoint } from "../e2e/shapes.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { repeats: { type: "string", default: "5" }, kinds: { type: "string", default: "f32,q8,q4" } },
});
const [models, ...parts] = positionals;
if (models === undefined) throw new Error("where are the models? see the top of this file");
const repeats = Number(values.repeats);
const installed = (/** @type {string} */ path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const folders = [installed("onnxruntime-web/dist/"), installed("@wllama/wllama/esm/"), models];
const types = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm" };
const isolated = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const rivals = createServer((request, response) => {
  const name = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
  const file = folders.map((folder) => join(folder, name)).find((path) => existsSync(path) && statSync(path).isFile());
  if (name === "/") return response.writeHead(200, { ...isolated, "Content-Type": "text/html" }).end("<!doctype html><title>peers</title>");
  if (file === undefined) return response.writeHead(404).end();
  response.writeHead(200, { ...isolated, "Content-Type": types[extname(file)] ?? "application/octet-stream", "Content-Length": statSync(file).size });
  createReadStream(file).pipe(response);
});
await new Promise((resolve) => rivals.listen(0, "127.0.0.1", () => resolve(undefined)));
const rivalUrl = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (rivals.address()).port}/`;

// What of ours is not of the bench's own shape.
const published = SHAPES["InternVL2_5-1B"];
if (published === undefined) throw new Error("the shape that is measured has gone");
SHAPES["peers-eyes"] = { ...published, vision: [1024, 4096, 24, 16], language: [896, 4864, 1, 14, 2, 64], vocabulary: 2048 };
SHAPES["peers-cut"] = { ...published, vision: [1024, 4096, 1, 16], language: [896, 4864, 2, 14, 2, 64], context: 640 };
const made = new Map([...(await checkpoint("peers-eyes", "/peers-eyes/")), ...(await checkpoint("peers-cut", "/peers-cut/"))]);
const ours = await serve({ made });

/** @typedef {Map<string, number>} Times milliseconds by what was done */
/** @typedef {import("playwright-core").Page} Page */

/**
 * Runs `work` on a page of a browser that has nothing else to do.
 * @template T
 * @param {boolean} webgpu
 * @param {string} url
 * @param {(page: Page) => Promise<T>} work
 */
async function alone(webgpu, url, work) {
  const browser = await launch({ webgpu });
  try {
    const page = await browser.context.newPage();
    page.setDefaultTimeout(0);
    await page.goto(url);
    return await work(page);
  } finally {
    await browser.close();
  }
}

/** The engine's bench on one CPU thread, as far as `names`. @param {string[]} names @param {"q8" | "q4"} [weights] @returns {Promise<Times>} */
function pagelens(names, weights = "q8") {
  return alone(false, `${ours.url}fixtures/blank.html`, async (page) => {
    const measured = await page.evaluate(([names, weights]) => {
      const worker = new Worker("/bench-worker.js", { type: "module" });
      worker.postMessage({ model: new URL("/models/tiny/", document.baseURI).href, repeats: 1, device: "cpu", shape: "internvl2_5-1b", weights });
      /** @type {[string, number][]} */
      const all = [];
      return new Promise((/** @type {(all: [string, number][]) => void} */ resolve, reject) => {
        worker.onmessage = ({ data }) => {
          if ("error" in data) return reject(new Error(data.error));
          if ("measured" in data && names.includes(data.measured.name)) all.push([data.measured.name, data.measured.ms]);
          if (all.length === names.length) resolve(all);
          else if ("device" in data) reject(new Error(`the bench has ended without ${names}`));
        };
      });
    }, /** @type {const} */ ([names, weights]));
    return new Map(measured);
  });
}

/**
 * The same on the software adapter, where no worker is needed, with the model that is cut.
 * @param {string[]} names
 * @returns {Promise<Times>}
 */
function pagelensCut(names) {
  return alone(true, `${ours.url}fixtures/blank.html`, async (page) => {
    page.on("console", (message) => message.type() === "log" && console.log(message.text()));
    const measured = await page.evaluate(async (names) => {
      const pkg = await import(/** @type {string} */ ("/pkg/pagelens.js"));
      await pkg.default();
      const read = async (/** @type {string} */ file, /** @type {number} */ start, /** @type {number} */ end) => {
        const response = await fetch(`/peers-cut/${file}`, end < 0 ? {} : { headers: { Range: `bytes=${start}-${end - 1}` } });
        return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
      };
      /** @type {[string, number][]} */
      const all = [];
      return new Promise((/** @type {(all: [string, number][]) => void} */ resolve, reject) => {
        const report = (/** @type {{ name: string, ms: number }} */ { name, ms }) => {
          console.log(`PageLens, cut: ${name}: ${ms.toFixed(0)} ms`);
          if (names.includes(name)) all.push([name, ms]);
          if (all.length === names.length) resolve(all);
        };
        pkg.Engine.bench(read, "gpu", "tiny", "q8", 1, report).catch(reject); // "tiny" is the model that is read, as it is
      });
    }, names);
    return new Map(measured);
  });
}

/** A tile's share of a page of seven, encoded by the workers that a page without a GPU starts. @returns {Promise<Times>} */
function spread() {
  return alone(false, `${ours.url}fixtures/blank.html`, async (page) => {
    // Nothing of the public API tells when the encoders are there: a message between its parts does.
    await page.addInitScript(() => {
      const scope = /** @type {any} */ (globalThis);
      Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 });
      scope.encoders = new Promise((resolve) => {
        globalThis.Worker = class extends Worker {
          /** @param {any[]} message */
          postMessage(...message) {
            if (message[0].type === "encoders") resolve(undefined);
            return super.postMessage(.../** @type {[any, any]} */ (message));
          }
        };
      });
    });
    await page.reload();
    const ms = await page.evaluate(async () => {
      const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
      const engine = await createEngine({ model: "/peers-eyes/", device: "cpu" });
      await /** @type {any} */ (globalThis).encoders;
      let ms = NaN;
      for (let turn = 0; turn < 2; turn++) {
        const canvas = new OffscreenCanvas(3 * 448, 2 * 448);
        canvas.getContext("2d")?.fillRect(0, 0, 100 + turn, 100); // another page each time: of one that is known nothing is encoded
        const image = await canvas.convertToBlob();
        let began = 0;
        const onProgress = (/** @type {{ phase: string, done: number, total: number }} */ { phase, done, total }) => {
          if (phase !== "vision") return;
          if (done === 0) began = performance.now();
          else if (done === total) ms = (performance.now() - began) / total;
        };
        const content = [{ type: "image", image }, { type: "text", text: "What is this?" }];
        await engine.chat.completions.create({ messages: [{ role: "user", content }], max_tokens: 1, max_tiles: 6, onProgress });
      }
      return ms;
    });
    return new Map([[tile, ms]]);
  });
}

/**
 * What the rival is to do: encode a tile, or take `length` tokens, or as many embeddings, behind `past` others.
 * @typedef {{ model: string, decode?: { layers: number, past: number, length: number, embedded?: boolean } }} Task
 */

/** @param {Task} task @param {{ provider?: "wasm" | "webgpu", threads?: number, repeats?: number }} [options] @returns {Promise<number>} */
function onnxruntime(task, { provider = "wasm", threads = 1, repeats: turns = 1 } = {}) {
  return alone(provider === "webgpu", rivalUrl, (page) => page.evaluate(async ([{ model, decode }, { provider, threads, turns }]) => {
    const ort = await import(/** @type {string} */ (provider === "webgpu" ? "/ort.webgpu.min.mjs" : "/ort.wasm.min.mjs"));
    if (threads > 1 && !crossOriginIsolated) throw new Error("threads want an isolated page");
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(`/${model}.onnx`, { executionProviders: [provider], graphOptimizationLevel: "all" });
    const noise = (/** @type {number[]} */ shape) => new ort.Tensor("float32", Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)), shape);
    /** @type {Record<string, unknown>} */
    const inputs = {};
    if (decode) {
      const { layers, past, length, embedded } = decode;
      const ids = () => new ort.Tensor("int64", BigInt64Array.from({ length }, (_, i) => BigInt(i % 1000)), [1, length]);
      Object.assign(inputs, { ids: embedded ? noise([1, length, 896]) : ids(), keys: noise([layers, 1, 2, past, 64]), values: noise([layers, 1, 2, past, 64]) });
    } else Object.assign(inputs, { pixel_values: noise([1, 3, 448, 448]) });
    const times = [];
    for (let turn = 0; turn <= turns; turn++) {
      const began = performance.now();
      await session.run(inputs);
      if (turn > 0) times.push(performance.now() - began);
    }
    return times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
  }, /** @type {const} */ ([task, { provider, threads, turns }])));
}

/** llama.cpp in WebAssembly, on one thread: a prompt of 512 tokens and what follows it. @param {"Q8_0" | "Q4_0"} kind @returns {Promise<Times>} */
function llama(kind) {
  return alone(false, rivalUrl, async (page) => {
    const times = await page.evaluate(async (/** @type {string} */ model) => {
      const { Wllama } = await import(/** @type {string} */ ("/index.js"));
      const wllama = new Wllama({ default: new URL("/wasm/wllama.wasm", document.baseURI).href });
      const file = await (await fetch(model)).blob();
      await wllama.loadModel([file], { n_threads: 1, n_gpu_layers: 0, n_ctx: 1024, n_batch: 512 });
      const { timings } = await wllama.createCompletion({ prompt: "a".repeat(512), max_tokens: 9, temperature: 0 }); // a token a letter
      if (timings.prompt_n !== 512 || timings.predicted_n < 2) throw new Error(`wllama took ${JSON.stringify(timings)}`);
      return [timings.prompt_ms, timings.predicted_per_token_ms];
    }, `/decoder-${kind}.gguf`);
    return new Map([prefill, token].map((name, i) => [name, times[i] ?? NaN]));
  });
}

/** The fastest of the rival's kinds of weights on the software adapter. @param {Task} task @param {number} repeats */
async function fastest(task, repeats) {
  /** @type {{ kind: string, ms: number }} */
  let best = { kind: "none runs", ms: NaN };
  for (const kind of values.kinds.split(",")) {
    try {
      const ms = await onnxruntime({ ...task, model: `${task.model}-${kind}` }, { provider: "webgpu", repeats });
      console.log(`onnxruntime's ${task.model} in ${kind}: ${ms.toFixed(0)} ms`);
      if (!(ms >= best.ms)) best = { kind, ms };
    } catch (error) {
      console.log(`onnxruntime's ${task.model} in ${kind}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return best;
}

/** @param {() => Promise<Times>} theirs @param {() => Promise<Times>} mine @returns {Promise<{ theirs: Times, mine: Times }>} medians */
async function byTurns(theirs, mine) {
  /** @type {{ theirs: Times[], mine: Times[] }} */
  const all = { theirs: [], mine: [] };
  for (let turn = 0; turn < repeats; turn++) {
    all.theirs.push(await theirs());
    all.mine.push(await mine());
  }
  const medians = (/** @type {Times[]} */ times) => new Map([...(times[0]?.keys() ?? [])].map((name) => {
    const sorted = times.map((one) => one.get(name) ?? NaN).sort((a, b) => a - b);
    return [name, sorted[sorted.length >> 1] ?? NaN];
  }));
  return { theirs: medians(all.theirs), mine: medians(all.mine) };
}

/** @param {string} title @param {{ theirs: Times, mine: Times }} times @param {string} [rival] */
function table(title, { theirs, mine }, rival) {
  head(title, rival);
  for (const [name, ms] of theirs) row(name, mine.get(name), ms);
}

/** @param {string} title @param {string} [rival] */
const head = (title, rival = "onnxruntime") => console.log(`\n${title.padEnd(32)} ${"PageLens".padStart(12)} ${rival.padStart(12)} ${"ratio".padStart(7)}`);

/** @param {string} name @param {number | undefined} mine @param {number} theirs @param {string} [note] */
function row(name, mine = NaN, theirs, note = "") {
  const [ours, other] = [mine, theirs].map((ms) => `${ms.toFixed(ms < 100 ? 1 : 0)} ms`.padStart(12));
  console.log(`${name.padEnd(32)} ${ours} ${other} ${(theirs / mine).toFixed(2).padStart(7)} ${note}`.trimEnd());
}

const [tile, prefill, token] = ["encode a tile", "prefill 512", "a token at 512"];
/** @type {Record<string, () => Promise<void>>} */
const all = {
  encoder: async () => {
    const theirs = async () => new Map([[tile, await onnxruntime({ model: "encoder-int8" })]]);
    table("one thread, 8 bits", await byTurns(theirs, () => pagelens([tile])));
  },
  decoder: async () => {
    const steps = Object.entries({ [prefill]: { past: 1, length: 512 }, [token]: { past: 512, length: 1 }, "a token at 4096": { past: 4096, length: 1 } });
    const theirs = async () => {
      /** @type {Times} */
      const times = new Map();
      for (const [name, { past, length }] of steps) times.set(name, await onnxruntime({ model: "decoder-int8", decode: { layers: 24, past, length } }, { repeats: length === 1 ? 10 : 1 }));
      return times;
    };
    table("one thread, 8 bits", await byTurns(theirs, () => pagelens(steps.map(([name]) => name))));
  },
  threads: async () => {
    const theirs = async () => new Map([[tile, await onnxruntime({ model: "encoder-int8" }, { threads: 2 })]]);
    table("two threads, 8 bits, of seven", await byTurns(theirs, spread));
  },
  wllama: async () => {
    for (const [kind, weights] of /** @type {const} */ ([["Q8_0", "q8"], ["Q4_0", "q4"]])) {
      table(`one thread, ${kind} beside ${weights}, once`, { theirs: await llama(kind), mine: await pagelens([prefill, token], weights) }, "wllama");
    }
  },
  webgpu: async () => {
    const theirs = {
      layer: await fastest({ model: "encoder-1" }, 1),
      token: await fastest({ model: "decoder-2", decode: { layers: 2, past: 512, length: 1, embedded: true } }, repeats),
    };
    const mine = await pagelensCut([tile, token]);
    head("WebGPU, software adapter");
    row("encode a tile, one layer", mine.get(tile), theirs.layer.ms, theirs.layer.kind);
    row("a token at 512, two layers", mine.get(token), theirs.token.ms, theirs.token.kind);
  },
};
for (const part of parts) if (!(part in all)) throw new Error(`no part is called ${part}`);
for (const [part, run] of Object.entries(all)) if (parts.length === 0 || parts.includes(part)) await run();
await ours.close();
rivals.close();
