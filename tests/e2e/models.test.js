/** The list of models in <page-lens>, in front of a mock engine: what it says, what it fetches and from where, and what it deletes. */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible } from "./accessible.js";
import { forget, launch, open } from "./browser.js";
import { bigBytes, chunkBytes, serve } from "./server.js";

const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");
const chunks = Math.ceil(bigBytes / chunkBytes);
const hub = "https://huggingface.co/OpenGVLab/InternVL2_5-1B";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** Only the policy of the page itself. @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  await mkdir(pictures, { recursive: true });
  [browser, server] = await Promise.all([launch(), serve({ mock: true, strict: false })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/**
 * The demo page, and a host of published models that has only the mock one. `asked` is what it was asked for; `gate` is waited
 * for before each answer beyond the first chunk.
 * @param {(it: { page: Page, asked: { url: string, range: string | undefined }[], host: { gate: Promise<void> }, list: import("playwright-core").Locator, row: (name: string) => import("playwright-core").Locator, openList: () => Promise<void>, device: import("playwright-core").Locator }) => Promise<void>} body
 * @param {{ width: number, height: number }} [viewport]
 */
async function onPage(body, viewport) {
  const { page, close } = await open(browser.context, viewport);
  const asked = /** @type {{ url: string, range: string | undefined }[]} */ ([]);
  const host = { gate: Promise.resolve() };
  await page.route((url) => url.origin !== new URL(server.url).origin && url.protocol.startsWith("http"), async (route) => {
    const request = route.request();
    const range = await request.headerValue("range") ?? undefined;
    const cors = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "range", "Access-Control-Expose-Headers": "Content-Range, ETag" };
    if (request.method() === "OPTIONS") return route.fulfill({ status: 204, headers: cors });
    asked.push({ url: request.url(), range });
    const file = request.url().startsWith(`${hub}/resolve/main/`) ? request.url().split("/").at(-1) : "none";
    if (range && !range.startsWith("bytes=0-")) await host.gate;
    const answer = await fetch(new URL(`models/big/${file}`, server.url), { method: request.method(), headers: range ? { range } : {} });
    await route.fulfill({ status: answer.status, headers: { ...Object.fromEntries(answer.headers), ...cors }, body: Buffer.from(await answer.arrayBuffer()) }).catch(() => {}); // given up meanwhile
  });
  const part = (/** @type {string} */ name) => page.locator(`page-lens [part=${name}]`);
  try {
    await forget(page, server.url);
    await page.goto(server.url);
    await page.getByRole("button", { name: "Load model (9.0 MB)" }).waitFor();
    await body({
      page,
      asked,
      host,
      list: part("models-dialog"),
      row: (name) => part("models-item").filter({ has: page.getByText(name, { exact: true }) }),
      openList: async () => {
        await part("models").click();
        await part("models-item").first().waitFor();
      },
      device: part("device"),
    });
    await close(/404|net::ERR/); // the host lists nothing
  } finally {
    await page.close();
  }
}

test("the list says what each model needs, and contacts nobody", () => onPage(async ({ page, asked, list, row, openList }) => {
  await openList();
  assert.equal(await list.locator("[part=models-item]").count(), 16);
  assert.match(await row("tiny").innerText(), /Comes with this page · 9\.0 MB[\s\S]*In use/);
  assert.match(await row("InternVL2_5-1B").innerText(), /1\.9 GB to download · 1\.1 GB of memory · 16,384 tokens of context\s+Licence: MIT; Qwen2\.5: Apache-2\.0\s+Should fit here/);
  assert.match(await row("InternVL3_5-8B").innerText(), /Probably too large here: 7\.4 GB, with room for about 4\.3 GB/);
  assert.equal(await row("InternVL3-2B").getByRole("button").innerText(), "Download 4.2 GB from huggingface.co");
  assert.match(await list.innerText(), /No model is kept on this device\. The browser lets this site keep [\d.,]+ [MG]B more\./);
  await page.keyboard.press("Escape");
  await list.waitFor({ state: "hidden" });
  assert.deepEqual(asked, []);
  assert.equal(await page.locator("page-lens").evaluate((node) => node.shadowRoot?.activeElement?.getAttribute("part")), "models");
}));

test("the list opens where the browser never tells which GPU there is and how much it lets a site keep", () => onPage(async ({ page, list, row, openList }) => {
  await page.evaluate(() => {
    const never = () => new Promise(() => {});
    Object.defineProperty(navigator, "gpu", { value: { requestAdapter: never } });
    navigator.storage.estimate = /** @type {typeof navigator.storage.estimate} */ (never);
  });
  await openList();
  assert.match(await row("InternVL2_5-1B").innerText(), /Should fit here/);
  assert.match(await list.innerText(), /No model is kept on this device\.$/m);
}));

test("one click downloads a published model; a pause keeps what has arrived, and deleting frees it", () => onPage(async ({ page, asked, host, list, row, openList, device }) => {
  let go = () => {};
  host.gate = new Promise((resolve) => (go = () => resolve()));
  await openList();
  await row("InternVL2_5-1B").getByRole("button", { name: "Download 1.9 GB from huggingface.co" }).click();
  await page.getByText("Loading the model: 4.2 MB of 30.0 MB").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  assert.equal(await device.textContent(), "Paused at 4.2 MB of 30.0 MB. What has arrived is kept.");
  go();
  await openList();
  assert.match(await row("InternVL2_5-1B").innerText(), /Partly downloaded/);
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Resume (25.8 MB left)" }).click();
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
  const first = asked.filter(({ url, range }) => url === `${hub}/resolve/main/shard.bin` && range?.startsWith("bytes=0-"));
  assert.equal(first.length, 1, "the chunk that had arrived is not fetched again");
  assert.ok(new Set(asked.map(({ range }) => range)).size >= chunks);
  assert.deepEqual([...new Set(asked.map(({ url }) => new URL(url).host))], ["huggingface.co"]);
  assert.ok(await page.getByRole("button", { name: "Model: InternVL2_5-1B" }).isVisible());

  await openList();
  assert.match(await row("InternVL2_5-1B").innerText(), /Downloaded: 30\.0 MB on this device[\s\S]*In use/);
  assert.match(await list.innerText(), /1 model is kept on this device: 30\.0 MB\./);
  await row("InternVL2_5-1B").getByRole("button", { name: "Delete InternVL2_5-1B" }).click();
  await page.getByText("No model is kept on this device.").waitFor();
  await row("tiny").getByRole("button", { name: "Use" }).click();
  await page.getByRole("button", { name: "Model: tiny" }).waitFor();
  await page.locator("page-lens [part=error]").filter({ hasText: "This page is locked" }).waitFor();
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: "Reload and keep the conversation" }).click()]);
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
}));

