/** The package, built by other people's tools with their ordinary settings (`npm run build` here), does all that it does unbuilt. */

import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, visit } from "../e2e/browser.js";
import { here, host, lockPolicy, policy } from "./host.js";
import { reader } from "./reader.js";

/** Where each tool leaves what is served. Next is the exception: its own scripts are inline, and its workers are of several files, which the lock cannot be made of. */
const tools = [
  { name: "vite", folder: "vite/dist", plain: true },
  { name: "webpack", folder: "webpack", plain: true },
  { name: "esbuild", folder: "esbuild", plain: true },
  { name: "rollup", folder: "rollup", plain: true },
  { name: "next", folder: "next/out", plain: false },
];
const timeout = 180_000;

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
before(async () => {
  for (const { folder } of tools) await access(join(here, folder)).catch(() => assert.fail(`tests/embed/${folder} is missing: build it first, with make embed`));
  browser = await launch();
});
after(() => browser?.close());

for (const { name, folder, plain } of tools) {
  test(`${name}: a picture and a page of a PDF are read${plain ? ", under the strict policy" : ""}`, { timeout }, async () => {
    const server = await host(join(here, folder), plain ? { policy } : {});
    await visit(browser.context, server.url, async (page) => {
      const { light, read, openModels } = reader(page);
      await read();
      assert.equal(await light.textContent(), "Not locked");
      await openModels();
    }).finally(server.close);
  });

  test(`${name}: the lock ${plain ? "holds" : "is refused, and the light says so"}`, { timeout }, async () => {
    const server = await host(join(here, folder), plain ? { policy: lockPolicy } : {});
    await visit(browser.context, server.url, async (page) => {
      const { element, light, read } = reader(page);
      await element.evaluate((node) => node.setAttribute("lock", ""));
      await read();
      assert.equal(await light.textContent(), plain ? "Locked: no network" : "Not locked");
    }, { expected: plain ? undefined : /Missing worker bootstrap config/ }).finally(server.close);
  });
}
