/**
 * Checkpoints in the shapes of published ones, at full size but for two that are cut (tests/e2e/shapes.js), in headless Chromium
 * on its software adapter:  make shapes, or node tests/shapes.js [--load] [--cpu] [NAME ...]
 * Each is opened from a static server, asked about a picture, and opened again from the cache; with --load nothing is asked, which
 * is most of the time; with --cpu they run on the CPU. What is printed: the download, the time of both loads, the requests for
 * weights of the second, the most memory that the page's process has had of its own (JS, WebAssembly and the browser's; the GPU is
 * another process, and what is shared with it counts there), less what it had before, in both loads; the most that JS has had, of
 * the page and its workers, its buffers included and what it has forgotten but not freed yet; the engine's WebAssembly memory after
 * each; what the model was expected to need on the GPU, and the most that the GPU's process has had, less what it had before.
 */

import { readFile, readdir } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { launch, open } from "./e2e/browser.js";
import { serve } from "./e2e/server.js";
import { checkpoint, SHAPES } from "./e2e/shapes.js";

const downloads = pathToFileURL(`${process.env.CARGO_TARGET_DIR ?? "target"}/downloads/`);
const { values: { load: only, cpu }, positionals } = parseArgs({ options: { load: { type: "boolean" }, cpu: { type: "boolean" } }, allowPositionals: true });
const device = cpu ? "cpu" : "gpu";
const names = positionals.length > 0 ? positionals : Object.keys(SHAPES).filter((name) => name !== "InternVL3-8B");
const columns = ["MB fetched", "load s", "answer s", "tokens", "again s", "requests", "page MB", "again MB", "JS MB", "again MB", "wasm MB", "again MB", "fit MB", "GPU MB"];
console.log(["checkpoint".padEnd(28), ...columns.map((name) => name.padStart(10))].join(" "));
for (const name of names) {
  const folder = `/checkpoints/${name}/`;
  const server = await serve({ made: await checkpoint(name, folder, (tokenizer) => new URL(`${tokenizer}/`, downloads)) });
  const browser = await launch({ webgpu: !cpu });
  const { page, close } = await open(browser.context);
  page.setDefaultTimeout(0);
  await page.goto(`${server.url}fixtures/blank.html`);
  const before = await memory(browser.profile);
  const heaps = await heapsOf(page);
  const first = await watched(browser.profile, heaps, () => answer(page, folder));
  const weights = () => server.log.filter(({ method, path }) => method === "GET" && path.endsWith(".safetensors"));
  const bytes = weights().reduce((sum, { sent }) => sum + sent, 0);
  server.log.length = 0;
  const second = await watched(browser.profile, heaps, () => answer(page, folder));
  const megabytes = [bytes, first.page - before.page, second.page - before.page, first.script, second.script, first.heap, second.heap, first.memory, first.gpu - before.gpu].map((bytes) => (bytes / 1e6).toFixed(0));
  console.log([name.padEnd(28), ...[megabytes[0], first.load.toFixed(0), first.answer.toFixed(0), first.tokens, second.load.toFixed(0), weights().length, ...megabytes.slice(1)].map((value) => String(value).padStart(10))].join(" "));
  if (second.text !== first.text) throw new Error(`${name} answers “${second.text}” from the cache, “${first.text}” before`);
  await close(/Failed to load resource/);
  await browser.close();
  await server.close();
}

/** @param {import("playwright-core").Page} page @param {string} model */
function answer(page, model) {
  return page.evaluate(async ([model, device, only]) => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const began = performance.now();
    const engine = await createEngine({ model, device, context: 512, max_tiles: 1 });
    const loaded = performance.now();
    const { heap, fit } = engine.info;
    if (only) {
      await engine.dispose();
      return { load: (loaded - began) / 1000, answer: 0, text: "", tokens: 0, heap, memory: fit.memory };
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: 60, height: 40 });
    canvas.getContext("2d")?.fillRect(10, 10, 20, 20);
    const messages = [{ role: "user", content: [{ type: "image", image: canvas }, { type: "text", text: "Read it." }] }];
    const { choices, usage } = await engine.chat.completions.create({ messages, max_tokens: 4, max_tiles: 1 });
    await engine.dispose();
    return { load: (loaded - began) / 1000, answer: (performance.now() - loaded) / 1000, text: choices[0].message.content, tokens: usage.completion_tokens, heap, memory: fit.memory };
  }, /** @type {const} */ ([model, device, only ?? false]));
}

