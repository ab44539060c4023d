/** <page-lens> on the demo page, in front of a mock engine: everything a user can do, and how it looks to assistive tools. */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { accessible } from "./accessible.js";
import { launch, visit } from "./browser.js";
import { png } from "./png.js";
import { chunkBytes, serve, shardBytes } from "./server.js";

const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  await mkdir(pictures, { recursive: true });
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/**
 * @param {string} name
 * @param {(it: ReturnType<typeof parts> & { page: Page }) => Promise<void>} body
 * @param {{ viewport?: { width: number, height: number }, expected?: RegExp, html?: string }} [options]
 */
function onPage(name, body, { viewport, expected, html } = {}) {
  test(name, async () => {
    server.hold()(); // whatever an earlier test held back
    await visit(browser.context, html ? `${server.url}fixtures/${html}` : server.url, async (page) => {
      server.log.length = 0;
      await body({ page, ...parts(page) });
    }, { fresh: true, viewport, expected });
  });
}

/** @param {Page} page */
function parts(page) {
  const part = (/** @type {string} */ name) => page.locator(`page-lens [part=${name}]`);
  return {
    element: page.locator("page-lens"),
    sample: page.getByRole("button", { name: /try a sample|试试示例/i }),
    field: page.getByLabel(/^(Question|问题)$/),
    ask: page.getByRole("button", { name: /^(Ask|提问)$/ }),
    stop: page.getByRole("button", { name: /^(Stop|停止)$/ }),
    anew: page.getByRole("button", { name: /^(New conversation|新对话)$/ }),
    answers: part("answer"),
    questions: part("question"),
    timings: page.locator("page-lens [part=timing]:not([hidden])"),
    preview: part("preview"),
    device: part("device"),
    error: part("error"),
    thumbnails: part("thumbnails").locator("li"),
    part,
    choose: (/** @type {Record<string, Buffer>} */ files) => page.locator("page-lens input[type=file][multiple][accept]").setInputFiles(Object.entries(files).map(([name, buffer]) => ({ name, mimeType: name.endsWith(".txt") ? "text/plain" : "image/png", buffer }))),
    /** Keeps the element's events, as [type, detail]. */
    listen: () => page.evaluate(() => {
      const events = /** @type {[string, any][]} */ ([]);
      for (const type of ["ready", "progress", "token", "answer", "error"]) {
        document.addEventListener(type, (event) => events.push([type, JSON.parse(JSON.stringify(/** @type {CustomEvent} */ (event).detail))]));
      }
      Object.assign(globalThis, { events });
    }),
    events: () => page.evaluate(() => /** @type {any} */ (globalThis).events),
  };
}

onPage("one click on the sample loads the model and answers; before it, no byte of the model is fetched", async ({ page, sample, answers, timings, preview, device, part, listen, events, ask }) => {
  await page.getByRole("button", { name: "Load model (9.0 MB)" }).waitFor();
  assert.deepEqual(server.log.filter(({ path }) => /worker\.js|pkg|shard/.test(path)), []);
  await listen();
  await sample.click();
  await timings.waitFor();
  assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 640 by 320 pixels.");
  assert.equal(await timings.locator("span").textContent(), "First token 13 ms · 80 tokens/s · 12 tokens · 2 tiles · 285 of 4,096 tokens used");
  assert.equal(await device.textContent(), "Running on the CPU: no WebGPU adapter here");
  assert.match((await preview.getAttribute("alt")) ?? "", /word\.png/);
  assert.equal(await part("load").isVisible(), false);
  assert.ok(await ask.evaluate((button) => button.matches(":focus")), "the focus is on the Ask button");

  const log = await events();
  const types = log.map((/** @type {any} */ [type]) => type);
  assert.deepEqual([...new Set(types)], ["progress", "ready", "token", "answer"]);
  assert.equal(log.find((/** @type {any} */ [type]) => type === "ready")[1].device, "cpu");
  assert.equal(log.filter((/** @type {any} */ [type]) => type === "token").map((/** @type {any} */ [, { text }]) => text).join(""), log.at(-1)[1].text);
  assert.deepEqual(Object.keys(log.at(-1)[1]), ["question", "text", "usage"]);
  assert.equal(log.at(-1)[1].question, "What does it say?");
});

