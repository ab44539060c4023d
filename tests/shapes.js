/**
 * Checkpoints in the shapes of published ones, at full size but for two that are cut (tests/e2e/shapes.js), in headless Chromium
 * on its software adapter:  make shapes, or node tests/shapes.js [NAME ...]
 * Each is opened from a static server, asked about a picture, and opened again from the cache. What is printed: the download, the
 * time of both loads, the requests for weights of the second, the most memory that the page's process has had (all of it: the
 * browser's own, JS and WebAssembly; the GPU is another process), the engine's WebAssembly memory, what the model was expected to
 * need on the GPU, and the most that the GPU's process has had, less what it had before.
 */

import { readFile, readdir } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { launch, open } from "./e2e/browser.js";
import { serve } from "./e2e/server.js";
import { checkpoint, SHAPES } from "./e2e/shapes.js";

const downloads = pathToFileURL(`${process.env.CARGO_TARGET_DIR ?? "target"}/downloads/`);
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SHAPES).filter((name) => name !== "InternVL3-8B");
const columns = ["MB fetched", "load s", "answer s", "tokens", "again s", "requests", "page MB", "wasm MB", "fit MB", "GPU MB"];
console.log(["checkpoint".padEnd(28), ...columns.map((name) => name.padStart(10))].join(" "));
for (const name of names) {
  const folder = `/checkpoints/${name}/`;
  const server = await serve({ made: await checkpoint(name, folder, (tokenizer) => new URL(`${tokenizer}/`, downloads)) });
  const browser = await launch({ webgpu: true });
  const { page, close } = await open(browser.context);
  page.setDefaultTimeout(0);
  await page.goto(`${server.url}fixtures/blank.html`);
  const before = await gpuMemory(browser.profile);
  const first = await answer(page, folder);
  const weights = () => server.log.filter(({ method, path }) => method === "GET" && path.endsWith(".safetensors"));
  const bytes = weights().reduce((sum, { sent }) => sum + sent, 0);
  const memory = await peak(browser.profile, "renderer");
  const gpu = (await peak(browser.profile, "gpu-process")) - before;
  server.log.length = 0;
  const second = await answer(page, folder);
  const megabytes = [bytes, memory, first.heap, first.memory, gpu].map((bytes) => (bytes / 1e6).toFixed(0));
  console.log([name.padEnd(28), ...[megabytes[0], first.load.toFixed(0), first.answer.toFixed(0), first.tokens, second.load.toFixed(0), weights().length, ...megabytes.slice(1)].map((value) => String(value).padStart(10))].join(" "));
  if (second.text !== first.text) throw new Error(`${name} answers “${second.text}” from the cache, “${first.text}” before`);
  await close(/Failed to load resource/);
  await browser.close();
  await server.close();
}

/** @param {import("playwright-core").Page} page @param {string} model */
function answer(page, model) {
  return page.evaluate(async (model) => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const began = performance.now();
    const engine = await createEngine({ model, device: "gpu", context: 512, max_tiles: 1 });
    const loaded = performance.now();
    const canvas = Object.assign(document.createElement("canvas"), { width: 60, height: 40 });
    canvas.getContext("2d")?.fillRect(10, 10, 20, 20);
    const messages = [{ role: "user", content: [{ type: "image", image: canvas }, { type: "text", text: "Read it." }] }];
    const { choices, usage } = await engine.chat.completions.create({ messages, max_tokens: 4, max_tiles: 1 });
    const { heap, fit } = engine.info;
    await engine.dispose();
    return { load: (loaded - began) / 1000, answer: (performance.now() - loaded) / 1000, text: choices[0].message.content, tokens: usage.completion_tokens, heap, memory: fit.memory };
  }, model);
}

/** The most bytes that a process of this browser has had resident. @param {string} profile @param {string} type */
async function peak(profile, type) {
  return 1024 * Math.max(...(await statuses(profile, type)).map((status) => Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)));
}

/** @param {string} profile */
async function gpuMemory(profile) {
  return 1024 * Math.max(...(await statuses(profile, "gpu-process")).map((status) => Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)));
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
