/** What can be done with answers on the demo page, in front of a mock engine that answers what it is told to. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, open, visit } from "./browser.js";
import { marked, png } from "./png.js";
import { serve } from "./server.js";
import { wordsOf } from "../../www/words.js";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** @typedef {import("playwright-core").Page} Page */

/**
 * @param {string} name
 * @param {(it: ReturnType<typeof parts> & { page: Page }) => Promise<void>} body
 * @param {RegExp} [expected] what the console may say
 */
function onPage(name, body, expected) {
  test(name, () => visit(browser.context, server.url, (page) => body({ page, ...parts(page) }), { fresh: true, expected }));
}

/** @param {Page} page */
function parts(page) {
  const part = (/** @type {string} */ name) => page.locator(`page-lens [part=${name}]`);
  const field = page.locator("page-lens [part=field]");
  const timings = page.locator("page-lens [part=timing]:not([hidden])");
  return {
    part,
    field,
    timings,
    questions: part("question"),
    answers: part("answer"),
    choose: (/** @type {string} */ name = "a.png", /** @type {Buffer} */ buffer = png(600, 300)) => page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name, mimeType: "image/png", buffer }),
    clipboard: () => page.evaluate(() => navigator.clipboard.readText()),
    /** Asks, and waits until `count` answers are over. */
    ask: async (/** @type {string} */ question, /** @type {number} */ count) => {
      await field.fill(question);
      await field.press("Enter");
      await timings.nth(count - 1).waitFor();
    },
    menu: async (/** @type {string} */ item) => {
      await part("menu").click();
      await page.locator("page-lens .menu button", { hasText: item }).click();
    },
  };
}

const table = "| Item | Price |\n|:--|--:|\n| Paper, A4 | 48.00 |\n| =1+1 | -2 |";

