/** PDF documents on the demo page: the built module (www/pdf) in its worker, in front of a mock engine. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { accessible } from "./accessible.js";
import { launch, open, visit } from "./browser.js";
import { chinese, hostile, pages } from "./pdf.js";
import { serve } from "./server.js";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/** @param {string} name @param {(it: ReturnType<typeof parts> & { page: Page }) => Promise<void>} body */
function onPage(name, body) {
  test(name, () => visit(browser.context, server.url, (page) => body({ page, ...parts(page) })));
}

/** In a browser that has kept nothing of this site. @type {typeof onPage} */
function onFreshPage(name, body) {
  test(name, () => visit(browser.context, server.url, (page) => body({ page, ...parts(page) }), { fresh: true }));
}

/** @param {Page} page */
function parts(page) {
  const part = (/** @type {string} */ name) => page.locator(`page-lens [part=${name}]`);
  return {
    part,
    dialog: part("pdf"),
    thumbnails: part("thumbnails").locator("li"),
    add: part("pdf-add"),
    range: part("pdf-pages"),
    small: part("pdf").locator(".small"),
    choose: (/** @type {Buffer} */ buffer, /** @type {string} */ name = "report.pdf") => page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name, mimeType: "application/pdf", buffer }),
    names: () => page.locator("page-lens .pick").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("aria-label"))),
    ask: async (/** @type {string} */ question) => {
      await part("field").fill(question);
      await part("field").press("Enter");
      await part("timing").and(page.locator(":not([hidden])")).waitFor();
    },
  };
}

onPage("pages are chosen by click, with shift, and by number; the engine gets them at full size", async ({ page, choose, dialog, small, range, add, thumbnails, names, ask, part }) => {
  await choose(pages(["One", "Two", "Three", "Four", "Five", "Six", "Seven"]));
  await dialog.locator("img").nth(6).waitFor();
  const chosen = () => small.evaluateAll((nodes) => nodes.flatMap((node, at) => (node.ariaPressed === "true" ? [at + 1] : [])));
  assert.deepEqual(await chosen(), [1]);
  await accessible(page, "choosing pages");
  await small.nth(1).click();
  await small.nth(3).click({ modifiers: ["Shift"] });
  assert.equal(await range.inputValue(), "1-4");
  await small.nth(0).click();
  assert.equal(await range.inputValue(), "2-4");
  await range.fill("1-3,9");
  assert.equal(await add.isDisabled(), true, "there is no page 9");
  await range.fill("6,1-2");
  assert.deepEqual(await chosen(), [1, 2, 6]);
  assert.equal(await add.innerText(), "Add 3 pages");
  await page.keyboard.press("Enter");
  await thumbnails.nth(2).waitFor();
  assert.deepEqual(await names(), ["Show report.pdf, page 1", "Show report.pdf, page 2", "Show report.pdf, page 6"]);
  await ask("?");
  assert.equal(await part("answer").innerText(), "Turn 1: the last of 3 pictures is 1582 by 2240 pixels.");
  assert.equal(await part("missing").isVisible(), false);
});

onPage("a document of one page asks nothing; Escape adds nothing; the worker is let go", async ({ page, choose, dialog, thumbnails }) => {
  await choose(pages(["One"]));
  await thumbnails.waitFor();
  await choose(pages(["One", "Two"]));
  await dialog.locator("img").nth(1).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await thumbnails.count(), 1);
  await page.waitForFunction(() => document.querySelector("page-lens")?.shadowRoot?.querySelector("[part=device]")?.textContent?.startsWith("Running"));
  assert.equal(page.workers().filter((worker) => worker.url().includes("pdf")).length, 0);
});

onPage("a password is asked for until it is right", async ({ page, choose, dialog, part, thumbnails }) => {
  await choose(await readFile(new URL("fixtures/locked.pdf", import.meta.url)), "locked.pdf");
  await dialog.getByText("locked.pdf is protected by a password.").waitFor();
  await part("pdf-password").fill("wrong");
  await page.keyboard.press("Enter");
  await dialog.getByText("That password does not open it.").waitFor();
  await accessible(page, "asking for a password");
  await part("pdf-password").fill("open sesame");
  await page.keyboard.press("Enter");
  await thumbnails.waitFor();
});

/** The requests for the font. */
const fonts = () => server.log.filter(({ path }) => path.startsWith("/fonts/")).length;

