/**
 * The built engine (www/pkg) and its model (www/models/tiny) on the demo page, on the CPU and on a software GPU. Served by
 * `pagelens serve` where PAGELENS_BIN names the program, else by the test server.
 */

import assert from "node:assert/strict";
import { access, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, visit } from "./browser.js";
import { pages } from "./pdf.js";
import { serve, spawnServe, subpath } from "./server.js";

const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");
/** The largest time one answer may take, on a machine that is busy with other things. */
const timeout = 180_000;
/** Pictures the model was not trained on; training/README.md says how they are made. */
const reading = new URL("../reading/", import.meta.url);

/** @type {Awaited<ReturnType<typeof launch>>} */ let cpu;
/** @type {Awaited<ReturnType<typeof launch>>} */ let gpu;
/** @type {{ url: string, close: () => Promise<unknown> }} */ let server;

before(async () => {
  for (const file of ["pkg/pagelens.js", "pkg/pagelens_bg.wasm", "pdf/pdf_bg.wasm", "models/tiny/manifest.json", "../site/index.html"]) {
    await access(new URL(`../../www/${file}`, import.meta.url)).catch(() => {
      throw new Error(`www/${file} is missing: build it first, with make site`);
    });
  }
  await mkdir(pictures, { recursive: true });
  [cpu, gpu, server] = await Promise.all([launch(), launch({ webgpu: true }), process.env.PAGELENS_BIN ? spawnServe(process.env.PAGELENS_BIN) : serve()]);
});
after(async () => {
  await cpu?.close();
  await gpu?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/**
 * @param {string} name
 * @param {(page: Page) => Promise<void>} body
 * @param {{ webgpu?: boolean, viewport?: { width: number, height: number } }} [options]
 */
function onPage(name, body, { webgpu = false, viewport } = {}) {
  test(name, { timeout: 2 * timeout }, () => visit((webgpu ? gpu : cpu).context, server.url, async (page) => {
    page.setDefaultTimeout(timeout);
    await body(page);
  }, { viewport }));
}

/** A picture of one word, like the sample. @param {Page} page @param {string} text @param {boolean} [sideways] a quarter counter-clockwise @returns {Promise<Buffer>} */
async function word(page, text, sideways = false) {
  const url = await page.evaluate(({ text, sideways }) => {
    const canvas = Object.assign(document.createElement("canvas"), sideways ? { width: 320, height: 640 } : { width: 640, height: 320 });
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("no canvas");
    if (sideways) context.setTransform(0, -1, 1, 0, 0, 640);
    context.fillStyle = "#faf9f6";
    context.fillRect(0, 0, 640, 320);
    context.fillStyle = "#181a22";
    context.font = 'bold 72px "Liberation Sans", "DejaVu Sans", sans-serif';
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, 320, 160);
    return canvas.toDataURL("image/png");
  }, { text, sideways });
  return Buffer.from(url.split(",")[1] ?? "", "base64");
}

/** @param {Page} page */
function parts(page) {
  return {
    sample: page.getByRole("button", { name: /try a sample/i }),
    field: page.getByLabel("Question", { exact: true }),
    ask: page.getByRole("button", { name: "Ask", exact: true }),
    stop: page.getByRole("button", { name: "Stop", exact: true }),
    answers: page.locator("page-lens [part=answer]"),
    timings: page.locator("page-lens [part=timing]:not([hidden])"),
    device: page.locator("page-lens [part=device]"),
    error: page.locator("page-lens [part=error]"),
    choose: (/** @type {string} */ name, /** @type {Buffer} */ buffer) => page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name, mimeType: "image/png", buffer }),
  };
}

for (const [name, viewport] of /** @type {const} */ ([["1280x800", { width: 1280, height: 800 }], ["390x844", { width: 390, height: 844 }]])) {
  onPage(`one click on the sample gives an answer: ${name}`, async (page) => {
    const { sample, answers, timings, device } = parts(page);
    await sample.click();
    await timings.waitFor();
    await page.screenshot({ path: join(pictures, `real-${name}.png`) });
    assert.equal(await answers.textContent(), "INVOICE");
    assert.match((await timings.textContent()) ?? "", /^First token .+ · .+ tokens\/s · \d+ tokens? · \d+ tiles? · [\d,]+ of [\d,]+ tokens used/);
    assert.equal(await device.textContent(), "Running on the CPU: no WebGPU adapter here");
  }, { viewport });
}