onPage("the page before any consent is at most 300 KB as it travels", async ({ page }) => {
  server.log.length = 0; // of the pages before
  await page.reload();
  await page.getByRole("button", { name: "Load model (9.0 MB)" }).waitFor();
  const files = [...new Set(server.log.filter(({ status }) => status === 200).map(({ path }) => path))];
  const sizes = await Promise.all(files.map(async (path) => brotliCompressSync(Buffer.from(await (await fetch(new URL(path, server.url))).arrayBuffer())).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(files.includes("/page-lens.js") && total > 50_000 && total <= 300_000, `${total} bytes in ${files.length} files`);
  // None has to be found in another one first, and none is asked for that is not needed yet.
  const named = await page.evaluate(() => [...document.querySelectorAll("script[src], link[rel=modulepreload]")].map((node) => new URL(node.getAttribute("src") ?? node.getAttribute("href") ?? "", document.baseURI).pathname));
  assert.deepEqual(files.filter((path) => path.endsWith(".js") && path !== "/sw.js").sort(), named.sort());
});

onPage("choose two pictures, remove one, ask by keyboard, ask again", async ({ page, choose, thumbnails, field, answers, timings, anew, questions, preview, sample }) => {
  await choose({ "a.png": png(100, 60), "b.png": png(450, 60), "c.png": png(33, 44) });
  await thumbnails.nth(2).waitFor();
  await page.getByRole("button", { name: "Remove c.png" }).click();
  assert.equal(await thumbnails.count(), 2);
  await page.getByRole("button", { name: "Show a.png" }).click();
  assert.match((await preview.getAttribute("alt")) ?? "", /a\.png/);
  assert.ok(await page.getByRole("button", { name: "Show a.png" }).evaluate((button) => button.matches(":focus")));
  await field.fill("Line one");
  await field.press("Shift+Enter");
  await field.pressSequentially("line two");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await questions.textContent(), "Line one\nline two");
  assert.equal(await field.inputValue(), "");
  assert.equal(await answers.textContent(), "Turn 1: the last of 2 pictures is 450 by 60 pixels.");
  assert.equal(await page.getByRole("button", { name: /Remove/ }).count(), 0, "pictures that were asked about stay");
  await field.fill("And now?");
  await field.press("Enter");
  await timings.nth(1).waitFor();
  assert.equal(await answers.nth(1).textContent(), "Turn 2: the last of 2 pictures is 450 by 60 pixels.");
  await anew.click();
  assert.equal(await thumbnails.count(), 0);
  assert.equal(await answers.count(), 0);
  assert.ok(await sample.isVisible());
  await choose({ "d.png": png(12, 34) });
  await field.fill("Afresh?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 12 by 34 pixels.");
});

onPage("drop a file", async ({ page, part, field, answers, timings, thumbnails }) => {
  const data = await page.evaluateHandle(async (bytes) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(bytes)], "dropped.png", { type: "image/png" }));
    return transfer;
  }, [...png(210, 99)]);
  await part("frame").dispatchEvent("dragover", { dataTransfer: data });
  assert.match((await part("frame").getAttribute("class")) ?? "", /over/);
  await part("drop").dispatchEvent("drop", { dataTransfer: data });
  assert.doesNotMatch((await part("frame").getAttribute("class")) ?? "", /over/);
  await thumbnails.first().waitFor();
  await field.fill("?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 210 by 99 pixels.");
});

for (const where of ["body", "field"]) {
  onPage(`paste a file into the ${where}`, async ({ page, field, answers, timings }) => {
    const target = where === "body" ? page.locator("body") : field;
    await target.evaluate((node, bytes) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([Uint8Array.from(bytes)], "pasted.png", { type: "image/png" }));
      node.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, composed: true, cancelable: true }));
    }, [...png(77, 55)]);
    await field.fill("?");
    await field.press("Enter");
    await timings.waitFor();
    assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 77 by 55 pixels.");
  });
}

