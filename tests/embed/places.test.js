/** The package where other people's pages put it: a page of its own, a frame of another origin, an extension. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, visit } from "../e2e/browser.js";
import { here, host, lockPolicy, policy, www } from "./host.js";
import { reader } from "./reader.js";

const timeout = 180_000;
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
before(async () => void (browser = await launch()));
after(() => browser?.close());

/** The name that Chromium gives to an extension in a folder. @param {string} folder */
const idOf = (folder) => createHash("sha256").update(folder).digest("hex").slice(0, 32).replace(/./g, (digit) => String.fromCharCode(97 + parseInt(digit, 16)));

for (const [name, given, light] of /** @type {const} */ ([["the strict policy", policy, "Not locked"], ["the lock", lockPolicy, "Locked: no network"]])) {
  test(`a page without a bundler: ${name}`, { timeout }, async () => {
    const server = await host(join(here, "plain"), { policy: given });
    await visit(browser.context, server.url, async (page) => {
      const it = reader(page);
      if (given === lockPolicy) await it.element.evaluate((node) => node.setAttribute("lock", ""));
      await it.read();
      assert.equal(await it.light.textContent(), light);
    }).finally(server.close);
  });
}

test("a sandboxed frame of another origin, under the strict policy, without isolation", { timeout }, async () => {
  const frame = await host(join(here, "plain"), { policy });
  const page = await host(join(here, "iframe"), { edit: (html) => html.replace("https://reader.example/", frame.url.replace("127.0.0.1", "localhost")) });
  await visit(browser.context, page.url, async (page) => {
    const { read, element } = reader(page.frameLocator("iframe"));
    await read();
    assert.deepEqual(await element.evaluate(() => [location.hostname, crossOriginIsolated]), ["localhost", false]);
    assert.equal(new URL(page.url()).hostname, "127.0.0.1");
  }).finally(() => Promise.all([frame.close(), page.close()]));
});

test("a page of an extension, manifest 3", { timeout }, async () => {
  const extension = await mkdtemp(join(tmpdir(), "pagelens-extension-"));
  await cp(join(here, "extension"), extension, { recursive: true });
  for (const folder of ["models", "samples"]) await cp(join(www, folder), join(extension, folder), { recursive: true });
  const { context, close } = await launch({ extension });
  try {
    await visit(context, `chrome-extension://${idOf(extension)}/page.html`, (page) => reader(page).read());
  } finally {
    await close();
    await rm(extension, { recursive: true, force: true });
  }
});