onPage("Markdown, tables, code and formulas become nodes; each kind of copy says what it promises", async ({ page, choose, ask, answers, part, clipboard }) => {
  await choose();
  await ask(`echo:## Total\n\nIt is **48** of \`50\`: $\\frac{1}{2}$.\n\n${table}\n\n\`\`\`\nlet x;\n\`\`\``, 1);
  const answer = answers.first();
  assert.equal(await answer.locator(".heading").innerText(), "Total");
  assert.equal(await answer.locator("strong").innerText(), "48");
  assert.equal(await answer.locator("math mfrac").count(), 1);
  assert.equal(await answer.locator("table tr").count(), 3);
  assert.equal(await answer.locator("td.right").first().evaluate((node) => getComputedStyle(node).textAlign), "end");
  assert.equal(await answer.locator("pre").innerText(), "let x;");
  await part("copy").click();
  assert.match(await clipboard(), /^## Total\n\nIt is \*\*48\*\*/);
  await part("copy-plain").click();
  assert.match(await clipboard(), /^Total\n+It is 48 of 50/);
  await part("copy-table").click();
  assert.equal((await clipboard()).replaceAll("\r\n", "\n"), "Item,Price\n\"Paper, A4\",48.00\n'=1+1,-2\n");
  await page.getByText("Copied", { exact: true }).first().waitFor();
});

onPage("a link is words and an address that can be copied, and leads nowhere", async ({ choose, ask, answers, clipboard }) => {
  await choose();
  await ask("echo:See [the terms](https://example.com/terms?x=1).", 1);
  assert.equal(await answers.locator("a").count(), 0);
  const address = answers.locator(".address");
  assert.equal(await address.innerText(), "https://example.com/terms?x=1");
  await address.click();
  assert.equal(await clipboard(), "https://example.com/terms?x=1");
});

onPage("thoughts are folded", async ({ page, choose, ask, answers, part }) => {
  await choose();
  await ask("echo:<think>First *this*, then that.</think>\n\nForty-eight.", 1);
  assert.equal(await answers.first().innerText(), "Forty-eight.");
  assert.equal(await part("thoughts").getByText("then that.").isVisible(), false);
  assert.equal(await page.locator("page-lens [role=status]").innerText(), "Answer: Forty-eight.");
  await part("thoughts").locator("summary").click();
  assert.equal(await part("thoughts").getByText("then that.").isVisible(), true);
});

onPage("finished blocks stay the nodes they are while the answer grows", async ({ page, choose, field, answers, timings }) => {
  await choose();
  await field.fill("slow echo:One is done.\n\nTwo is growing a little more than that.");
  await field.press("Enter");
  await answers.filter({ hasText: "Two" }).waitFor();
  const first = await answers.locator(".block").first().elementHandle();
  await timings.waitFor();
  assert.equal(await page.evaluate((node) => node?.isConnected, first), true);
});

onPage("the end of an answer stays in view while it grows, and when it is over; who scrolls up stays there", async ({ page, choose, ask, field, answers, timings, part }) => {
  await choose();
  const list = Array.from({ length: 30 }, (_, at) => `${at + 1}. A line of its own`).join("\n");
  await ask(`echo:${list}`, 1);
  const below = () => part("conversation").evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
  assert.ok((await below()) < 2, `${await below()} pixels are below`);
  await field.fill(`slow echo:${list}`);
  await field.press("Enter");
  await answers.nth(1).filter({ hasText: "of its own" }).waitFor();
  await part("conversation").evaluate((node) => (node.scrollTop = 0));
  await timings.nth(1).waitFor();
  assert.equal(await part("conversation").evaluate((node) => node.scrollTop), 0);
  await page.keyboard.press("Escape");
});

onPage("answer again, edit and ask again, delete", async ({ page, choose, ask, part, questions, answers, timings }) => {
  await choose();
  await ask("echo:one", 1);
  await ask("echo:two", 2);
  await part("again").first().click();
  await timings.nth(0).waitFor();
  await page.waitForFunction(() => document.querySelector("page-lens")?.shadowRoot?.querySelectorAll(".turn:not(.busy)").length === 1);
  assert.deepEqual(await questions.allInnerTexts(), ["echo:one"], "what came after it is taken back");
  await part("edit").click();
  await part("edit-field").fill("echo:changed");
  await page.keyboard.press("Escape");
  assert.equal(await questions.innerText(), "echo:one");
  await part("edit").click();
  await part("edit-field").fill("echo:changed");
  await page.keyboard.press("Enter");
  await answers.filter({ hasText: "changed" }).waitFor();
  assert.deepEqual(await questions.allInnerTexts(), ["echo:changed"]);
  await timings.waitFor();
  await part("edit").click();
  await part("edit-field").fill("decode");
  await page.keyboard.press("Enter");
  await part("error").waitFor();
  assert.deepEqual(await questions.allInnerTexts(), ["echo:changed"], "what comes to nothing changes nothing");
  await part("bin").click();
  assert.equal(await questions.count(), 0);
  await page.getByRole("button", { name: "Remove a.png" }).waitFor(); // its picture waits for the next question
});

onPage("a picture that only the browser reads comes through it; one that nothing reads gives words", async ({ page, field, answers, timings, part }) => {
  const attach = (/** @type {Buffer} */ buffer) => page.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name: "photo.avif", mimeType: "image/avif", buffer });
  await attach(Buffer.from("no picture"));
  await part("error").filter({ hasText: "This picture cannot be read." }).waitFor();
  await attach(await readFile(new URL("fixtures/photo.avif", import.meta.url)));
  await page.getByRole("button", { name: "Remove photo.avif" }).waitFor();
  await field.fill("?");
  await field.press("Enter");
  await timings.waitFor();
  assert.equal(await answers.innerText(), "Turn 1: the last of 1 pictures is 64 by 48 pixels.");
});

onPage("tasks ask in the language of the page", async ({ page, choose, questions, timings }) => {
  await choose();
  await page.getByRole("button", { name: "Table to Markdown" }).click();
  await timings.waitFor();
  assert.equal(await questions.innerText(), "Write every table on this page as a Markdown table.");
  assert.equal(await page.locator("page-lens [part=task]").count(), 6);
  await page.getByRole("button", { name: "中文" }).first().click();
  await page.getByRole("button", { name: "字段转 JSON" }).click();
  await timings.nth(1).waitFor();
  assert.match(await questions.nth(1).innerText(), /JSON 对象/);
});

onPage("every error is said in words, in both languages, with what to do and its code", async ({ page, choose, field, part }) => {
  await choose();
  for (const [code, [title, advice]] of Object.entries(wordsOf("en").errors)) {
    if (["answer", "load"].includes(code)) continue; // they stand in for others
    await field.fill(`fail:${code}`);
    await field.press("Enter");
    const error = part("error").filter({ hasText: `(${code})` });
    await error.waitFor();
    assert.ok((await error.innerText()).startsWith(`${title} ${advice}`), code);
    await page.getByRole("button", { name: "中文" }).first().click();
    const [inChinese, toDo] = wordsOf("zh").errors[code] ?? [];
    assert.ok(toDo && (await error.innerText()).startsWith(`${inChinese} ${toDo}`), code);
    await page.getByRole("button", { name: "English" }).first().click();
  }
});

