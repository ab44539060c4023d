/** The page after its first visit, with the server gone: it opens, loads its model and answers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch, open } from "./browser.js";
import { serve } from "./server.js";

test("after a first visit the page works without its server", async () => {
  const [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
  try {
    const { page, close } = await open(browser.context);
    await page.goto(server.url);
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const load = () => page.evaluate(async () => {
      const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
      const engine = await createEngine({ model: "/models/big/" });
      const { info } = engine;
      await engine.dispose();
      return info.model;
    });
    assert.equal(await load(), "mock");
    assert.ok(await page.evaluate(async () => (await caches.keys()).length > 0 && !(await (await caches.open("pagelens-shell")).keys()).some(({ url }) => url.includes("/models/"))));
    await page.waitForFunction(async () => (await (await caches.open("pagelens-shell")).match("/style.css")) !== undefined);
    await server.close();
    await page.reload();
    await page.locator("page-lens [part=choose]").waitFor();
    assert.equal(await load(), "mock");
    await close(/Failed to load resource|net::ERR/);
  } finally {
    await browser.close();
  }
});
