/**
 * Checkpoints as they are published, straight from a static host or a repository into the tab: every layout answers, the
 * second start asks for no weight, picked files need no server, and what cannot fit is refused before any weight.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, visit } from "./browser.js";
import { serve } from "./server.js";
import { checkpoint } from "./shapes.js";

/** The tiny random checkpoints of the golden tests: original and -hf layouts, one file and shards, each language family. */
const layouts = ["original-internlm2-448", "hf-qwen2-448", "original-qwen2", "original-qwen3", "original-llama-phi3", "hf-qwen3"];
const large = "/checkpoints/InternVL3-8B/";
const timeout = 300_000;

/** @type {Awaited<ReturnType<typeof launch>>} */ let cpu;
/** @type {Awaited<ReturnType<typeof launch>>} */ let gpu;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
/** @type {Awaited<ReturnType<typeof checkpoint>>} */ let made;
before(async () => {
  made = await checkpoint("InternVL3-8B", large);
  [cpu, gpu, server] = await Promise.all([launch(), launch({ webgpu: true }), serve({ made })]);
});
after(async () => {
  await cpu?.close();
  await gpu?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/** @param {Awaited<ReturnType<typeof launch>>} browser @param {(page: Page) => Promise<void>} body */
async function onBlank(browser, body) {
  const expected = /Failed to load resource/; // files that a checkpoint need not have
  await visit(browser.context, `${server.url}fixtures/blank.html`, async (page) => {
    page.setDefaultTimeout(timeout);
    server.log.length = 0;
    await body(page);
  }, { fresh: true, expected });
}

/**
 * Loads a model and asks it something.
 * @param {Page} page
 * @param {object} options of createEngine
 * @returns {Promise<{ text: string, info: any, phases: string[] }>}
 */
function answer(page, options) {
  return page.evaluate(async (options) => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const phases = /** @type {string[]} */ ([]);
    const engine = await createEngine({ device: "cpu", ...options, onProgress: (/** @type {any} */ { phase }) => phases.includes(phase) || phases.push(phase) });
    const canvas = Object.assign(document.createElement("canvas"), { width: 60, height: 40 });
    canvas.getContext("2d")?.fillRect(10, 10, 20, 20);
    const messages = [{ role: "user", content: [{ type: "image", image: canvas }, { type: "text", text: "Read it." }] }];
    const { choices } = await engine.chat.completions.create({ messages, max_tokens: 6, max_tiles: 1 });
    const { info } = engine;
    await engine.dispose();
    return { text: choices[0].message.content, info, phases };
  }, options);
}

/** Requests for bytes of weights. */
const weights = () => server.log.filter(({ method, path }) => method === "GET" && /\.(safetensors|gguf)$/.test(path));

for (const layout of layouts) {
  test(`${layout} opens from a static host and again from the cache`, { timeout }, () => onBlank(cpu, async (page) => {
    const model = `/checkpoints/${layout}/`;
    const first = await answer(page, { model });
    assert.deepEqual(first.phases, ["download", "load"]);
    assert.equal(first.info.model, layout);
    assert.ok(weights().length > 0);
    server.log.length = 0;
    const second = await answer(page, { model });
    assert.deepEqual(second.phases, ["cache", "load"]);
    assert.deepEqual(weights(), []);
    assert.equal(second.text, first.text);
    // At other precisions it is another conversion.
    await answer(page, { model, precision: { vision: "q8", language: "q8" } });
    assert.ok(weights().length > 0);
  }));
}

for (const [layout, file] of Object.entries({ "original-internlm2": "model-00001-of-00002.gguf", "original-phi3": "model.gguf", "original-qwen2": "model.gguf", "original-qwen3": "model.gguf" })) {
  test(`${layout} as GGUF files says what it says as it was published`, { timeout }, () => onBlank(cpu, async (page) => {
    const precision = { vision: "q8", language: "q8" };
    const published = await answer(page, { model: `/checkpoints/${layout}/`, precision });
    const model = `/checkpoints/gguf/${layout}/${file}#mmproj=mmproj.gguf`;
    server.log.length = 0;
    const first = await answer(page, { model, precision });
    assert.deepEqual(first.phases, ["download", "load"]);
    assert.equal(first.info.model, file);
    assert.equal(first.text, published.text);
    assert.ok([file, "mmproj.gguf"].every((file) => weights().some(({ path }) => path.endsWith(`/${file}`))));
    server.log.length = 0;
    const second = await answer(page, { model, precision });
    assert.deepEqual(second.phases, ["cache", "load"]);
    assert.deepEqual(weights(), []);
    assert.equal(second.text, first.text);
  }));
}

test("GGUF files that are picked: the model and its encoder are told apart", { timeout }, () => onBlank(cpu, async (page) => {
  const { info, code } = await page.evaluate(async () => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const bytes = (/** @type {string} */ name) => fetch(`/checkpoints/gguf/original-qwen2/${name}`).then((response) => response.blob());
    const [model, mmproj] = await Promise.all(["model.gguf", "mmproj.gguf"].map(bytes));
    const engine = await createEngine({ device: "cpu", model: [new File([mmproj], "mmproj-Qwen-F16.gguf"), new File([model], "Qwen-Q8_0.gguf")] });
    const { info } = engine;
    await engine.dispose();
    const two = [new File([model], "a.gguf"), new File([model], "b.gguf")];
    const { code } = await createEngine({ device: "cpu", model: two }).catch((/** @type {any} */ error) => error);
    return { info, code };
  });
  assert.ok(info.image_size > 0);
  assert.equal(code, "model-name");
}));

