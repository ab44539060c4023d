/**
 * The page's lock. After it nothing is asked of any server: not in a session of LOCK_SECONDS (10 if nothing is said), and not
 * by a script of the page or of a worker that tries to. And the light says what is so, at every moment.
 */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible } from "./accessible.js";
import { launch, visit } from "./browser.js";
import { pages } from "./pdf.js";
import { png } from "./png.js";
import { serve } from "./server.js";

const seconds = Number(process.env.LOCK_SECONDS ?? 10);
const pictures = process.env.SCREENSHOTS ?? join(tmpdir(), "pagelens-screenshots");
/** What the browser says where it refuses. */
const refused = /Content Security Policy|Trusted|Refused|violates/;

/** @typedef {import("playwright-core").Page} Page */
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
/** What arrived at another host. @type {string[]} */
const hits = [];
const listener = createServer((request, response) => {
  hits.push(request.url ?? "");
  response.writeHead(200, { "Access-Control-Allow-Origin": "*" }).end();
});
let elsewhere = "";

before(async () => {
  await mkdir(pictures, { recursive: true });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", () => resolve(undefined)));
  elsewhere = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (listener.address()).port}/`;
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
  listener.closeAllConnections();
  listener.close();
});

/**
 * @param {string} name
 * @param {(page: Page) => Promise<void>} body
 * @param {{ expected?: RegExp, path?: string, at?: () => { url: string }, timeout?: number }} [options]
 */
function onPage(name, body, { expected, path = "", at = () => server, timeout = 180_000 } = {}) {
  test(name, { timeout }, () => visit(browser.context, `${at().url}${path}`, body, { fresh: true, expected }));
}

/** @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`page-lens [part=${name}]`);
const over = "page-lens [part=timing]:not([hidden])";

/** Has the sample answered, which locks the page. @param {Page} page */
async function locked(page) {
  await part(page, "sample").click();
  await page.locator(over).waitFor();
  assert.equal(await part(page, "light").textContent(), "Locked: no network");
}

onPage(`after the lock nothing is requested, in ${seconds} seconds of use`, async (page) => {
  await locked(page);
  const before = server.log.length;
  /** @type {string[]} */
  const requests = [];
  const heard = (/** @type {import("playwright-core").Request} */ request) => void (/^(http|ws)/.test(request.url()) && requests.push(request.url()));
  page.context().on("request", heard); // of the page, its workers and its service worker
  const files = page.locator("page-lens input[type=file][multiple][accept]");
  const ask = async (/** @type {string} */ question) => {
    const count = await page.locator(over).count();
    await part(page, "field").fill(question);
    await part(page, "field").press("Enter");
    await page.locator(over).nth(count).waitFor();
  };
  let rounds = 0;
  for (const end = Date.now() + seconds * 1000; rounds === 0 || Date.now() < end; rounds++) {
    await files.setInputFiles({ name: "a.png", mimeType: "image/png", buffer: png(600, 300) });
    await ask("echo: ![](" + elsewhere + ") <img src=" + elsewhere + "> and `code`, $x^2$");
    await files.setInputFiles({ name: "b.pdf", mimeType: "application/pdf", buffer: pages(["INVOICE"], { media: "0 0 460 230", y: 92 }) });
    await page.getByRole("button", { name: /Remove b.pdf/ }).waitFor();
    await ask("And this one?");
    await part(page, "again").last().click();
    await page.locator(over).nth(rounds === 0 ? 2 : 1).waitFor();
    await part(page, "field").fill("crash"); // a new worker takes the place of one that died
    await part(page, "field").press("Enter");
    await part(page, "error").filter({ hasText: "stopped unexpectedly" }).waitFor();
    await ask("Once more?");
    await part(page, "menu").click();
    await part(page, "language").click();
    await part(page, "light").click();
    await page.keyboard.press("Escape");
    await part(page, "models").click();
    await part(page, "models-item").first().waitFor();
    await page.keyboard.press("Escape");
    await part(page, "menu").click();
    await part(page, "language").click();
    await part(page, "clear").click();
  }
  page.context().off("request", heard);
  // Chromium looks for a newer service worker when it likes to, without the page: the request is always the same.
  const own = server.log.slice(before).filter(({ path }) => path === "/sw.js").length;
  console.log(`${rounds} rounds; the browser looked for a newer sw.js ${own} times`);
  assert.deepEqual(server.log.slice(before).filter(({ path }) => path !== "/sw.js"), []);
  assert.deepEqual(requests.filter((url) => url !== `${server.url}sw.js`), []);
  assert.deepEqual(hits, []);
}, { timeout: (seconds + 180) * 1000 });

/**
 * Tries to reach hosts in every way that a script has; runs in a page or in a worker.
 * @param {string[]} hosts
 * @returns {Promise<string[]>} what was not refused
 */
async function reach(hosts) {
  /** @type {string[]} */
  const reached = [];
  const scope = /** @type {any} */ (globalThis);
  const event = (/** @type {any} */ it) => new Promise((resolve, reject) => {
    it.onopen = it.onload = it.onmessage = resolve;
    it.onerror = reject;
    setTimeout(reject, 2000);
  });
  for (const host of hosts) {
    /** @type {{ [name: string]: () => unknown }} */
    const ways = {
      fetch: () => fetch(`${host}fetch`),
      keepalive: () => fetch(`${host}keepalive`, { method: "POST", body: "x", mode: "no-cors", keepalive: true }),
      xhr: () => {
        const request = new XMLHttpRequest();
        request.open("GET", `${host}xhr`);
        request.send();
        return event(request);
      },
      websocket: () => event(new WebSocket(`${host.replace("http", "ws")}websocket`)),
      eventsource: () => event(new EventSource(`${host}eventsource`)),
      import: () => import(`${host}import.js`),
      worker: () => event(new Worker(`${host}worker.js`)),
      ...(scope.importScripts && { importScripts: () => scope.importScripts(`${host}importscripts.js`) }),
      ...(scope.document && {
        beacon: () => Promise.reject(navigator.sendBeacon(`${host}beacon`, "x")), // it says that it was sent: the servers know better
        image: () => event(Object.assign(new Image(), { src: `${host}image.png` })),
        style: () => event(document.head.appendChild(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${host}style.css?` }))),
        prefetch: () => event(document.head.appendChild(Object.assign(document.createElement("link"), { rel: "prefetch", href: `${host}prefetch` }))),
        script: () => event(document.head.appendChild(Object.assign(document.createElement("script"), { src: `${host}script.js` }))),
        sound: () => event(Object.assign(new Audio(), { src: `${host}sound.wav` })),
        frame: () => event(document.body.appendChild(Object.assign(document.createElement("iframe"), { name: "frame", src: `${host}frame` }))).then(() => Promise.reject()), // an empty one loads
        serviceWorker: () => navigator.serviceWorker.register(`${host}sw.js?2`),
        message: () => Promise.reject(navigator.serviceWorker.controller?.postMessage([`${host}message`])), // the servers know of this one too
        eval: () => scope.eval("1"),
      }),
    };
    for (const [name, way] of Object.entries(ways)) {
      try {
        await way();
        reached.push(`${name} ${host}`);
      } catch {
        // as it should be
      }
    }
  }
  return reached;
}

