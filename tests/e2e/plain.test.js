/** What the page works out without a browser: places in answers, lists of pages, grids of tiles. */

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { placeAt, settled } from "../../www/boxes.js";
import { formatPages, parsePages } from "../../www/pages.js";
import { keyOf, place } from "../../www/sources.js";
import { plan } from "../../www/tiles.js";
import { turnedBox } from "../../www/turned.js";
import { wordsOf } from "../../www/words.js";

const total = "<ref>total</ref><box>[[100, 200, 300, 400]]</box>";

test("a model is named in one of four ways, and its name in the cache names it again", () => {
  const host = "https://huggingface.co";
  const named = /** @type {[string, object][]} */ ([
    ["a/b", { kind: "repository", host, id: "a/b", revision: "main" }],
    ["a/b@v1", { kind: "repository", host, id: "a/b", revision: "v1" }],
    [`${host}/a/b/tree/v1`, { kind: "repository", host, id: "a/b", revision: "v1" }],
    ["a/b@v1/m-Q8_0.gguf", { kind: "repository", host, id: "a/b", revision: "v1", gguf: { model: "m-Q8_0.gguf", mmproj: undefined } }],
    ["a/b/m%20n.gguf", { kind: "repository", host, id: "a/b", revision: "main", gguf: { model: "m n.gguf", mmproj: undefined } }],
    [`${host}/a/b/blob/main/m.gguf`, { kind: "repository", host, id: "a/b", revision: "main", gguf: { model: "m.gguf", mmproj: undefined } }],
    ["https://x.org/y/", { kind: "url", url: "https://x.org/y/" }],
    ["https://x.org/y/m%20n.gguf#mmproj=p.gguf", { kind: "url", url: "https://x.org/y/", gguf: { model: "m n.gguf", mmproj: "p.gguf" } }],
  ]);
  for (const [model, where] of named) {
    assert.deepEqual(place(model), where);
    const key = keyOf(place(model)).replace(`${host}/`, "");
    assert.deepEqual(place(key), where, key);
  }
  assert.throws(() => place("a/b@../c"), { code: "model-name" });
});

test("places: with words, without, bare, several, fractions, turned around, beyond the page", () => {
  const box = { left: 0.1, top: 0.2, right: 0.3, bottom: 0.4 };
  assert.deepEqual(placeAt(total, 0), { label: "total", boxes: [box], length: total.length });
  assert.deepEqual(placeAt("<box>[[300,400,100,200]]</box>", 0)?.boxes, [box]);
  assert.deepEqual(placeAt("x [[100, 200, 300, 400], [0, 0, 1, 5000]]", 2)?.boxes, [box, { left: 0, top: 0, right: 0.001, bottom: 1 }]);
  assert.deepEqual(placeAt("[[0.1, 0.2, 0.3, 0.4]]", 0)?.boxes, [box]);
  assert.deepEqual(placeAt("<ref>total</ref> is", 0), { label: "total", boxes: [], length: 16 });
  for (const none of ["total", "[[1, 2, 3]]", "[[a, b, c, d]]", "<box>[[1,2,3,4]]", "<b>x</b>", "[1, 2, 3, 4]"]) assert.equal(placeAt(none, 0), null, none);
});

test("places on a page that is turned, by quarters clockwise", () => {
  const quarters = (/** @type {number} */ count) => Object.values(turnedBox({ left: 0, top: 0.25, right: 0.5, bottom: 1 }, count));
  assert.deepEqual([0, 1, 2, 3, 4].map(quarters), [[0, 0.25, 0.5, 1], [0, 0, 0.75, 0.5], [0.5, 0, 1, 0.75], [0.25, 0.5, 1, 1], [0, 0.25, 0.5, 1]]);
});

test("an answer that grows never shows half a place, and always shows what is not one", () => {
  const text = `See ${total} and [[1, 2, 3, 4]] here.`;
  for (let end = 0; end <= text.length; end++) {
    const shown = settled(text.slice(0, end));
    assert.ok(text.startsWith(shown));
    assert.doesNotMatch(shown.replaceAll(total, "").replaceAll("[[1, 2, 3, 4]]", ""), /[<[]|ref|box/, shown);
  }
  for (const plain of ["", "a < b", "a [1]", "5 <", "x <y> z", "[[1, 2, 3, 4]]", `${total}`]) assert.equal(settled(`${plain} .`), `${plain} .`);
  assert.equal(settled(total), total);
});

test("lists of pages", () => {
  assert.deepEqual(parsePages("1-3,7", 9), [1, 2, 3, 7]);
  assert.deepEqual(parsePages(" 7 , 2–3，2", 9), [2, 3, 7]);
  assert.deepEqual(parsePages("", 9), []);
  for (const wrong of ["0", "10", "3-1", "a", "1-", "-1", "1.5", "1--3"]) assert.equal(parsePages(wrong, 9), null, wrong);
  for (const text of ["1", "1-3,7", "2,4,6-8"]) assert.equal(formatPages(parsePages(text, 9) ?? []), text);
});

test("grids are those of the engine's own tests", async () => {
  const source = await readFile(new URL("../tiler.rs", import.meta.url), "utf8");
  const limits = /const LIMITS: [^=]*= \[([^\]]*)\]/.exec(source)?.[1]?.split(",").map(Number) ?? [];
  const lines = [...source.matchAll(/^ {4}\((\d+), (\d+),\s+\[((?:\(\d+, \d+\)(?:, )?)+)\]\),$/gm)];
  assert.ok(limits.length > 3 && lines.length > 10, `${limits.length} limits, ${lines.length} sizes`);
  for (const [, width, height, grids] of lines) {
    for (const [at, [, cols, rows]] of [...(grids ?? "").matchAll(/\((\d+), (\d+)\)/g)].entries()) {
      const got = plan(Number(width), Number(height), limits[at] ?? 0, 448);
      assert.deepEqual([got.cols, got.rows], [Number(cols), Number(rows)], `${width} x ${height}, at most ${limits[at]}`);
    }
  }
  assert.equal(plan(800, 1300, 12, 448).tokens, 7 * 256);
  assert.equal(plan(10, 10, 12, 448).thumbnail, false);
});

test("every string is used, in both languages", async () => {
  const folder = new URL("../../www/", import.meta.url);
  const files = (await readdir(folder)).filter((name) => /\.(js|html)$/.test(name));
  const source = (await Promise.all(files.map((name) => readFile(new URL(name, folder), "utf8")))).join("\n");
  for (const language of /** @type {const} */ (["en", "zh"])) {
    for (const key of Object.keys(wordsOf(language))) assert.match(source, new RegExp(`words\\.${key}\\b|data-(words|label)="${key}"`), key);
  }
});
