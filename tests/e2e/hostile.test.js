/**
 * Hostile answers make no request and run no script. Each of three lines holds alone: the nodes are built from an allow-list;
 * DOMPurify takes away what is not on its own; the page's policy stops what would be left.
 */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { html, markdown } from "./fixtures/hostile.js";
import { serve } from "./server.js";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let strict;
/** @type {Awaited<ReturnType<typeof serve>>} */ let lax;
/** Paths that were asked for at the address that no answer may reach. @type {string[]} */
const hits = [];
const listener = createServer((request, response) => {
  hits.push(request.url ?? "");
  response.end();
});
let address = "";

before(async () => {
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", () => resolve(undefined)));
  address = `127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (listener.address()).port}`;
  [browser, strict, lax] = await Promise.all([launch(), serve({ mock: true }), serve({ mock: true, strict: false })]);
});
after(async () => {
  await browser?.close();
  await Promise.all([strict?.close(), lax?.close()]);
  listener.closeAllConnections();
  listener.close();
});

/**
 * @param {string} name
 * @param {() => { url: string }} server
 * @param {string[]} answers
 * @param {string} show an async function of the page, from an answer and an empty node
 * @param {{ expected?: RegExp, touch?: boolean }} [options] what the console may say; whether all that can be clicked is
 */
function harmless(name, server, answers, show, { expected, touch = true } = {}) {
  test(`${answers.length} hostile answers: ${name}`, async () => {
    const { page, close } = await open(browser.context);
    try {
      page.on("dialog", (dialog) => {
        hits.push("dialog");
        void dialog.dismiss();
      });
      await page.goto(`${server().url}fixtures/blank.html`);
      const here = page.url();
      hits.length = 0;
      const shown = await page.evaluate(`(async (answers) => {
        const show = ${show};
        let shown = 0;
        for (const answer of answers) {
          const node = document.createElement("div");
          document.body.append(node);
          await show(answer, node);
          if (${touch}) for (const each of node.querySelectorAll("a, button, summary, input")) each.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
          shown += node.textContent.length > 0 ? 1 : 0;
          await new Promise((resolve) => setTimeout(resolve, 5));
          node.remove();
        }
        await new Promise((resolve) => setTimeout(resolve, 300));
        return shown;
      })(${JSON.stringify(answers.map((answer) => answer.replaceAll("HIT", address)))})`);
      assert.deepEqual(hits, []);
      assert.equal(await page.evaluate(() => "hacked" in globalThis), false, "no script ran");
      assert.equal(page.url(), here);
      assert.ok(Number(shown) > answers.length / 4, `${shown} of the answers show anything at all`);
      await close(expected);
    } finally {
      await page.close();
    }
  });
}

/** As they grow, piece by piece, and whole. @param {boolean} sanitiser */
const answer = (sanitiser) => `async (text, node) => {
  const { Answer } = await import("/markdown.js");
  const answer = new Answer(node, { sanitiser: ${sanitiser} });
  const step = Math.max(1, Math.ceil(text.length / 40));
  for (let end = step; end < text.length; end += step) answer.show(text.slice(0, end), false);
  answer.show(text, true);
  const whole = document.createElement("div");
  new Answer(whole, { sanitiser: ${sanitiser} }).show(text, true);
  if (whole.innerHTML !== node.innerHTML) throw new Error("it ends otherwise when it grows: " + text);
}`;
const raw = `(html, node) => { node.innerHTML = html + "x"; }`;
const sanitised = `async (html, node) => {
  const { sanitise } = await import("/markdown.js");
  const parsed = new DOMParser().parseFromString("<div>" + html + "x</div>", "text/html").body.firstElementChild;
  sanitise(parsed);
  node.append(parsed);
}`;

harmless("the list of nodes alone, without sanitiser and policy", () => lax, [...html, ...markdown], answer(false));
harmless("as they are shown", () => strict, [...html, ...markdown], answer(true));
harmless("the sanitiser alone", () => lax, html, sanitised);
// No policy stops a page from being left, so that nothing is clicked here, and nothing refreshes.
harmless("the policy alone", () => strict, html.filter((each) => !each.includes("refresh")), raw, { touch: false, expected: /./ });

test("the address that no answer may reach can be reached", async () => {
  const { page } = await open(browser.context);
  await page.goto(`${lax.url}fixtures/blank.html`);
  hits.length = 0;
  await page.evaluate((src) => new Promise((resolve) => Object.assign(new Image(), { src, onload: resolve, onerror: resolve })), `http://${address}/x`);
  await page.close();
  assert.deepEqual(hits, ["/x"]);
});
