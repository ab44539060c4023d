/**
 * Without a GPU a page's tiles are encoded by several workers: the answer is that of one, a stop stops, and one that dies
 * takes nothing else with it. With the model that ships, on the CPU; the browser is made to tell of four cores.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, visit } from "./browser.js";
import { serve } from "./server.js";

const timeout = 300_000;

/** @typedef {import("playwright-core").Page} Page */

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs in the page, first: so many cores, and `globalThis.workers`, and a promise of the message that the encoders are there. @param {number} cores */
function watched(cores) {
  const scope = /** @type {any} */ (globalThis);
  Object.defineProperty(navigator, "hardwareConcurrency", { value: cores });
  scope.workers = [];
  scope.encoders = new Promise((resolve) => {
    globalThis.Worker = class extends Worker {
      /** @param {string | URL} url @param {WorkerOptions} [options] */
      constructor(url, options) {
        super(url, options);
        scope.workers.push(this);
      }
      /** @param {any[]} message */
      postMessage(...message) {
        if (message[0].type === "encoders") resolve(message[0].ports.length);
        return super.postMessage(.../** @type {[any, any]} */ (message));
      }
    };
  });
  /** A page of 3 x 2 tiles and their thumbnail. */
  scope.picture = async () => {
    const canvas = new OffscreenCanvas(1344, 896);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.fillStyle = "white";
    context.fillRect(0, 0, 1344, 896);
    context.fillStyle = "black";
    context.font = "200px sans-serif";
    context.fillText("K7Q", 500, 500);
    return canvas.convertToBlob();
  };
  /** Answers a question about it. @param {any} engine @param {object} [more] */
  scope.ask = async (engine, more) =>
    engine.chat.completions.create({ messages: [{ role: "user", content: [{ type: "image", image: await scope.picture() }, { type: "text", text: "What does it say?" }] }], temperature: 0, max_tokens: 16, max_tiles: 12, ...more });
}

/**
 * @template T
 * @param {number} cores
 * @param {(page: Page) => Promise<T>} body
 * @param {{ fresh?: boolean, expected?: RegExp }} [options]
 * @returns {Promise<T>}
 */
async function onPage(cores, body, options) {
  /** @type {T[]} */
  const results = [];
  await visit(browser.context, `${server.url}fixtures/blank.html`, async (page) => {
    page.setDefaultTimeout(timeout);
    await page.addInitScript(watched, cores);
    await page.reload();
    results.push(await body(page));
  }, options);
  return /** @type {T} */ (results[0]);
}

/** An answer, and what there was of workers and progress. @param {{ lock: boolean }} options */
async function answer({ lock }) {
  const scope = /** @type {any} */ (globalThis);
  const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
  const engine = await createEngine({ model: "/models/tiny/", device: "cpu", lock });
  const encoders = navigator.hardwareConcurrency > 1 ? await scope.encoders : 0;
  /** @type {string[]} */
  const progress = [];
  const whole = await scope.ask(engine, { onProgress: ({ phase = "", done = 0, total = 0 }) => progress.push(`${phase} ${done}/${total}`) });
  await engine.dispose();
  const { choices: [{ message: { content } }], usage: { tiles } } = whole;
  return { encoders, workers: scope.workers.length, content, tiles, progress };
}

const seven = ["vision 0/7", "vision 1/7", "vision 2/7", "vision 3/7", "vision 4/7", "vision 5/7", "vision 6/7"];

test("four workers encode a page of seven tiles, and the answer is that of one", { timeout }, async () => {
  const alone = await onPage(1, (page) => page.evaluate(answer, { lock: false }));
  assert.deepEqual([alone.encoders, alone.workers, alone.tiles, alone.progress], [0, 1, [7], seven]);
  assert.notEqual(alone.content, "");
  const together = await onPage(4, (page) => page.evaluate(answer, { lock: false }));
  assert.deepEqual([together.encoders, together.workers, together.content, together.tiles], [4, 5, alone.content, [7]]);
  assert.deepEqual(together.progress, [...seven, "vision 7/7"]);
});

test("on a locked page too, without a request", { timeout }, async () => {
  let before = 0;
  const { content, encoders } = await onPage(4, async (page) => {
    await page.exposeFunction("onLocked", () => (before = server.log.length));
    await page.evaluate(async () => {
      const { lock } = await import(/** @type {string} */ ("/lock.js"));
      lock.addEventListener("change", () => /** @type {any} */ (globalThis).onLocked());
    });
    return page.evaluate(answer, { lock: true });
  });
  assert.ok(before > 0, "the page was locked");
  assert.deepEqual(server.log.slice(before), []);
  assert.equal(encoders, 4);
  assert.notEqual(content, "");
});

test("a stop ends it between two tiles, and the next question is answered", { timeout }, async () => {
  const { code, done, content } = await onPage(2, (page) => page.evaluate(async () => {
    const scope = /** @type {any} */ (globalThis);
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const engine = await createEngine({ model: "/models/tiny/", device: "cpu" });
    await scope.encoders;
    const abort = new AbortController();
    let last = 0;
    const onProgress = ({ done = 0 }) => {
      last = done;
      if (done === 2) abort.abort();
    };
    const code = await scope.ask(engine, { signal: abort.signal, onProgress }).then(() => "", (/** @type {Error} */ error) => error.name);
    const { choices: [{ message: { content } }] } = await scope.ask(engine);
    await engine.dispose();
    return { code, done: last, content };
  }));
  assert.equal(code, "AbortError");
  assert.ok(done < 5, `stopped only after ${done} of 7 tiles`);
  assert.notEqual(content, "");
});

test("a worker that dies ends the request with a typed error; the next one begins with new workers", { timeout }, async () => {
  const { code, content, workers } = await onPage(2, (page) => page.evaluate(async () => {
    const scope = /** @type {any} */ (globalThis);
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const engine = await createEngine({ model: "/models/tiny/", device: "cpu" });
    await scope.encoders;
    const onProgress = ({ done = 0 }) => done === 1 && scope.workers[2].dispatchEvent(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
    const code = await scope.ask(engine, { onProgress }).then(() => "", (/** @type {{ code: string }} */ error) => error.code);
    const { choices: [{ message: { content } }] } = await scope.ask(engine);
    const workers = scope.workers.length;
    await engine.dispose();
    return { code, content, workers };
  }));
  assert.equal(code, "engine-crashed");
  assert.notEqual(content, "");
  assert.equal(workers, 6, "an engine and two encoders, twice");
});