onPage("after the lock no script of the page, of the engine's worker or of the PDF worker reaches any host", async (page) => {
  const free = await page.evaluate(() => fetch("/icon.svg").then(() => true, () => false));
  assert.ok(free, "before the lock there is a network");
  await locked(page);
  const before = server.log.length;
  const hosts = [server.url, elsewhere];
  await page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name: "b.pdf", mimeType: "application/pdf", buffer: pages(["ONE", "TWO", "THREE"], { media: "0 0 460 230", y: 92 }) });
  await part(page, "pdf").waitFor();
  const workers = page.workers();
  assert.equal(workers.length, 2, workers.map((worker) => worker.url()).join(" "));
  for (const worker of workers) {
    assert.match(worker.url(), /^blob:/);
    assert.deepEqual(await worker.evaluate(reach, hosts), []);
  }
  assert.deepEqual(await page.evaluate(reach, hosts), []);
  assert.deepEqual(server.log.slice(before), []);
  assert.deepEqual(hits, []);
  await page.keyboard.press("Escape");
  await part(page, "light").click();
  assert.deepEqual(await part(page, "hosts").locator("tbody td:first-child").allTextContents(), [new URL(server.url).host]);
}, { expected: /./ });

onPage("the light follows what happens: nothing, loading from a host, locked", async (page) => {
  const light = part(page, "light");
  const host = new URL(server.url).host;
  assert.equal(await light.textContent(), "Nothing opened yet");
  const release = server.hold();
  await page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name: "a.png", mimeType: "image/png", buffer: png(600, 300) });
  await light.filter({ hasText: `Loading from ${host}` }).waitFor();
  await page.getByText("a.png is opened as soon as the page is locked.").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Remove a.png" }).count(), 0, "no document is open yet");
  release();
  await light.filter({ hasText: "Locked: no network" }).waitFor();
  await page.getByRole("button", { name: "Remove a.png" }).waitFor();
  await light.click();
  const [row] = await part(page, "hosts").locator("tbody tr").all();
  assert.match((await row?.textContent()) ?? "", new RegExp(`^${host}\\d+\\.\\d MB$`));
  for (const [width, scheme] of /** @type {const} */ ([[320, "light"], [1280, "dark"]])) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `no sideways scrolling at ${width}`);
    await accessible(page, `the lock, ${width}, ${scheme}`);
    await page.screenshot({ path: join(pictures, `lock-${width}-${scheme}.png`) });
  }
  await page.keyboard.press("Escape");
  await page.screenshot({ path: join(pictures, "locked.png") });
});