onPage("everything is said in the other language at once, and after a reload", async ({ page, choose, ask, timings }) => {
  await choose();
  await ask("What is it?", 1);
  const english = await page.evaluate(() => document.querySelector("page-lens")?.shadowRoot?.querySelector(".frame")?.textContent + document.body.innerText);
  assert.doesNotMatch(english.replaceAll("中文", ""), /\p{Script=Han}/u);
  await page.getByRole("button", { name: "中文" }).first().click();
  assert.equal(await page.locator("html").getAttribute("lang"), "zh");
  assert.match(await timings.innerText(), /首个词元 13 ms · 80 词元\/秒/);
  const left = await page.evaluate(() => {
    const root = document.querySelector("page-lens")?.shadowRoot;
    const texts = [...(root?.querySelectorAll("button, label, summary, output, .device, .facts, .hint") ?? [])].flatMap((node) => [node.getAttribute("aria-label"), node.getAttribute("title"), node.textContent]);
    return texts.filter((text) => text && /[A-Za-z]{3}/.test(text.replace(/a\.png|tiny|English|Markdown|JSON|CSV|PDF|CPU|WebGPU|WebRTC|PageLens/g, "")));
  });
  assert.deepEqual(left, []);
  await page.reload();
  assert.equal(await page.title(), "PageLens：问问这一页写了什么");
  await page.getByRole("button", { name: "English" }).first().click();
  assert.equal(await page.title(), "PageLens: ask what a page says");
});

onPage("a conversation is kept over a reload, gone on with, and deleted; clearing everything leaves nothing", async ({ page, choose, ask, questions, answers, part, menu }) => {
  await choose();
  await ask("echo:kept", 1);
  await page.reload();
  await part("earlier").getByRole("button", { name: /echo:kept/ }).first().click();
  await answers.first().waitFor(); // its pictures are documents: the page is locked first
  assert.deepEqual(await answers.allInnerTexts(), ["kept"]);
  await ask("And now?", 2);
  assert.match(await answers.nth(1).innerText(), /^Turn 2: the last of 1 pictures is 600 by 300/);
  await page.getByRole("button", { name: "New conversation" }).click();
  await choose();
  await ask("echo:another", 1);
  await page.reload();
  const kept = part("earlier").locator("li");
  await kept.first().waitFor();
  assert.equal(await kept.count(), 2);
  await page.getByRole("button", { name: "Delete echo:another" }).click();
  await page.waitForFunction(() => document.querySelector("page-lens")?.shadowRoot?.querySelectorAll(".earlier li").length === 1);
  const models = () => page.evaluate(async (path) => (await (await import(path)).listModels()).length, "/pagelens.js");
  assert.equal(await models(), 1);
  await menu("Clear everything");
  await page.locator("page-lens .menu button", { hasText: "Really clear" }).click();
  await part("earlier").waitFor({ state: "hidden" });
  await page.getByText("Everything that was kept on this device is deleted.").waitFor({ state: "attached" });
  assert.equal(await models(), 0);
  await page.reload();
  await page.getByRole("button", { name: /Load model \(/ }).waitFor();
  assert.equal(await part("earlier").isVisible(), false);
  assert.equal(await questions.count(), 0);
});

test("a browser that keeps nothing says so once, and everything else works", async () => {
  const { page, close } = await open(browser.context);
  try {
    await page.addInitScript(() => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("not here", "SecurityError");
      };
    });
    await page.goto(server.url);
    const { choose, ask, part } = parts(page);
    await choose();
    await ask("?", 1);
    await part("error").filter({ hasText: "This browser keeps nothing for this page." }).waitFor();
    await ask("?", 2);
    assert.equal(await part("error").isVisible(), false);
    await close();
  } finally {
    await page.close();
  }
});

onPage("an answer that is cut short by closing the tab is there again, as far as it was", async ({ page, choose, field, answers, part }) => {
  await choose();
  await field.fill("slow and long");
  await field.press("Enter");
  await answers.filter({ hasText: /pixels\.[^]*pixels\.[^]*pixels\./ }).waitFor();
  await page.reload();
  await part("earlier").getByRole("button", { name: /slow and long/ }).first().click();
  assert.match(await answers.innerText(), /^Turn 1: the last of 1 pictures is 600 by 300/);
  assert.equal(await part("timing").locator("span").first().innerText(), "Interrupted");
});