onPage("stop keeps what was said, and the conversation goes on", async ({ choose, field, stop, ask, answers, timings, questions }) => {
  await choose({ "a.png": png(10, 10) });
  await field.fill("slow and long");
  await field.press("Enter");
  await answers.filter({ hasText: "last" }).waitFor();
  await stop.click();
  await ask.waitFor();
  assert.match((await answers.textContent()) ?? "", /^Turn 1: the last/);
  assert.equal(await timings.locator("span").textContent(), "Stopped");
  await field.fill("And?");
  await field.press("Enter");
  await timings.nth(1).waitFor();
  assert.equal(await answers.nth(1).textContent(), "Turn 2: the last of 1 pictures is 10 by 10 pixels.");
  assert.equal(await questions.count(), 2);
});

onPage("stop while loading gives the question back, and asking again loads again", async ({ page, choose, field, stop, part, answers, timings, questions }) => {
  const release = server.hold();
  await choose({ "a.png": png(10, 10) });
  await field.fill("What is it?");
  await field.press("Enter");
  await page.getByText("Loading the model: 4.2 MB of 9.0 MB").waitFor();
  await stop.click();
  release();
  await page.getByRole("button", { name: "Resume (4.8 MB left)" }).waitFor();
  assert.equal(await field.inputValue(), "What is it?");
  assert.equal(await questions.count(), 0);
  assert.equal(await part("error").isVisible(), false);
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 10 by 10 pixels.");
});

onPage("load by the button, with a bar that only grows; cancel; load", async ({ page, part, device, listen, events }) => {
  await listen();
  const load = page.getByRole("button", { name: /Load model/ });
  const release = server.hold();
  await load.click();
  await page.getByText("Loading the model: 4.2 MB of 9.0 MB").waitFor();
  assert.equal(await part("progress").getAttribute("value"), String(0.8 * (chunkBytes / shardBytes)));
  await page.getByRole("button", { name: "Pause" }).click();
  assert.equal(await device.textContent(), "Paused at 4.2 MB of 9.0 MB. What has arrived is kept.");
  assert.equal(await part("progress").getAttribute("value"), String(0.8 * (chunkBytes / shardBytes)));
  release();
  await page.getByRole("button", { name: "Resume (4.8 MB left)" }).click();
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
  assert.equal(await part("progress").isVisible(), false);
  assert.equal(await device.textContent(), "Running on the CPU: no WebGPU adapter here");
  assert.equal((await events()).filter((/** @type {any} */ [type]) => type === "error").length, 0);
});

onPage("a broken picture gives words, and can be removed", async ({ page, choose, field, error, answers, timings, listen, events }) => {
  await listen();
  await choose({ "broken.png": Buffer.from("not a picture"), "good.png": png(40, 40) });
  await field.fill("What is it?");
  await field.press("Enter");
  await error.filter({ hasText: "This picture cannot be read. Remove it and add a PNG" }).waitFor();
  assert.equal(await field.inputValue(), "What is it?");
  assert.equal(await answers.count(), 0);
  assert.match(await page.locator("page-lens [role=status]").innerText(), /cannot be read/);
  assert.deepEqual((await events()).filter((/** @type {any} */ [type]) => type === "error").map((/** @type {any} */ [, { code }]) => code), ["image-decode"]);
  await page.getByRole("button", { name: "Remove broken.png" }).click();
  assert.equal(await error.isVisible(), false);
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.textContent(), "Turn 1: the last of 1 pictures is 40 by 40 pixels.");
});

onPage("what is not a picture, and no picture at all, give words", async ({ choose, field, error, thumbnails }) => {
  await field.fill("What is it?");
  await field.press("Enter");
  await error.filter({ hasText: "There is no picture yet." }).waitFor();
  await choose({ "notes.txt": Buffer.from("words") });
  await error.filter({ hasText: "This file is neither a picture nor a PDF." }).waitFor();
  assert.equal(await thumbnails.count(), 0);
});

