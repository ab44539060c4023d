/**
 * Hostile pictures: each ends in a typed error that names its file, or in a picture. On the page, in front of a mock engine that
 * reads PNG headers, for what the browser and the page do with them; on the page and in the terminal for the decoder, with the model that ships.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launch, open } from "./browser.js";
import { hostileImages } from "./hostile_images.js";
import { png } from "./png.js";
import { serve } from "./server.js";

/** What a file may take, in ms. */
const LIMIT = 10_000;

test("on the page each hostile picture is a typed error that names it, or a picture, within 10 s; the conversation goes on", async (t) => {
  const [browser, server, elsewhere] = await Promise.all([launch(), serve({ mock: true }), serve()]);
  t.after(() => Promise.all([browser.close(), server.close(), elsewhere.close()]));
  const files = await hostileImages(elsewhere.url);
  assert.ok(files.length >= 40);
  const { page, close } = await open(browser.context);
  await page.goto(server.url);
  const lens = page.locator("page-lens");
  await lens.evaluate((node) => /** @type {any} */ (node).load());
  const ask = (/** @type {number[]} */ bytes) => lens.evaluate(async (node, bytes) => {
    const lens = /** @type {any} */ (node);
    if (bytes.length > 0) await lens.attach(new File([Uint8Array.from(bytes)], "sound.png", { type: "image/png" }));
    return lens.ask("And this?");
  }, bytes);
  assert.match(await ask([...png(30, 20)]), /^Turn 1: the last of 1 pictures is 30 by 20/);
  const results = [];
  for (const { name, type, bytes } of files) {
    const zeros = bytes.length > 1_000_000 ? bytes.length : 0; // they need not travel
    results.push(await lens.evaluate(async (node, { name, type, zeros, data }) => {
      const lens = /** @type {any} */ (node);
      const file = new File([zeros > 0 ? new Uint8Array(zeros) : Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name, { type });
      const kept = await lens.exportConversation();
      const began = performance.now();
      const outcome = await lens.attach(file).then(() => lens.ask("What does it say?")).then(() => "picture", (/** @type {any} */ error) => error.code ?? String(error));
      const ms = performance.now() - began;
      const words = outcome === "picture" ? "" : lens.shadowRoot.querySelector("[part=error]").textContent;
      await lens.importConversation(kept); // as it was before
      return { name, outcome, ms, words };
    }, { name, type, zeros, data: zeros > 0 ? "" : bytes.toString("base64") }));
  }
  assert.deepEqual(results.filter(({ name, outcome, ms, words }) => ms > LIMIT || (outcome !== "picture" && (!/^(image|not-a)-[a-z-]+$/.test(outcome) || !words.includes(name)))), []);
  assert.deepEqual(results.filter(({ name, outcome }) => /^orientation\d\.png$/.test(name) && outcome !== "picture"), []);
  assert.match(await ask([]), /^Turn 2: the last of 1 pictures is 30 by 20/);
  assert.deepEqual(elsewhere.log, []);
  const slowest = results.reduce((a, b) => (a.ms > b.ms ? a : b));
  t.diagnostic(`${files.length} files, ${results.filter(({ outcome }) => outcome === "picture").length} of them pictures; the slowest, ${slowest.name}, took ${Math.round(slowest.ms)} ms`);
  await close();
});

test("the page's own decoder, with the model that ships, answers each hostile picture with a typed error, or reads it, within 10 s", async (t) => {
  const [browser, server] = await Promise.all([launch(), serve()]);
  t.after(() => Promise.all([browser.close(), server.close()]));
  const files = (await hostileImages("http://127.0.0.1:9/")).filter(({ type }) => !/avif|heic/.test(type)); // which the browser reads
  const { page, close } = await open(browser.context);
  await page.goto(`${server.url}fixtures/blank.html`);
  await page.evaluate(async () => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    Object.assign(globalThis, { engine: await createEngine({ model: "/models/tiny/", device: "cpu" }) });
  });
  const ask = (/** @type {{ type: string, bytes: Buffer }} */ { type, bytes }) => page.evaluate(async ({ type, zeros, data }) => {
    const image = new Blob([zeros > 0 ? new Uint8Array(zeros) : Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], { type });
    const began = performance.now();
    const messages = [{ role: "user", content: [{ type: "image", image }, { type: "text", text: "What does it say?" }] }];
    const code = await Reflect.get(globalThis, "engine").chat.completions.create({ messages, max_tiles: 1, max_tokens: 1 }).then(() => "picture", (/** @type {any} */ error) => error.code ?? String(error));
    return { code, ms: performance.now() - began };
  }, { type, zeros: bytes.length > 1_000_000 ? bytes.length : 0, data: bytes.length > 1_000_000 ? "" : bytes.toString("base64") });
  const results = [];
  for (const file of files) results.push({ name: file.name, ...(await ask(file)) });
  assert.deepEqual(results.filter(({ code, ms }) => ms > LIMIT || !/^(picture|image-[a-z-]+)$/.test(code)), []);
  assert.equal((await ask({ type: "image/png", bytes: png(30, 20) })).code, "picture");
  const slowest = results.reduce((a, b) => (a.ms > b.ms ? a : b));
  t.diagnostic(`${files.length} files, ${results.filter(({ code }) => code === "picture").length} of them pictures; the slowest, ${slowest.name}, took ${Math.round(slowest.ms)} ms`);
  await close();
});

test("the decoder answers each hostile picture with a typed error that names it, or reads it, within 10 s", async (t) => {
  const program = process.env.PAGELENS_BIN;
  assert.ok(program, "PAGELENS_BIN names the program");
  const folder = await mkdtemp(join(tmpdir(), "pagelens-hostile-"));
  t.after(() => rm(folder, { recursive: true }));
  const files = (await hostileImages("http://127.0.0.1:9/")).filter(({ type }) => !/avif|heic/.test(type)); // which the browser reads
  let slowest = 0;
  for (const { name, bytes } of files) {
    await writeFile(join(folder, name), bytes);
    const began = performance.now();
    const { code, said } = await new Promise((resolve) => {
      execFile(program, ["ask", "--device", "cpu", "--max-tiles", "1", "--max-tokens", "1", join(folder, name), "What does it say?"], { timeout: LIMIT }, (error, _, stderr) => resolve({ code: error ? error.code : 0, said: stderr }));
    });
    slowest = Math.max(slowest, performance.now() - began);
    assert.ok(code === 0 || (code === 1 && said.includes(name) && !said.includes("panicked")), `${name}: ${code} ${said}`);
  }
  t.diagnostic(`${files.length} files, the slowest took ${Math.round(slowest)} ms`);
});