onPage("an element that does not ask for the lock says that it is not locked", async (page) => {
  await part(page, "light").filter({ hasText: "Not locked" }).waitFor();
  await part(page, "light").click();
  await page.getByText("The author of this page has not asked for the lock.").waitFor();
}, { path: "fixtures/embed.html" });

test("where nothing can be kept the page works, and says why it is not locked", async () => {
  const unkept = await serve({ mock: true, storage: false });
  try {
    await visit(browser.context, unkept.url, async (page) => {
      await part(page, "sample").click();
      await page.locator(over).waitFor();
      assert.equal(await part(page, "light").textContent(), "Not locked");
      await part(page, "light").click();
      await page.getByText("This browser keeps no model for this page").waitFor();
    });
  } finally {
    await unkept.close();
  }
});

test("where the site's policy allows no workers from blobs the page works, and says why it is not locked", async () => {
  const wary = await serve({ mock: true, blobs: false });
  try {
    await visit(browser.context, wary.url, async (page) => {
      await part(page, "sample").click();
      await page.locator(over).waitFor();
      assert.equal(await part(page, "light").textContent(), "Not locked");
      await part(page, "light").click();
      await page.getByText("This site’s policy, this browser, or the way these files were bundled").waitFor();
    }, { expected: refused });
  } finally {
    await wary.close();
  }
});

onPage("another model on a locked page: the page is loaded again, and the conversation is kept", async (page) => {
  await locked(page);
  await page.locator("page-lens").evaluate((lens) => lens.setAttribute("model", "models/big/"));
  await part(page, "load").click();
  await part(page, "error").filter({ hasText: "This page is locked" }).waitFor();
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: "Reload and keep the conversation" }).click()]);
  await page.locator(over).waitFor();
  assert.match((await part(page, "answer").textContent()) ?? "", /640 by 320/);
  assert.equal(await part(page, "models").textContent(), "Model: big");
  assert.equal(await part(page, "light").textContent(), "Locked: no network");
});
