/** The page after its first visit: with the server gone it opens, loads its model and answers; where nothing can be kept it works too. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch, open } from "./browser.js";
import { serve } from "./server.js";

/** Until sw.js answers for the page. @param {import("playwright-core").Page} page */
const controlled = (page) => page.waitForFunction(() => navigator.serviceWorker.controller !== null);

test("after a first visit the page works without its server", async () => {
  const [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
  try {
    const { page, close } = await open(browser.context);
    await page.goto(server.url);
    await controlled(page);
    const load = () => page.evaluate(async () => {
      const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
      const engine = await createEngine({ model: "/models/big/" });
      const { info } = engine;
      await engine.dispose();
      return info.model;
    });
    assert.equal(await load(), "mock");
    assert.ok(await page.evaluate(async () => (await caches.keys()).length > 0 && !(await (await caches.open("pagelens-shell")).keys()).some(({ url }) => url.includes("/models/"))));
    await page.waitForFunction(async () => {
      const shell = await caches.open("pagelens-shell");
      const loaded = performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.startsWith("http") && !name.includes("/models/"));
      return (await Promise.all(loaded.map((name) => shell.match(name, { ignoreVary: true })))).every((kept) => kept);
    });
    await server.close();
    await page.reload();
    await page.locator("page-lens [part=choose]").waitFor();
    assert.equal(await load(), "mock");
    await close(/Failed to load resource|net::ERR/);
  } finally {
    await browser.close();
  }
});

test("a page whose disk is full works, with a network", async () => {
  const [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
  try {
    const { page, close } = await open(browser.context);
    await page.goto(server.url);
    await controlled(page);
    const session = await page.context().newCDPSession(page);
    // The quota first: the worker may still be keeping files.
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).origin, quotaSize: 1 });
    await session.send("Storage.clearDataForOrigin", { origin: new URL(server.url).origin, storageTypes: "cache_storage" });
    await page.reload();
    await controlled(page);
    await page.locator("page-lens [part=models]").click();
    await page.locator("page-lens [part=models-item]").first().waitFor();
    assert.deepEqual(await page.evaluate(async () => (await (await caches.open("pagelens-shell")).keys()).length), 0);
    await close();
  } finally {
    await browser.close();
    await server.close();
  }
});
