/**
 * Every kernel's check (tests/kernels) as WebAssembly in Chromium, on a software WebGPU adapter. A broken shader is only a
 * log line in a browser: any error on the console fails the test.
 */

import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { serve } from "./server.js";

const timeout = 600_000;
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;

before(async () => {
  await access(new URL("./fixtures/kernels/kernels_bg.wasm", import.meta.url)).catch(() => {
    throw new Error("tests/e2e/fixtures/kernels is missing: build it first, with make");
  });
  [browser, server] = await Promise.all([launch({ webgpu: true }), serve()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test("every kernel agrees with its f64 loop in the browser", { timeout }, async () => {
  const { page, close } = await open(browser.context);
  page.setDefaultTimeout(timeout);
  await page.goto(`${server.url}fixtures/blank.html`);
  const names = await page.evaluate(async () => {
    const kernels = await import("/fixtures/kernels/kernels.js");
    await kernels.default();
    Object.assign(globalThis, { kernels });
    return kernels.names();
  });
  assert.ok(names.length >= 17, `only ${names.length} kernels`);
  for (const [name, choice] of names.flatMap((name) => [[name, "gpu"], [name, "cpu"]])) {
    const began = Date.now();
    const run = ([name, choice]) => /** @type {any} */ (globalThis).kernels.run(name, choice);
    const device = await page.evaluate(run, [name, choice]);
    assert.match(device, choice === "gpu" ? /^GPU/ : /^CPU/, name);
    console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(1)} s on the ${device}`);
  }
  await close();
});