onPage("choose, paste and drop a picture; each is read", async (page) => {
  const { field, answers, timings, choose } = parts(page);
  await choose("ticket.png", await word(page, "TICKET"));
  await field.fill("What does it say?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "TICKET");

  for (const [how, text] of /** @type {const} */ ([["paste", "HARBOR"], ["drop", "LEMON"]])) {
    await page.getByRole("button", { name: "New conversation" }).click();
    const bytes = [...(await word(page, text))];
    await page.locator(how === "paste" ? "body" : "page-lens [part=drop]").evaluate((node, { how, bytes }) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], `${how}.png`, { type: "image/png" }));
      const settings = { bubbles: true, composed: true, cancelable: true };
      node.dispatchEvent(how === "paste" ? new ClipboardEvent("paste", { clipboardData: data, ...settings }) : new DragEvent("drop", { dataTransfer: data, ...settings }));
    }, { how, bytes });
    await field.fill("What does it say?");
    await field.press("Enter");
    await timings.waitFor();
    assert.equal(await answers.textContent(), text);
  }
});

onPage("stop, then a broken picture, then a good one", async (page) => {
  const { sample, field, ask, stop, answers, timings, error, choose } = parts(page);
  await Promise.all([stop.click(), sample.click()]); // the one waits for the other: a small picture takes a moment
  await ask.waitFor();
  assert.equal(await error.isVisible(), false);
  await page.getByRole("button", { name: "New conversation" }).click();
  await choose("broken.png", Buffer.from("\x89PNG\r\n\x1a\nand no more", "latin1"));
  await field.fill("What does it say?");
  await field.press("Enter");
  await error.filter({ hasText: "This picture cannot be read." }).waitFor();
  await page.screenshot({ path: join(pictures, "real-error.png") });
  await page.getByRole("button", { name: "Remove broken.png" }).click();
  await choose("good.png", await word(page, "INVOICE"));
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "INVOICE");
});

onPage("a sideways photo is read once it is rotated", async (page) => {
  const { field, answers, timings, choose } = parts(page);
  await choose("sideways.png", await word(page, "TICKET", true));
  await page.getByRole("button", { name: "Rotate" }).click();
  await field.fill("What does it say?");
  await field.press("Enter");
  await timings.waitFor();
  await page.screenshot({ path: join(pictures, "real-rotated.png") });
  assert.equal(await answers.textContent(), "TICKET");
});

onPage("a page of a PDF is read", async (page) => {
  const { field, answers, timings } = parts(page);
  const buffer = pages(["INVOICE"], { media: "0 0 460 230", y: 92 });
  await page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name: "word.pdf", mimeType: "application/pdf", buffer });
  await page.getByRole("button", { name: "Remove word.pdf, page 1" }).waitFor();
  await field.fill("What does it say?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "INVOICE");
});

test("a built site answers from a subpath of a host that knows nothing of it", { timeout }, async () => {
  const host = await serve();
  const { page, close } = await open(cpu.context);
  try {
    await page.goto(`${host.url}${subpath}`);
    const { sample, answers, timings } = parts(page);
    await sample.click();
    await timings.waitFor();
    assert.equal(await answers.textContent(), "INVOICE");
    assert.deepEqual(host.log.filter(({ path }) => !path.startsWith(`/${subpath}`)), []);
    await close();
  } finally {
    await page.close();
    await host.close();
  }
});

onPage("two turns about one picture", async (page) => {
  const { sample, field, answers, timings } = parts(page);
  await sample.click();
  await timings.waitFor();
  await field.fill("What does it say?");
  await field.press("Enter");
  await timings.nth(1).waitFor();
  assert.notEqual(await answers.nth(1).textContent(), "");
});

/**
 * Runs with an engine in the page.
 * @param {string} name
 * @param {"auto" | "cpu" | "gpu"} device
 * @param {boolean} webgpu
 * @param {(kit: any) => unknown} body runs in the page
 * @param {(result: any) => void} check
 */
function inPage(name, device, webgpu, body, check) {
  onPage(name, async (page) => {
    const picture = `data:image/png;base64,${(await word(page, "INVOICE")).toString("base64")}`;
    check(await page.evaluate(`(async () => {
      const { createEngine } = await import("/pagelens.js");
      const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url: ${JSON.stringify(picture)} } }, { type: "text", text: "What does it say?" }] }];
      const caught = (promise) => promise.then(() => null, (error) => ({ name: error.name, code: error.code, message: error.message }));
      const progress = [];
      const engine = await createEngine({ model: "/models/tiny/", device: "${device}", onProgress: (step) => progress.push(step) }).catch((error) => ({ code: error.code, message: error.message }));
      const result = await (${body})({ engine, messages, caught, progress });
      await engine.dispose?.();
      return result;
    })()`));
  }, { webgpu });
}