test("a repository by its name, from any host; picked files from none", { timeout }, () => onBlank(cpu, async (page) => {
  const { text, info } = await answer(page, { model: "golden/hf-qwen2-448@v1", host: `${server.url}hub` });
  assert.equal(info.model, "hf-qwen2-448");
  assert.ok(server.log.some(({ path }) => path === "/hub/golden/hf-qwen2-448/resolve/v1/config.json"));
  server.log.length = 0;
  const picked = await page.evaluate(async (names) => {
    const files = await Promise.all(names.map(async (name) => new File([await (await fetch(`/checkpoints/hf-qwen2-448/${name}`)).blob()], name)));
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const engine = await createEngine({ device: "cpu", model: files });
    const { info } = engine;
    await engine.dispose();
    return info;
  }, ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "preprocessor_config.json", "processor_config.json", "model.safetensors.index.json", ...[1, 2, 3].map((shard) => `model-0000${shard}-of-00003.safetensors`)]);
  assert.equal(picked.model, "picked files");
  assert.equal(weights().length, 3, "what was picked is not fetched");
  assert.ok(text.length >= 0);
}));

test("eight billion weights on an adapter of 1 GiB are refused in words, before any of them", { timeout }, () => onBlank(gpu, async (page) => {
  const wanted = { model: large, device: "gpu" };
  const { fit, floats, refusal } = await page.evaluate(async (wanted) => {
    const { createEngine, weighModel } = await import(/** @type {string} */ ("/pagelens.js"));
    const refusal = await createEngine(wanted).catch((/** @type {any} */ { code, message }) => ({ code, message }));
    return { fit: await weighModel(wanted), floats: await weighModel({ ...wanted, precision: { kv: "f32" } }), refusal };
  }, wanted);
  assert.equal(refusal.code, "does-not-fit");
  assert.match(refusal.message, /it needs \d+ MB of memory \(\d+ MB of it weights\), this device has 4295 MB; take a smaller model/);
  assert.equal(fit.verdict, "no");
  assert.ok(fit.download > 15e9, JSON.stringify(fit));
  assert.ok(floats.cache > 1.9 * fit.cache, "keys and values are f16 on a GPU unless f32 is asked for");
  const header = 8 + Number(made.get(`${large}model.safetensors`)?.read(0, 8).readBigUInt64LE());
  for (const { range } of weights()) assert.ok(Number(/-(\d+)$/.exec(range ?? "")?.[1]) < header, range);
}));