test("a model of one's own: picked files, and a name that is no name", () => onPage(async ({ page, asked, list, openList, device }) => {
  await openList();
  await list.getByLabel("owner/name on huggingface.co").fill("no such/model");
  await list.getByRole("button", { name: "Ask its host what it needs" }).click();
  await list.locator(".found").filter({ hasText: "names no repository" }).waitFor();
  const files = await Promise.all(["manifest.json", "shard.bin"].map(async (name) => ({ name, mimeType: "", buffer: Buffer.from(await (await fetch(new URL(`models/big/${name}`, server.url))).arrayBuffer()) })));
  await list.locator("input[type=file][multiple]").setInputFiles(files);
  await device.filter({ hasText: "Running on the CPU" }).waitFor();
  await page.getByRole("button", { name: "Model: your files" }).waitFor();
  assert.deepEqual(asked, []);
}));

/** @type {[number, number, "light" | "dark", boolean][]} */
const looks = [[320, 640, "light", false], [390, 844, "dark", true], [1280, 800, "light", true], [1280, 800, "dark", false]];
for (const [width, height, colorScheme, zh] of looks) {
  test(`the list is accessible and fits: ${width} px, ${colorScheme}, ${zh ? "zh" : "en"}`, () => onPage(async ({ page, openList, list }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openList();
    if (zh) {
      await list.evaluate(() => document.querySelector("page-lens")?.setAttribute("lang", "zh"));
      await page.getByText("选择模型").first().waitFor();
    }
    await page.screenshot({ path: join(pictures, `models-${width}-${colorScheme}.png`) });
    await accessible(page, "models");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "nothing sticks out");
    assert.equal(await list.evaluate((node) => node.scrollWidth - node.clientWidth), 0, "nothing sticks out of the list");
  }, { width, height }));
}