onPage("export and import give the same conversation, pictures and all", async ({ page, choose, ask, answers, menu, part }) => {
  await choose();
  await part("turn").click();
  await ask(`echo:${table}`, 1);
  await ask("And now?", 2);
  const downloading = page.waitForEvent("download");
  await menu("Export conversation");
  const download = await downloading;
  assert.match(download.suggestedFilename(), /\.json$/);
  const before = await page.evaluate(async () => (await /** @type {any} */ (document.querySelector("page-lens")).exportConversation()).text());
  const shown = await answers.evaluateAll((nodes) => nodes.map((node) => node.innerHTML));
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.locator("page-lens input[accept*=json]").setInputFiles(await download.path());
  await answers.nth(1).waitFor();
  const after = await page.evaluate(async () => (await /** @type {any} */ (document.querySelector("page-lens")).exportConversation()).text());
  assert.deepEqual(JSON.parse(after), JSON.parse(before));
  assert.deepEqual(await answers.evaluateAll((nodes) => nodes.map((node) => node.innerHTML)), shown);
  await ask("And then?", 3);
  assert.match(await answers.nth(2).innerText(), /^Turn 3: the last of 1 pictures is 300 by 600/);
  for (const wrong of ["no JSON", "{}", before.replace('"version": 1', '"version": 2'), before.replace(/"question": "[^"]*"/, '"question": 5'), before.replace(/"data": "[^"]*"/, '"data": "*"'), before.replace('"turned": 1', '"turned": 5')]) {
    await page.locator("page-lens input[accept*=json]").setInputFiles({ name: "chat.json", mimeType: "application/json", buffer: Buffer.from(wrong) });
    await part("error").filter({ hasText: "This file is not an exported conversation." }).waitFor();
    assert.equal(await answers.count(), 3, "what is on view stays");
  }
});

onPage("places in an answer are drawn over the page, to the pixel, after zooming too, and linked both ways", async ({ page, choose, ask, answers, part }) => {
  await choose("wide.png", png(1000, 500));
  await ask("echo:The <ref>total</ref><box>[[100, 200, 300, 600]]</box> and the <ref>date</ref><box>[[500, 500, 900, 1000], [0, 0, 10, 10]]</box>.", 1);
  assert.equal(await answers.first().innerText(), "The total and the date.");
  const rects = part("overlay").locator("rect.place");
  assert.equal(await rects.count(), 3);
  const fits = async () => {
    const sheet = await part("preview").boundingBox();
    const rect = await rects.first().evaluate((node) => {
      const { x, y, width, height } = /** @type {SVGGraphicsElement} */ (node).getBoundingClientRect();
      return { x, y, width, height };
    });
    assert.ok(sheet);
    const want = { x: sheet.x + 0.1 * sheet.width, y: sheet.y + 0.2 * sheet.height, width: 0.2 * sheet.width, height: 0.4 * sheet.height };
    for (const side of /** @type {const} */ (["x", "y", "width", "height"])) assert.ok(Math.abs(rect[side] - want[side]) <= 1, `${side}: ${rect[side]} for ${want[side]}`);
  };
  await fits();
  await part("zoom").click();
  await fits();
  await part("zoom").click();
  await page.setViewportSize({ width: 500, height: 900 });
  await fits();
  const words = answers.locator(".place").first();
  await words.hover();
  assert.match((await rects.first().getAttribute("class")) ?? "", /pointed/);
  assert.doesNotMatch((await rects.nth(1).getAttribute("class")) ?? "", /pointed/);
  await page.mouse.move(0, 0);
  await rects.nth(1).hover();
  assert.match((await answers.locator(".place").nth(1).getAttribute("class")) ?? "", /pointed/);
});

