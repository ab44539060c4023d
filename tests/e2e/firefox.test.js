/**
 * The demo page in stock Firefox ESR, driven through WebDriver BiDi: on whichever device it offers. Served by `pagelens serve`
 * where PAGELENS_BIN names the program, else by the test server.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { pages } from "./pdf.js";
import { serve, spawnServe } from "./server.js";

const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const skip = existsSync(executablePath) ? false : `NOT TESTED IN FIREFOX: there is no ${executablePath}. Debian has it in firefox-esr; FIREFOX names another.`;
const timeout = 360_000; // the machine may be busy with other things
const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("puppeteer-core").ElementHandle<HTMLElement>} Part */

/** @type {import("puppeteer-core").Browser} */ let browser;
/** @type {{ url: string, close: () => Promise<unknown> }} */ let server;

before(async () => {
  if (skip) return;
  await mkdir(pictures, { recursive: true });
  server = await (process.env.PAGELENS_BIN ? spawnServe(process.env.PAGELENS_BIN) : serve());
  browser = await puppeteer.launch({ browser: "firefox", executablePath, protocolTimeout: timeout });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * On the demo page, in a tab of its own; whatever is logged as an error, thrown and not caught, or refused by the policy fails.
 * @param {string} name
 * @param {(page: Page, say: (text: string) => void) => Promise<void>} body
 * @param {RegExp} [expected] what may go wrong
 */
function onPage(name, body, expected) {
  test(name, { timeout, skip }, async (context) => {
    const page = await browser.newPage();
    /** @type {string[]} */
    const wrong = [];
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => wrong.push(`uncaught: ${error}`));
    try {
      await page.setViewport({ width: 1280, height: 900 });
      await page.goto(server.url);
      await page.evaluate(() => addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => console.error(`refused by ${effectiveDirective}: ${blockedURI}`)));
      await body(page, (text) => context.diagnostic(text));
      assert.deepEqual(wrong.filter((line) => !expected?.test(line)), []);
    } finally {
      await page.close();
    }
  });
}

/** Nodes of the element. @param {Page} page @param {string} selector @returns {Promise<Part[]>} */
async function parts(page, selector) {
  const root = await page.evaluateHandle(() => /** @type {ShadowRoot} */ (document.querySelector("page-lens")?.shadowRoot));
  return /** @type {Promise<any>} */ (root.$$(selector));
}

/** @param {Page} page @param {string} selector @returns {Promise<Part>} */
async function part(page, selector) {
  const [first] = await parts(page, selector);
  assert.ok(first, `there is no ${selector}`);
  return first;
}

/** @param {Page} page @param {string} selector */
async function textOf(page, selector) {
  return (await part(page, selector)).evaluate((node) => node.textContent);
}

/** The next answer, or the error that comes in its place, to something that a user does. @param {Page} page @param {() => Promise<unknown>} act */
async function answerTo(page, act) {
  const answer = page.evaluate(() => new Promise((resolve) => {
    const lens = document.querySelector("page-lens");
    lens?.addEventListener("answer", (event) => resolve(/** @type {CustomEvent} */ (event).detail.text), { once: true });
    lens?.addEventListener("error", (event) => resolve(/** @type {CustomEvent} */ (event).detail), { once: true });
  }));
  await act();
  return answer;
}

/** What each sample says. @type {Record<string, string>} */
const SAYS = { "samples/word.png": "INVOICE" };

onPage("Firefox answers each sample rightly, on the device that it offers", async (page, say) => {
  const samples = (await parts(page, "[part=sample]")).length;
  assert.ok(samples > 0);
  for (let at = 0; at < samples; at++) {
    if (at > 0) await (await part(page, "[part=clear]")).click();
    const sample = (await parts(page, "[part=sample]"))[at];
    const source = await page.$eval("page-lens", (lens) => lens.getAttribute("sample") ?? "");
    assert.equal(await answerTo(page, async () => sample?.click()), SAYS[source], source);
  }
  await page.screenshot({ path: join(pictures, "firefox-1280x900.png") });
  say(`${await browser.version()}: ${await textOf(page, "[part=device]")}. ${await textOf(page, "[part=timing] > span")}`);
});

onPage("Firefox reads a page of a PDF, with the model that it kept", async (page) => {
  const models = await page.evaluate(async () => (await import(/** @type {string} */ ("/pagelens.js"))).listModels());
  assert.deepEqual(models.map((/** @type {any} */ { name, complete }) => [name, complete]), [["tiny", true]]);
  const folder = await mkdtemp(join(tmpdir(), "pagelens-firefox-"));
  try {
    const file = join(folder, "word.pdf");
    await writeFile(file, pages(["INVOICE"], { media: "0 0 460 230", y: 92 }));
    await /** @type {import("puppeteer-core").ElementHandle<HTMLInputElement>} */ (await part(page, "input[type=file][multiple]")).uploadFile(file);
    await (await part(page, "[part=field]")).type("What does it say?");
    assert.equal(await answerTo(page, () => page.keyboard.press("Enter")), "INVOICE");
  } finally {
    await rm(folder, { recursive: true });
  }
});

onPage("a page that is locked in Firefox has no network", async (page) => {
  await answerTo(page, async () => (await part(page, "[part=sample]")).click());
  assert.equal(await textOf(page, "[part=light]"), "Locked: no network");
  assert.match(String(await page.evaluate(() => fetch(location.href).then(() => "through", String))), /NetworkError/);
}, /^console: refused by connect-src/);