onFreshPage("a font that is neither in the document nor here is named; one is fetched once somebody has agreed, and kept", async ({ page, choose, part, dialog, thumbnails }) => {
  await page.locator("page-lens").evaluate((lens) => lens.removeAttribute("lock"));
  await choose(chinese(), "chinese.pdf");
  await dialog.getByText("chinese.pdf has text in a font that it does not carry.").waitFor();
  assert.equal(await part("pdf-font").innerText(), "Get the font (5.2 MB)");
  await accessible(page, "asking for a font");
  await page.keyboard.press("Escape");
  assert.match(await part("missing").filter({ hasText: "could not be drawn" }).innerText(), /^Part of chinese\.pdf, page 1 could not be drawn as it is: the font STSong-Light\./);
  await choose(chinese(), "again.pdf");
  await thumbnails.nth(1).waitFor();
  assert.equal(await dialog.isVisible(), false, "it is not asked twice");
  assert.equal(fonts(), 0);
  await page.reload();
  await page.locator("page-lens").evaluate((lens) => lens.removeAttribute("lock"));
  await choose(chinese(), "chinese.pdf");
  await part("pdf-font").click();
  await thumbnails.waitFor();
  assert.deepEqual([fonts(), await part("missing").isVisible()], [1, false]);
});

onFreshPage("a locked page is loaded again for the font, and opens the document then; after that it is here", async ({ page, choose, part, dialog, thumbnails, names, ask }) => {
  server.log.length = 0;
  await choose(pages(["One"]), "first.pdf");
  await ask("?");
  await choose(chinese(), "chinese.pdf");
  assert.equal(await part("pdf-font").innerText(), "Reload and get the font (5.2 MB)");
  await accessible(page, "asking for a font, locked");
  assert.equal(fonts(), 0);
  await part("pdf-font").click();
  await thumbnails.nth(1).waitFor();
  assert.deepEqual(await names(), ["Show first.pdf, page 1", "Show chinese.pdf, page 1"]);
  assert.equal(await part("answer").count(), 1, "the conversation is kept");
  assert.equal(await part("light").textContent(), "Locked: no network");
  assert.deepEqual([fonts(), await part("missing").isVisible()], [1, false]);
  await choose(chinese(), "again.pdf");
  await thumbnails.nth(2).waitFor();
  assert.deepEqual([fonts(), await part("missing").isVisible(), await dialog.isVisible()], [1, false, false]);
});

onPage("a picture that is too large to be drawn is named", async ({ choose, part }) => {
  await choose(hostile["a picture of ten gigapixels"]?.() ?? Buffer.alloc(0), "huge.pdf");
  assert.match(await part("missing").filter({ hasText: "could not be drawn" }).innerText(), /^Part of huge\.pdf, page 1 could not be drawn as it is: a picture of 100000 x 100000 pixels\./);
});

onPage("a damaged document gives words, and the conversation goes on", async ({ choose, part, ask, thumbnails }) => {
  await choose(Buffer.from("%PDF-1.7\nnothing follows"), "broken.pdf");
  await part("error").filter({ hasText: "This document cannot be read." }).waitFor();
  await choose(pages(["One"]));
  await thumbnails.waitFor();
  await ask("?");
});

test(`${Object.keys(hostile).length} hostile documents: a typed error or a page within the time, and no request`, async () => {
  const { page, close } = await open(browser.context);
  try {
    await page.goto(`${server.url}fixtures/blank.html`);
    await page.evaluate(() => import(/** @type {string} */ ("/pdf.js")));
    for (const [name, make] of Object.entries(hostile)) {
      server.log.length = 0;
      const result = await page.evaluate(async (data) => {
        const { PdfFile } = await import(/** @type {string} */ ("/pdf.js"));
        const file = new PdfFile(new Blob([Uint8Array.from(atob(data), (character) => character.charCodeAt(0))]));
        const began = performance.now();
        const code = await file.open().then(() => file.draw(1)).then(() => "drawn", (/** @type {any} */ error) => error.code);
        file.close();
        return { code, took: performance.now() - began };
      }, make().toString("base64"));
      assert.match(String(result.code), /^(drawn|pdf-[a-z-]+)$/, name);
      assert.ok(result.took < 21_000, `${name}: ${result.took} ms`);
      // The page's own files; the browser looks now and then whether its service worker has changed.
      assert.deepEqual(server.log.filter(({ path }) => !/^\/(sw\.js|pdf-worker\.js|part\.js|pdf\/pdf(_bg\.wasm|\.js))$/.test(path)), [], name);
    }
    await close();
  } finally {
    await page.close();
  }
});
