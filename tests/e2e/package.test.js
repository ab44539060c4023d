/** What the npm package says of itself is what it is. */

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const read = (/** @type {string} */ path) => readFile(new URL(path, root), "utf8");

test("every export can be imported outside a browser, and does nothing there", async () => {
  const before = Object.keys(globalThis);
  const [engine, element, sdk] = await Promise.all(["pagelens", "pagelens/element", "pagelens/ai-sdk", "pagelens/prompt-api"].map((name) => import(name)));
  assert.deepEqual(Object.keys(globalThis), before);
  assert.equal(typeof engine.createEngine, "function");
  assert.equal(typeof element.PageLensElement, "function");
  const model = sdk.createPageLens({ model: "/models/tiny/" })();
  assert.deepEqual([model.specificationVersion, model.provider, model.modelId], ["v4", "pagelens", "/models/tiny/"]);
});

test("custom-elements.json lists the attributes, events, parts and properties that there are", async () => {
  const { modules: [{ declarations: [declared] }] } = JSON.parse(await read("custom-elements.json"));
  const names = (/** @type {{ name: string }[]} */ list) => list.map(({ name }) => name).sort();
  const files = (await readdir(new URL("www/", root))).filter((name) => name.startsWith("page-lens") && name.endsWith(".js"));
  const source = (await Promise.all(files.map((name) => read(`www/${name}`)))).join("\n");
  const all = (/** @type {RegExp} */ pattern) => [...new Set([...source.matchAll(pattern)].map(([, name]) => name ?? ""))].sort();

  const icons = all(/#act\("([a-z]+)"/g);
  const copies = all(/#copy\("([a-z-]+)"/g);
  assert.deepEqual(names(declared.cssParts), [...all(/part: "([a-z-]+)"/g), ...icons, ...copies].sort());
  assert.deepEqual(names(declared.cssProperties), all(/(--page-lens-[a-z-]+)/g));
  assert.deepEqual(names(declared.slots), all(/h\("slot", \{ name: "([a-z]+)"/g));
  assert.deepEqual(names(declared.events), all(/#tell\("([a-z]+)"/g));
  assert.deepEqual(names(declared.attributes), [...new Set([...all(/(?:getAttribute|hasAttribute|#number)\("([a-z-]+)"/g)])].sort());
  const { PageLensElement } = await import(new URL("www/page-lens.js", root).href);
  for (const { name, kind } of declared.members) if (kind === "method") assert.equal(typeof PageLensElement.prototype[name], "function", name);
});