onPage("a page that is turned is shown so, asked about so, and keeps the places of every answer, at each turn and zoom", async ({ page, choose, ask, answers, part, menu, timings }) => {
  await choose("marked.png", marked(1000, 500, { left: 0.1, top: 0.2, right: 0.25, bottom: 0.6 }));
  await ask("echo:<ref>mark</ref><box>[[100, 200, 250, 600]]</box>", 1);
  const rect = part("overlay").locator("rect.place");
  /** Where the mark is in a picture of the screen, and where it is drawn over. */
  const fits = async (/** @type {string} */ when) => {
    await rect.evaluate((node) => node.scrollIntoView({ block: "center", inline: "center" }));
    await part("overlay").evaluate((node) => (node.style.visibility = "hidden"));
    const screen = (await part("page").screenshot()).toString("base64");
    await part("overlay").evaluate((node) => (node.style.visibility = ""));
    const frame = await part("page").boundingBox();
    assert.ok(frame);
    const found = await page.evaluate(async ({ screen, most }) => {
      const image = Object.assign(new Image(), { src: `data:image/png;base64,${screen}` });
      await image.decode();
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(image.width, image.height).getContext("2d"));
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, most);
      const bounds = { left: Infinity, top: Infinity, right: 0, bottom: 0 };
      for (let at = 0; at < data.length; at += 4) {
        if (/** @type {number} */ (data[at]) > 100 || data[at] !== data[at + 2]) continue;
        const [x, y] = [(at / 4) % image.width, Math.floor(at / 4 / image.width)];
        Object.assign(bounds, { left: Math.min(bounds.left, x), top: Math.min(bounds.top, y), right: Math.max(bounds.right, x + 1), bottom: Math.max(bounds.bottom, y + 1) });
      }
      return bounds;
    }, { screen, most: Math.floor((await part("turn").boundingBox())?.y ?? 0) - Math.ceil(frame.y) - 4 });
    const drawn = await rect.evaluate((node) => node.getBoundingClientRect().toJSON());
    for (const [side, start] of /** @type {const} */ ([["left", frame.x], ["top", frame.y], ["right", frame.x], ["bottom", frame.y]])) {
      assert.ok(Math.abs(found[side] + start - drawn[side]) <= 1, `${when}, ${side}: the mark is at ${found[side] + start}, the place at ${drawn[side]}`);
    }
  };
  const everywhere = async (/** @type {string} */ answer) => {
    for (let turn = 0; turn < 4; turn++) {
      await fits(`${answer}, turned ${turn} times`);
      await part("zoom").press("Enter");
      await fits(`${answer}, turned ${turn} times, zoomed`);
      await part("zoom").press("Enter");
      await part("turn").press("Enter");
    }
  };
  await everywhere("the first answer");
  await part("turn").click();
  await page.getByText("marked.png is rotated by 90 degrees clockwise, for the model too.").waitFor({ state: "attached" });
  await ask("echo:<ref>mark</ref><box>[[400, 100, 800, 250]]</box>", 2);
  await everywhere("an answer about the turned page");
  await answers.first().locator(".place").focus();
  await fits("the first answer again");
  await ask("?", 3);
  assert.match(await answers.nth(2).innerText(), /^Turn 3: the last of 1 pictures is 500 by 1000 pixels/);
  await page.reload();
  await part("earlier").getByRole("button", { name: /mark/ }).first().click();
  await timings.nth(2).waitFor();
  await answers.nth(1).locator(".place").focus();
  await fits("the second answer, after a reload");
  await menu("中文");
  assert.equal(await part("turn").innerText(), "旋转");
});

onPage("what the model sees is drawn, and follows the control", async ({ page, choose, part, ask }) => {
  await choose("page.png", png(800, 1130));
  assert.equal(await part("overlay").locator("line").count(), 0);
  await part("seen").click();
  const facts = () => part("seen-facts").innerText();
  assert.match(await facts(), /^2 × 3 tiles and the whole page once more · 1,792 tokens$/);
  assert.equal(await part("overlay").locator("line").count(), 3);
  await part("detail").fill("1");
  assert.match(await facts(), /^1 × 1 tile · 256 tokens/);
  assert.equal(await part("overlay").locator("line").count(), 0);
  await part("detail").fill("2");
  await ask("?", 1);
  assert.match(await part("timing").innerText(), /2 tiles/);
  assert.match(await facts(), / · about \d+ ms$/);
  await page.keyboard.press("Escape");
});

onPage("a screen reader hears a growing answer by sentences, at most one message in two seconds", async ({ page, choose, field, timings }) => {
  await page.evaluate(() => {
    const said = /** @type {[number, string][]} */ ([]);
    const node = document.querySelector("page-lens")?.shadowRoot?.querySelector("[role=status]");
    new MutationObserver(() => said.push([performance.now(), node?.textContent ?? ""])).observe(/** @type {Node} */ (node), { childList: true, characterData: true, subtree: true });
    Object.assign(globalThis, { said });
  });
  await choose();
  await field.fill(`slow echo:${Array.from({ length: 24 }, (_, at) => `Sentence ${at} is one of many.`).join(" ")}`);
  await field.press("Enter");
  await timings.waitFor();
  const said = /** @type {[number, string][]} */ (await page.evaluate(() => /** @type {any} */ (globalThis).said)).filter(([, text]) => /entence/.test(text));
  assert.ok(said.length >= 2, `${said.length} messages`);
  assert.match(said.map(([, text]) => text).join(""), /^Answer: Sentence 0.*Sentence 23 is one of many\.$/);
  for (let at = 1; at < said.length - 1; at++) assert.ok((said[at]?.[0] ?? 0) - (said[at - 1]?.[0] ?? 0) >= 1900, `message ${at} came too early`);
});