/**
 * Does `work`, and looks four times a second at what it takes.
 * @template T
 * @param {string} profile
 * @param {() => Promise<number>} heaps
 * @param {() => Promise<T>} work
 * @returns {Promise<T & { page: number, gpu: number, script: number }>}
 */
async function watched(profile, heaps, work) {
  const most = { page: 0, gpu: 0, script: 0 };
  const look = async () => {
    const [{ page, gpu }, script] = await Promise.all([memory(profile), heaps()]);
    most.script = Math.max(most.script, script);
    most.page = Math.max(most.page, page);
    most.gpu = Math.max(most.gpu, gpu);
  };
  const timer = setInterval(look, 250);
  const done = await work();
  clearInterval(timer);
  await look();
  return { ...done, ...most };
}

/** What tells how much JS has, in bytes, of a page and its workers. @param {import("playwright-core").Page} page */
async function heapsOf(page) {
  const session = await page.context().newCDPSession(page);
  const workers = new Set();
  /** @type {Map<number, (used: any) => void>} */
  const asked = new Map();
  session.on("Target.attachedToTarget", ({ sessionId }) => workers.add(sessionId));
  session.on("Target.detachedFromTarget", ({ sessionId }) => workers.delete(sessionId));
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result } = JSON.parse(message);
    asked.get(id)?.(result);
    asked.delete(id);
  });
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  let id = 0;
  const ask = (/** @type {string} */ sessionId) => new Promise((resolve) => {
    asked.set(++id, resolve);
    session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method: "Runtime.getHeapUsage" }) }).catch(() => resolve(undefined));
    setTimeout(resolve, 5000); // a worker that is busy or has just ended
  });
  return async () => {
    const all = await Promise.all([session.send("Runtime.getHeapUsage"), ...[...workers].map(ask)]);
    return all.reduce((sum, used) => sum + (used ? used.totalSize + used.backingStorageSize : 0), 0);
  };
}

/** What the page's process has of its own, and all that the GPU's has resident, in bytes. @param {string} profile */
async function memory(profile) {
  const [pages, gpus] = await Promise.all([statuses(profile, "renderer"), statuses(profile, "gpu-process")]);
  const most = (/** @type {string[]} */ all, /** @type {RegExp} */ field) => 1024 * Math.max(0, ...all.map((status) => Number(field.exec(status)?.[1] ?? 0)));
  return { page: most(pages, /RssAnon:\s+(\d+)/), gpu: most(gpus, /VmRSS:\s+(\d+)/) };
}

/** What the system says of the processes of this type. @param {string} profile @param {string} type */
async function statuses(profile, type) {
  const found = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(async (id) => {
    try {
      const [command, status] = await Promise.all([readFile(`/proc/${id}/cmdline`, "utf8"), readFile(`/proc/${id}/status`, "utf8")]);
      return { id, command, status, parent: /PPid:\s+(\d+)/.exec(status)?.[1] ?? "" };
    } catch {
      return null; // it has ended meanwhile
    }
  }));
  const all = new Map(found.filter((process) => process !== null).map((process) => [process.id, process]));
  const ours = (/** @type {string} */ id) => {
    for (let at = all.get(id); at; at = all.get(at.parent)) if (at.command.includes(profile)) return true;
    return false;
  };
  return [...all.values()].filter(({ id, command }) => command.includes(`--type=${type}`) && ours(id)).map(({ status }) => status);
}
