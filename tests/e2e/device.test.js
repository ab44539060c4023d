/**
 * A GPU that is lost (its process is ended) at any point of the work: the conversation stays, the answer is begun again and
 * says what an undisturbed one says, a third loss ends in advice. Most of it on a small random checkpoint, since a software
 * GPU takes seconds for a tile of the model that ships.
 */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible } from "./accessible.js";
import { Answer } from "../../www/answer.js";
import { launch, visit } from "./browser.js";
import { serve } from "./server.js";

const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");
const timeout = 590_000;
/** What the engine logs of a loss, and files that a checkpoint need not have. */
const expected = /device was lost|Failed to load resource/;
const model = "/checkpoints/original-qwen2/";

/** @typedef {import("playwright-core").Page} Page */
/** The GPU is lost `after` ms from the `nth` message of a kind: "load" and "generate" to the worker, "vision" and "token" from it. @typedef {{ on: string, nth: number, after: number }} Point */

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  await mkdir(pictures, { recursive: true });
  // Left to itself Chromium offers no adapter after the second loss within two minutes.
  [browser, server] = await Promise.all([launch({ webgpu: true, args: ["--disable-gpu-process-crash-limit", "--disable-domain-blocking-for-3d-apis"] }), serve()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * Runs `body` on a page whose GPU can be lost at chosen points.
 * @template T
 * @param {Awaited<ReturnType<typeof launch>>} browser
 * @param {string} path
 * @param {(page: Page) => Promise<T>} body
 * @returns {Promise<T>}
 */
async function lossyPage({ context }, path, body) {
  /** @type {T[]} */
  const results = [];
  await visit(context, `${server.url}fixtures/blank.html`, async (page) => {
    const session = await context.browser()?.newBrowserCDPSession();
    await page.exposeFunction("lose", () => session?.send("Browser.crashGpuProcess"));
    await page.addInitScript(lossy);
    await page.goto(`${server.url}${path}`);
    page.setDefaultTimeout(timeout);
    results.push(await body(page));
    await session?.detach();
  }, { fresh: true, expected });
  return /** @type {T} */ (results[0]);
}

/** @param {string} name @param {string} path @param {(page: Page) => Promise<void>} body */
function onPage(name, path, body) {
  test(name, { timeout }, () => lossyPage(browser, path, body));
}

/** Runs in the page, first: loses the GPU at the points of `globalThis.points`, and counts what happened in `globalThis.seen`. */
function lossy() {
  const scope = /** @type {any} */ (globalThis);
  /** @type {Point[]} */ scope.points = [];
  scope.seen = {};
  const see = (/** @type {string} */ kind) => {
    scope.seen[kind] = (scope.seen[kind] ?? 0) + 1;
    if (kind === "lost") scope.seen.lostAt = performance.now();
    const [point] = scope.points;
    if (point === undefined || point.on !== kind || --point.nth > 0) return;
    scope.points.shift();
    setTimeout(scope.lose, point.after);
  };
  globalThis.Worker = class extends Worker {
    /** @param {string | URL} url @param {WorkerOptions} [options] */
    constructor(url, options) {
      super(url, options);
      this.addEventListener("message", ({ data }) => see(data?.phase === "vision" ? "vision" : data?.type));
    }
    /** @override @param {any} message @param {any} [transfer] */
    postMessage(message, transfer) {
      super.postMessage(message, transfer);
      see(message.type);
    }
  };
}

for (const [name, pieces, said] of /** @type {[string, (string | null)[], string[] | string][]} */ ([
  ["in other pieces", ["Si", "x, seven", "."], ["Six", ", ", "seven", "."]],
  ["and lost once more", ["Six", null, "Six, seven."], ["Six", ", ", "seven."]],
  ["other words", ["Six. "], "device-lost"],
  ["fewer words", ["Six"], "device-lost"],
])) {
  test(`a stream that is begun again says nothing twice: ${name}`, async () => {
    const answer = new Answer({ id: "", created: 0, model: "" }, { streamed: true, usage: false });
    answer.begin();
    for (const piece of ["Six", ", "]) answer.push(piece);
    answer.begin();
    for (const piece of pieces) {
      if (piece === null) answer.begin();
      else answer.push(piece);
    }
    answer.end("stop", /** @type {any} */ ({}));
    /** @type {string[]} */
    const got = [];
    const whole = (async () => {
      for await (const { choices } of answer) got.push(choices[0].delta.content ?? "");
    })();
    if (typeof said === "string") await assert.rejects(whole, { code: said });
    else await whole.then(() => assert.deepEqual(got.filter((text) => text !== ""), said));
  });
}

/** The page's element, or one of its own, with the small checkpoint on the GPU, and one question answered. @param {Page} page @returns {Promise<number>} ms that loading took */
function talk(page) {
  return page.evaluate(async (model) => {
    await import(/** @type {string} */ ("/page-lens.js"));
    const element = /** @type {any} */ (document.querySelector("page-lens") ?? document.createElement("page-lens"));
    for (const [name, value] of Object.entries({ model, device: "gpu", "max-tokens": "12", "max-tiles": "2" })) element.setAttribute(name, value);
    if (!element.isConnected) document.body.append(element);
    const started = performance.now();
    await element.load();
    const took = performance.now() - started;
    const canvas = Object.assign(document.createElement("canvas"), { width: 224, height: 112 });
    canvas.getContext("2d")?.fillRect(10, 10, 120, 90);
    await element.attach(await new Promise((resolve) => canvas.toBlob(resolve)));
    await element.ask("Read it.");
    return took;
  }, model);
}

/** What stands in the conversation. @param {Page} page */
const turns = (page) => page.locator("page-lens [part=answer]").allTextContents();
/** @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`page-lens [part=${name}]`);

/** Numbers from 0 to 1, the same ones each time. @param {number} seed */
function random(seed) {
  return () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff;
}

onPage("20 losses in loading, encoding, prefill and decoding: conversation and answers as undisturbed", "fixtures/blank.html", async (page) => {
  const loading = await talk(page);
  const first = await turns(page);
  const { kept, text } = await page.evaluate(async () => {
    const element = /** @type {any} */ (document.querySelector("page-lens"));
    const kept = await (await element.exportConversation()).text();
    return { kept, text: await element.ask("And what stands below it?") };
  });
  const undisturbed = await turns(page);
  assert.deepEqual(undisturbed.slice(0, 1), first);
  assert.ok(text.length > 12, text);
  const next = random(20261125);
  const at = (/** @type {string} */ on, most = 1) => ({ on, nth: 1 + Math.floor(next() * most), after: on === "load" ? next() * loading : on === "generate" ? next() * 40 : 0 });
  let [conversations, answers, losses] = [0, 0, 0];
  for (let round = 0; round < 10; round++) {
    const points = [round % 2 === 0 ? at("token", 8) : at("generate"), round % 4 < 2 ? at("load") : at("vision", 3)];
    const told = points.map(({ on, nth, after }) => `${on} ${nth}${after > 0 ? ` + ${Math.round(after)} ms` : ""}`).join(", then ");
    const { got, lost } = await page.evaluate(async ({ kept, points }) => {
      const scope = /** @type {any} */ (globalThis);
      const element = /** @type {any} */ (document.querySelector("page-lens"));
      await element.importConversation(new Blob([kept]));
      const before = scope.seen.lost ?? 0;
      scope.points = points;
      const got = await element.ask("And what stands below it?").catch((/** @type {any} */ { code, message }) => `${code}: ${message}`);
      return { got, lost: (scope.seen.lost ?? 0) - before };
    }, { kept, points });
    losses += lost;
    if (got === text) answers += 2;
    if ((await turns(page)).join("|") === undisturbed.join("|")) conversations += 2;
    console.log(`lost at ${told}: ${lost} noticed, ${got === text ? "the same answer" : got}`);
  }
  console.log(`20 points, ${losses} losses noticed: conversation kept ${conversations} of 20, answer the same ${answers} of 20`);
  assert.deepEqual([conversations, answers], [20, 20]);
  assert.ok(losses >= 14, "only a load can be too young to have a GPU that is lost");
});

onPage("a GPU that went while it was asked for is asked for again; one that is lost is told of, one that was destroyed is not", "fixtures/blank.html", async (page) => {
  const told = await page.evaluate(async () => {
    const [{ requestAdapter }, { requestDevice }] = [GPU.prototype, GPUAdapter.prototype];
    const refusals = { adapter: 1, device: 1 };
    GPU.prototype.requestAdapter = function (options) {
      return refusals.adapter-- > 0 ? Promise.resolve(null) : requestAdapter.call(this, options);
    };
    GPUAdapter.prototype.requestDevice = function (descriptor) {
      return refusals.device-- > 0 ? Promise.reject(new DOMException("gone", "OperationError")) : requestDevice.call(this, descriptor);
    };
    const { watchDevices } = await import(/** @type {string} */ ("/devices.js"));
    /** @type {string[]} */
    const told = [];
    watchDevices((/** @type {string} */ why) => told.push(why));
    const device = async () => await (await navigator.gpu.requestAdapter())?.requestDevice();
    const [first, second] = [await device(), await device()];
    second?.destroy();
    await second?.lost;
    /** @type {any} */ (globalThis).lose();
    await first?.lost;
    return told;
  });
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /^The GPU was lost: /);
});

onPage("the third loss ends in advice within 2 s, and the conversation goes on without the GPU", "", async (page) => {
  await talk(page);
  const first = await turns(page);
  const { code, message, ms, restarts } = await page.evaluate(async () => {
    const scope = /** @type {any} */ (globalThis);
    const element = /** @type {any} */ (document.querySelector("page-lens"));
    let restarts = 0;
    element.addEventListener("progress", (/** @type {any} */ { detail }) => (restarts += detail.phase === "restart" ? 1 : 0));
    const told = new Promise((resolve) => element.addEventListener("error", (/** @type {any} */ { detail }) => resolve({ ...detail, ms: performance.now() - scope.seen.lostAt }), { once: true }));
    scope.points = [{ on: "generate", nth: 1, after: 0 }, { on: "vision", nth: 1, after: 0 }, { on: "vision", nth: 2, after: 0 }];
    await element.ask("And now?").catch(() => {});
    return { ...(await told), restarts };
  });
  console.log(`advice ${Math.round(ms)} ms after the third loss`);
  assert.equal(code, "device-lost");
  assert.match(message, /lost 3 times.*fewer tiles.*other tabs.*without the GPU/);
  assert.equal(restarts, 2);
  assert.ok(ms < 2000, `${ms} ms`);
  assert.deepEqual(await turns(page), first);
  assert.match((await part(page, "error").textContent()) ?? "", /^The GPU was lost, and starting again did not help\. Try with less detail \(fewer tiles\), close other tabs, or run without the GPU\./);
  assert.equal(await part(page, "field").inputValue(), "And now?");
  await accessible(page, "the GPU lost");
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: join(pictures, `device-lost-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.getByRole("button", { name: "Run without the GPU" }).click();
  await part(page, "field").press("Enter");
  await page.locator("page-lens [part=timing]:not([hidden])").nth(1).waitFor();
  const after = await turns(page);
  assert.deepEqual(after.slice(0, 1), first);
  assert.equal(after.length, 2);
  assert.equal(await part(page, "error").isVisible(), false);
  assert.equal(await part(page, "device").textContent(), "Running on the CPU");
});

onPage("the API: a load and a stream that lost the GPU, and a whole answer that lost it, give what an undisturbed one gives", "fixtures/blank.html", async (page) => {
  const { phases, text, chunks, whole, usage } = await page.evaluate(async (model) => {
    const scope = /** @type {any} */ (globalThis);
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    /** @type {string[]} */
    const phases = [];
    scope.points = [{ on: "progress", nth: 20, after: 0 }];
    const engine = await createEngine({ model, device: "gpu", onProgress: (/** @type {any} */ { phase }) => phases.at(-1) === phase || phases.push(phase) });
    const messages = [{ role: "user", content: [{ type: "image", image: new ImageData(60, 40) }, { type: "text", text: "Read it." }] }];
    const request = { messages, max_tokens: 12, max_tiles: 1 };
    const text = (await engine.chat.completions.create(request)).choices[0].message.content;
    scope.points = [{ on: "token", nth: 5, after: 0 }];
    const chunks = [];
    let usage = null;
    for await (const chunk of await engine.chat.completions.create({ ...request, stream: true })) {
      chunks.push(chunk.choices[0].delta.content ?? "");
      usage = chunk.usage ?? usage;
    }
    scope.points = [{ on: "token", nth: 3, after: 0 }];
    const whole = (await engine.chat.completions.create(request)).choices[0].message.content;
    await engine.dispose();
    return { phases, text, chunks, whole, usage };
  }, model);
  assert.equal(phases.filter((phase) => phase === "restart").length, 3);
  assert.equal(phases.at(-1), "ready");
  assert.equal(chunks.join(""), text);
  assert.equal(whole, text);
  assert.equal(usage.completion_tokens, 12);
});

onPage("the model that ships: lost before the lock, and after it while encoding and while loading; the sample is read", "", async (page) => {
  await page.evaluate(() => document.querySelector("page-lens")?.setAttribute("device", "gpu"));
  await page.evaluate(() => void Object.assign(globalThis, { points: [{ on: "progress", nth: 20, after: 0 }] }));
  await part(page, "load").click();
  await part(page, "light").filter({ hasText: "Locked: no network" }).waitFor();
  const before = server.log.length;
  await part(page, "device").evaluate((node) => {
    const said = /** @type {string[]} */ ([]);
    new MutationObserver(() => said.push(node.textContent ?? "")).observe(node, { childList: true, characterData: true, subtree: true });
    Object.assign(globalThis, { said, points: [{ on: "vision", nth: 1, after: 0 }, { on: "load", nth: 1, after: 100 }] });
  });
  await part(page, "sample").click();
  await page.locator("page-lens [part=timing]:not([hidden])").waitFor();
  assert.deepEqual(await turns(page), ["INVOICE"]);
  // It may be there for too short a time to wait for.
  assert.ok((await page.evaluate(() => /** @type {any} */ (globalThis).said)).includes("The GPU was lost. Starting again."));
  assert.match((await part(page, "device").textContent()) ?? "", /^Running on your GPU/);
  assert.equal(await part(page, "light").textContent(), "Locked: no network");
  assert.deepEqual(server.log.slice(before).filter(({ path }) => path !== "/sw.js"), []);
});

test("a browser that offers no GPU after the second loss: the same advice", { timeout }, async () => {
  const stock = await launch({ webgpu: true });
  try {
    const { code, message } = await lossyPage(stock, "fixtures/blank.html", (page) => page.evaluate(async (model) => {
      const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
      const engine = await createEngine({ model, device: "gpu" });
      Object.assign(globalThis, { points: [{ on: "generate", nth: 1, after: 0 }, { on: "generate", nth: 1, after: 0 }] });
      const error = await engine.chat.completions.create({ messages: [{ role: "user", content: "Read it." }], max_tokens: 12 }).catch((/** @type {any} */ { code, message }) => ({ code, message }));
      await engine.dispose();
      return error;
    }, model));
    assert.equal(code, "device-lost");
    assert.match(message, /run without the GPU/);
  } finally {
    await stock.close();
  }
});