onPage("an engine that dies gives words, and asking again works", async ({ choose, field, error, answers, timings }) => {
  await choose({ "a.png": png(10, 10) });
  await field.fill("crash");
  await field.press("Enter");
  await error.filter({ hasText: "The engine stopped unexpectedly. Ask again" }).waitFor();
  assert.equal(await timings.locator("span").textContent(), "Interrupted");
  await field.fill("Again?");
  await field.press("Enter");
  await timings.nth(1).waitFor();
  assert.equal(await answers.nth(1).textContent(), "Turn 2: the last of 1 pictures is 10 by 10 pixels.");
  assert.equal(await error.isVisible(), false);
});

onPage("a model that is not there gives words and a way to try again", async ({ page, element, error, device }) => {
  await element.evaluate((node) => node.setAttribute("model", "models/none/"));
  await page.getByRole("button", { name: "Load model", exact: true }).click();
  await error.filter({ hasText: "The model is not where this page looks for it." }).waitFor();
  await element.evaluate((node) => node.setAttribute("model", "models/tiny/"));
  await error.getByRole("button", { name: "Try again" }).click();
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
  assert.equal(await device.textContent(), "Running on the CPU: no WebGPU adapter here");
}, { expected: /404.*models\/none/ });

onPage("the element as an object: attach, ask, stop, clear, ready, device", async ({ page, element, device }) => {
  await element.evaluate((node) => node.setAttribute("device", "gpu"));
  const result = await page.evaluate(async (bytes) => {
    const node = /** @type {any} */ (document.querySelector("page-lens"));
    const early = await node.ask("?").then(() => null, (/** @type {any} */ error) => error.code);
    node.attach(new Blob([Uint8Array.from(bytes)]));
    const running = node.ask("What is it?");
    const busy = await node.ask("And?").then(() => null, (/** @type {any} */ error) => error.code);
    const answer = await running;
    const info = await node.ready;
    const stopped = node.ask("slow and long").then(() => null, (/** @type {any} */ error) => error.name);
    await new Promise((resolve) => setTimeout(resolve, 400));
    node.stop();
    const name = await stopped;
    node.clear();
    return { early, busy, answer, info, name };
  }, [...png(640, 480)]);
  assert.equal(result.early, "no-picture");
  assert.equal(result.busy, "busy");
  assert.equal(result.answer, "Turn 1: the last of 1 pictures is 640 by 480 pixels.");
  assert.equal(result.info.device, "gpu");
  assert.equal(result.name, "AbortError");
  assert.equal(await device.textContent(), "Running on your GPU (Mock GPU)");
});

onPage("text from the model and the user stays text", async ({ page, choose, field, timings, questions }) => {
  await choose({ "<img src=x>.png": png(10, 10) });
  await field.fill("<img src=x onerror=alert(1)><b>bold</b>");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await questions.textContent(), "<img src=x onerror=alert(1)><b>bold</b>");
  assert.equal(await page.locator("page-lens [part=conversation] :is(img, b)").count(), 0);
});

onPage("an element that is moved keeps its model; one that is removed lets it go", async ({ page, choose, field, timings, element, device }) => {
  await choose({ "a.png": png(10, 10) });
  await field.fill("?");
  await field.press("Enter");
  await timings.waitFor();
  await element.evaluate((node) => document.body.append(node));
  assert.match((await device.textContent()) ?? "", /^Running/);
  const workers = () => page.workers().length;
  assert.equal(workers(), 1);
  await element.evaluate((node) => {
    node.remove();
  });
  await page.waitForTimeout(100);
  assert.equal(workers(), 0);
});