inPage("the API on the CPU: a stream, the same answer whole, usage, stop strings, an abort", "cpu", false, async ({ engine, messages, caught, progress }) => {
  const chunks = [];
  for await (const chunk of await engine.chat.completions.create({ messages, stream: true, temperature: 0, max_tokens: 32 })) chunks.push(chunk);
  const whole = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32 });
  const short = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 1 });
  const stopped = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32, stop: whole.choices[0].message.content.slice(1, 3) });
  const abort = new AbortController();
  // A picture that is not in any cache yet, so that there is something left to stop.
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 640 });
  canvas.getContext("2d").fillRect(100, 100, 300, 200);
  const unseen = [{ role: "user", content: [{ type: "image", image: canvas }, { type: "text", text: "What does it say?" }] }];
  const running = engine.chat.completions.create({ messages: unseen, signal: abort.signal });
  setTimeout(() => abort.abort(), 50);
  const aborted = await caught(running);
  const broken = await caught(engine.chat.completions.create({ messages: [{ role: "user", content: [{ type: "image", image: new Blob(["no picture"]) }, { type: "text", text: "?" }] }] }));
  const again = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32 });
  return { info: engine.info, chunks, whole, short, stopped, aborted, broken, again, progress };
}, ({ info, chunks, whole, short, stopped, aborted, broken, again, progress }) => {
  assert.equal(info.device, "cpu");
  assert.equal(info.image_size, 448);
  const text = chunks.map((/** @type {any} */ chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, "INVOICE");
  assert.match(chunks.at(-1).choices[0].finish_reason, /^(stop|length)$/);
  const { usage } = chunks.at(-1);
  assert.equal(usage.image_tokens, 256 * usage.tiles[0]);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.ok(usage.prompt_tokens > usage.image_tokens && usage.completion_tokens > 0 && usage.ttft_ms > 0);
  assert.equal(whole.choices[0].message.content, text);
  assert.equal(again.choices[0].message.content, text);
  assert.equal(short.choices[0].finish_reason, "length");
  assert.equal(short.usage.completion_tokens, 1);
  assert.equal(stopped.choices[0].message.content, text.slice(0, text.indexOf(text.slice(1, 3))));
  assert.equal(aborted?.name, "AbortError");
  assert.match(broken?.code, /^image-/);
  const downloads = progress.filter((/** @type {any} */ step) => step.phase === "download");
  assert.equal(downloads.at(-1).done, downloads.at(-1).total);
});

inPage("auto takes the CPU rather than a software GPU", "auto", true, async ({ engine }) => engine.info, (info) => {
  assert.equal(info.device, "cpu");
});

inPage("the GPU reads the sample as the CPU does", "gpu", true, async ({ engine, messages }) => {
  const { choices } = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32, max_tiles: 1 });
  return { info: engine.info, text: choices[0].message.content };
}, ({ info, text }) => {
  assert.equal(info.device, "gpu");
  assert.equal(text, "INVOICE");
});

inPage("a GPU that is not there is an error in words", "gpu", false, async ({ engine }) => engine, ({ code, message }) => {
  assert.equal(code, "device");
  assert.match(message, /gpu/i);
});

onPage("95 of 100 held-out pictures are read right", async (page) => {
  const lines = (await readFile(new URL("questions.jsonl", reading), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const questions = await Promise.all(lines.map(async ({ image, question, answers }) => {
    const picture = await readFile(new URL(image, reading));
    return { url: `data:image/webp;base64,${picture.toString("base64")}`, question, want: answers[0] };
  }));
  const read = await page.evaluate(`(async (questions) => {
    const { createEngine } = await import("/pagelens.js");
    const engine = await createEngine({ model: "/models/tiny/", device: "cpu" });
    const read = [];
    for (const { url, question, want } of questions) {
      const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url } }, { type: "text", text: question }] }];
      const { choices } = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 32 });
      read.push({ want, got: choices[0].message.content });
    }
    await engine.dispose();
    return read;
  })(${JSON.stringify(questions)})`);
  const wrong = /** @type {{ want: string, got: string }[]} */ (read).filter(({ want, got }) => want !== got);
  assert.equal(lines.length, 100);
  assert.ok(wrong.length <= 5, wrong.map(({ want, got }) => `${want} read as ${got}`).join(", "));
});
