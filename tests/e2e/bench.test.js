import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, open } from "./browser.js";
import { serve } from "./server.js";

const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");

/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {Awaited<ReturnType<typeof launch>>} */
let browser;
before(async () => ([server, browser] = await Promise.all([serve(), launch()])));
after(async () => Promise.all([server.close(), browser.close()]));

test("the bench's page measures the model that ships", async () => {
  for (const width of [390, 1280]) {
    const { page, close } = await open(browser.context, { width, height: 800 });
    await page.goto(`${server.url}bench.html`);
    await page.selectOption("select[name=shape]", "tiny");
    await page.selectOption("select[name=device]", "cpu");
    await page.click("button");
    await page.getByText("Done, on the CPU.").waitFor();
    const lines = await page.locator("tbody tr").allTextContents();
    const names = ["load", "encode a tile", "prefill 512", "a token at 512", "first token, page of 7 tiles", "first token, second question",
      "memory at most, without the GPU's", "peak: a copy of 64 MiB", "peak: v * a + b", "encoder qkv", "prefill gate_up",
      "decode attention, 4096 positions"];
    assert.deepEqual(lines.map((line) => names.find((name) => line.startsWith(name))).filter((name) => name !== undefined), names);
    for (const line of lines) assert.match(line, /[1-9]/);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `no sideways scrolling at ${width}`);
    await page.screenshot({ path: join(pictures, `bench-${width}.png`) });
    await close();
  }
});
