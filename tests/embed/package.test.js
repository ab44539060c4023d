/** The package as it would be published, judged by the tools that judge packages; and the recipes, which are the fixtures. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { here, policy } from "./host.js";

const run = promisify(execFile);
const bin = (/** @type {string} */ name) => join(here, "node_modules/.bin", name);
const archive = join(here, "node_modules/pagelens.tgz");
const read = (/** @type {string} */ path) => readFile(join(here, path), "utf8");

test("publint finds nothing", async () => {
  const { stdout } = await run(bin("publint"), ["run", archive, "--strict"]);
  assert.match(stdout, /All good!/);
});

test("arethetypeswrong finds nothing, in a package of modules", async () => {
  // The two .wasm files are named for bundlers, and are no modules.
  const { stdout } = await run(bin("attw"), [archive, "--profile", "esm-only", "--exclude-entrypoints", "engine.wasm", "pdf.wasm", "--format", "json"]);
  const { analysis } = JSON.parse(stdout);
  assert.ok(Object.keys(analysis.entrypoints).length >= 7);
  const elsewhere = ["node10", "node16-cjs"]; // where there are no modules
  assert.deepEqual(analysis.problems.filter((/** @type {{ resolutionKind: string }} */ { resolutionKind }) => !elsewhere.includes(resolutionKind)), []);
});

for (const [module, moduleResolution] of /** @type {const} */ ([["esnext", "bundler"], ["nodenext", "nodenext"]])) {
  test(`tsc finds nothing in types/app.ts, strict, libraries checked too: ${moduleResolution}`, async () => {
    await run(join(here, "../../node_modules/.bin/tsc"), ["-p", join(here, "types"), "--module", module, "--moduleResolution", moduleResolution]).catch(({ stdout }) => assert.fail(stdout));
  });
}

test("importing every module in Node does nothing, and leaves nothing running", async () => {
  const names = ["pagelens", "pagelens/element", "pagelens/ai-sdk", "pagelens/prompt-api", "pagelens/trusted"];
  const script = `const before = Object.keys(globalThis); for (const name of ${JSON.stringify(names)}) await import(name); console.log(Object.keys(globalThis).length - before.length);`;
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: here, timeout: 30_000 });
  assert.deepEqual([stdout, stderr], ["0\n", ""]);
});

test("each recipe is a fixture, to the letter", async () => {
  const recipes = await read("README.md");
  const { scripts } = JSON.parse(await read("package.json"));
  const files = [...recipes.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)];
  for (const [, path = "", text] of files) assert.equal(text, await read(path), path);
  const commands = [...recipes.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text.replace(/ *\\\n */g, " ").replace(/^npx /, "").trim());
  assert.ok(recipes.includes(`\n${policy}\n`));
  const folders = ["plain", "vite", "webpack", "esbuild", "rollup", "next", "extension"];
  for (const folder of folders) {
    const [, command = ""] = /^cd \w+ && (.*)$/.exec(scripts[folder].replaceAll("../node_modules", "node_modules")) ?? [];
    assert.ok(commands.includes(command), `${folder}: ${command}`);
    assert.ok(files.some(([, path]) => path?.startsWith(`${folder}/`)), folder);
  }
});

test("embedding takes at most five lines of HTML, and there is enough to theme it by", async () => {
  const body = (await read("plain/index.html")).trim().split("\n");
  assert.ok(body.length <= 5, body.join("\n"));
  const { modules: [{ declarations: [{ cssParts, cssProperties }] }] } = JSON.parse(await read("../../custom-elements.json"));
  assert.ok(cssParts.length >= 15 && cssProperties.length >= 5, `${cssParts.length} parts, ${cssProperties.length} custom properties`);
});
