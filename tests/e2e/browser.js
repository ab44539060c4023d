/** Chromium for the tests. Whatever is logged as an error, or thrown and not caught, fails the test that was running. */

import { chromium } from "playwright-core";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const quiet = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/**
 * @param {{ webgpu?: boolean, extension?: string, args?: string[] }} [options] `webgpu` offers a software adapter; without it there is none;
 *   `extension` is the folder of one that is installed
 */
export async function launch({ webgpu = false, extension, args = [] } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "pagelens-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: false,
    ...(extension && { ignoreDefaultArgs: ["--disable-extensions"] }),
    args: ["--headless=new", "--hide-scrollbars", ...quiet, ...(webgpu ? software : ["--disable-features=WebGPU,WebGPUService"]), ...(extension ? [`--load-extension=${extension}`] : []), ...args],
  });
  return {
    context,
    profile,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/**
 * A new page that remembers what went wrong on it.
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ width: number, height: number }} [viewport]
 */
export async function open(context, viewport = { width: 1280, height: 800 }) {
  const page = await context.newPage();
  await page.setViewportSize(viewport);
  page.setDefaultTimeout(90_000); // the machine may be busy with other things
  /** @type {string[]} */
  const wrong = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => wrong.push(`uncaught: ${error.message}`));
  page.on("crash", () => wrong.push("the page crashed"));
  return {
    page,
    wrong,
    /** Closes the page; throws when something went wrong that was not `expected`. @param {RegExp} [expected] */
    close: async (expected) => {
      await page.close();
      const surprises = wrong.filter((line) => !expected?.test(line));
      if (surprises.length > 0) throw new Error(`The page reported errors:\n${surprises.join("\n")}`);
    },
  };
}

/**
 * Runs `body` on a page at an address, which it closes; throws when something went wrong that was not `expected`.
 * @param {import("playwright-core").BrowserContext} context
 * @param {string} url
 * @param {(page: import("playwright-core").Page) => Promise<void>} body
 * @param {{ fresh?: boolean, viewport?: { width: number, height: number }, expected?: RegExp }} [options] `fresh` is without what the site has stored
 */
export async function visit(context, url, body, { fresh = false, viewport, expected } = {}) {
  const { page, close } = await open(context, viewport);
  try {
    if (fresh) await forget(page, url);
    await page.goto(url);
    await body(page);
    await close(expected);
  } finally {
    await page.close();
  }
}

/**
 * Deletes what a site has stored in this browser.
 * @param {import("playwright-core").Page} page
 * @param {string} url
 */
export async function forget(page, url) {
  const session = await page.context().newCDPSession(page);
  await session.send("Storage.clearDataForOrigin", { origin: new URL(url).origin, storageTypes: "all" });
  await session.detach();
}
