/** The cut at stop strings, and imports outside a browser. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { StopText } from "../../www/stop.js";

/** @param {string[]} stops @param {string[]} pieces */
function run(stops, pieces) {
  const filter = new StopText(stops);
  const out = [];
  for (const piece of pieces) {
    const { text, hit } = filter.push(piece);
    out.push(text);
    if (hit) return { out, hit };
  }
  return { out: [...out, filter.flush()], hit: false };
}

for (const [name, stops, pieces, text, hit] of /** @type {[string, string[], string[], string, boolean][]} */ ([
  ["no stop strings", [], ["a", "b"], "ab", false],
  ["an empty one is ignored", [""], ["a", "b"], "ab", false],
  ["inside one piece", ["END"], ["some END more"], "some ", true],
  ["over three pieces", ["END"], ["some E", "N", "D more"], "some ", true],
  ["a beginning that comes to nothing", ["END"], ["some E", "N", "joy"], "some ENjoy", false],
  ["a beginning at the very end", ["END"], ["some EN"], "some EN", false],
  ["a false start right before", ["aab"], ["a", "a", "a", "b"], "a", true],
  ["the earliest of two", ["B", "A"], ["xAyB"], "x", true],
  ["of any script", ["。"], ["早上", "好。再见"], "早上好", true],
])) {
  test(`stop strings: ${name}`, () => {
    const result = run(stops, pieces);
    assert.equal(result.out.join(""), text);
    assert.equal(result.hit, hit);
  });
}

test("every way to cut a text into pieces stops at the same place", () => {
  const text = "ababcabcd";
  for (let cuts = 0; cuts < 2 ** (text.length - 1); cuts++) {
    const pieces = [...text].reduce((/** @type {string[]} */ all, letter, at) => (at > 0 && cuts & (1 << (at - 1)) ? [...all, letter] : [...all.slice(0, -1), (all.at(-1) ?? "") + letter]), []);
    assert.equal(run(["abcd", "bcx"], pieces).out.join(""), "ababc", pieces.join("|"));
  }
});

test("importing the modules outside a browser does nothing", async () => {
  const before = Object.keys(globalThis);
  const { createEngine, PageLensError } = await import("../../www/pagelens.js");
  const { PageLensElement } = await import("../../www/page-lens.js");
  assert.deepEqual(Object.keys(globalThis), before);
  assert.equal(typeof createEngine, "function");
  assert.equal(typeof PageLensElement, "function");
  assert.equal(new PageLensError("x", "y").code, "x");
});