onPage("two elements share one engine, answer in turn, and let it go with the last of them", async ({ page, choose, field, timings, element }) => {
  await choose({ "a.png": png(10, 10) });
  const second = await page.evaluate(async (bytes) => {
    const node = /** @type {any} */ (document.createElement("page-lens"));
    node.setAttribute("model", "models/tiny/");
    document.body.append(node);
    node.attach(new Blob([Uint8Array.from(bytes)]));
    return node.ask("Here?");
  }, [...png(20, 20)]);
  assert.equal(second, "Turn 1: the last of 1 pictures is 20 by 20 pixels.");
  assert.equal(page.workers().length, 1);
  await page.evaluate(() => document.querySelectorAll("page-lens")[1]?.remove());
  await field.fill("And there?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(page.workers().length, 1);
  await element.evaluate((node) => node.remove());
  await page.waitForTimeout(100);
  assert.equal(page.workers().length, 0);
});

onPage("eager loads by itself, and the page's own look and words win", async ({ page, part, device }) => {
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
  assert.equal(await part("ask").evaluate((node) => getComputedStyle(node).backgroundColor), "rgb(0, 100, 0)");
  assert.equal(await part("frame").evaluate((node) => getComputedStyle(node).borderTopLeftRadius), "0px");
  assert.equal(await part("field").getAttribute("placeholder"), "Was steht da?");
  assert.equal(await part("sample").isVisible(), false);
  assert.ok(await page.getByText("Willkommen.").isVisible());
  assert.equal(await page.getByText("Add a page, then ask").isVisible(), false);
}, { html: "embed.html" });

/** An answer with one of everything. */
const rich = `## Invoice

The <ref>total</ref><box>[[520, 380, 840, 620]]</box> is **48.00**, see [the terms](https://example.com/terms).

| Item | Price |
|:--|--:|
| Paper | 48.00 |

1. First
2. Second, with \`code\`

\`\`\`json
{ "total": 48.0 }
\`\`\`

$$\\int_0^1 \\sqrt{x}\\,dx$$`;

/** @type {[number, number, "light" | "dark", "en" | "zh"][]} */
const looks = [[360, 800, "light", "en"], [360, 800, "dark", "zh"], [768, 1024, "light", "zh"], [768, 1024, "dark", "en"], [1440, 900, "light", "en"], [1440, 900, "dark", "zh"], [320, 640, "light", "en"]];

for (const [width, height, colorScheme, language] of looks) {
  const name = `${width}-${language}`;
  const zh = language === "zh";
  onPage(`every state is accessible and fits: ${width} px, ${colorScheme}, ${language}`, async ({ page, sample, choose, field, ask, stop, answers, timings, error, anew, part }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const look = async (/** @type {string} */ state) => {
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${state}.png`), fullPage: true });
      await accessible(page, state);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${state}: nothing sticks out`);
    };
    if (zh) await page.getByRole("button", { name: "中文" }).first().click();
    await page.getByRole("button", { name: zh ? /加载模型（/ : /Load model \(/ }).waitFor();
    await look("1-empty");
    const release = server.hold();
    await sample.click();
    await page.getByText(zh ? "正在加载模型：4.2 MB / 9.0 MB" : "Loading the model: 4.2 MB of 9.0 MB").waitFor();
    await look("2-loading");
    release();
    await timings.waitFor();
    await part("seen").click();
    await field.fill(`echo:${rich}`);
    await field.press("Enter");
    await timings.nth(1).waitFor();
    await part("overlay").locator("rect.place").waitFor();
    await look("3-answered");
    await field.fill("Please be slow, and very long.");
    await field.press("Enter");
    await answers.nth(2).filter({ hasText: "last of" }).waitFor();
    await look("4-answering");
    await stop.click();
    await ask.waitFor();
    await anew.click();
    await choose({ "broken.png": Buffer.from("not a picture"), "scan.png": png(300, 420) });
    await field.fill("What is the total?");
    await field.press("Enter");
    await error.waitFor();
    await look("5-error");
    await part("menu").click();
    await look("6-menu");
  }, { viewport: { width, height } });
}

onPage("everything can be reached and done by keyboard", async ({ page, timings }) => {
  const focused = () => page.evaluate(() => {
    let node = document.activeElement;
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
    const style = node ? getComputedStyle(node) : null;
    return { name: node?.getAttribute("part") ?? node?.tagName, visible: style ? style.outlineStyle !== "none" || node?.tagName === "TEXTAREA" : false };
  });
  const seen = [];
  for (let tab = 0; tab < 10; tab++) {
    await page.keyboard.press("Tab");
    seen.push(await focused());
  }
  assert.deepEqual(seen.map(({ name }) => name), ["BUTTON", "choose", "sample", "attach", "field", "ask", "load", "models", "light", "menu"]);
  for (const { name, visible } of seen) assert.ok(visible, `${name} shows its focus`);
  for (let tab = 0; tab < 7; tab++) await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await timings.waitFor();
  assert.equal((await focused()).name, "ask");
});
