/**
 * Answers that are held to a JSON Schema: fifty of them, by a model that knows nothing, each held against the schema by another
 * reader (ajv); in the terminal, and in Chromium through the API, the adapters and on a locked page.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { launch, visit } from "./browser.js";
import { schemas } from "./schemas.js";
import { serve } from "./server.js";

/** @typedef {import("playwright-core").Page} Page */
/** The largest time one test may take, on a machine that is busy with other things. */
const timeout = 600_000;
/** Tiny random checkpoints: a vocabulary in bytes, and one of SentencePiece. */
const layouts = ["hf-qwen2-448", "original-internlm2-448"];
const golden = fileURLToPath(new URL("../golden/", import.meta.url));
const formats = {
  date: /^\d{4}-\d\d-\d\d$/,
  time: /^\d\d:\d\d:\d\d(\.\d+)?(z|[+-]\d\d:\d\d)$/i,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  ipv4: /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$/,
};

/** Fails where a text is not what its schema allows. @param {object} schema @param {string} text @param {string} where */
function held(schema, text, where) {
  const ajv = new Ajv2020({ strict: false, formats });
  assert.ok(ajv.validate(schema, JSON.parse(text)), `${where}: ${text} is not as ${JSON.stringify(schema)} wants it: ${ajv.errorsText()}`);
}

/** @type {Awaited<ReturnType<typeof launch>>} */ let cpu;
/** @type {Awaited<ReturnType<typeof launch>>} */ let gpu;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [cpu, gpu, server] = await Promise.all([launch(), launch({ webgpu: true }), serve()]);
});
after(async () => {
  await cpu?.close();
  await gpu?.close();
  await server?.close();
});

/**
 * The module that says which tokens may come, with a vocabulary.
 * @param {(string | Uint8Array)[]} words nothing for a special token
 * @param {number[]} stops
 * @returns {Promise<import("../../www/constraint.js").Vocabulary>}
 */
async function vocabulary(words, stops) {
  const file = new URL("../../www/schema/schema.js", import.meta.url);
  /** @type {import("../../www/constraint.js").SchemaModule} */
  const { default: start, Vocabulary } = await import(file.href);
  await start({ module_or_path: await WebAssembly.compile(await readFile(new URL("schema_bg.wasm", file))) });
  const bytes = words.map((word) => Buffer.from(word));
  return new Vocabulary(Buffer.concat(bytes), Uint32Array.from(bytes, ({ length }) => length), Uint32Array.from(stops));
}

/** The ids in a mask. @param {Uint32Array} mask */
const ids = (mask) => [...mask].flatMap((word, at) => Array.from({ length: 32 }, (_, bit) => (word >>> bit) & 1 ? at * 32 + bit : -1)).filter((id) => id >= 0);

test("a token may come where the schema allows it, a special one never, an end only after the whole", async () => {
  const words = ["", "{", "}", '{"a":', "1", "2", "x", "", " ", "}x"];
  const answer = (await vocabulary(words, [0, 7])).hold('{"type":"object","properties":{"a":{"enum":[1]}},"required":["a"],"additionalProperties":false}');
  const masks = [3, 4, 2].map((id) => {
    const mask = answer.allowed();
    answer.accept(id);
    return ids(mask);
  });
  assert.deepEqual([...masks, ids(answer.allowed())], [[1, 3], [4, 8], [2, 8], [0, 7]]);
});

test("a vocabulary that cannot write the answer, and a schema that cannot be followed, are named before any token", async () => {
  const refusals = [
    [["", "a", "1"], '{"type":"object"}', "schema-vocabulary", /could come after ""/],
    [["", "{", "}"], '{"type":"object","properties":{"a/b":{"type":"array","items":{"not":{}}}}}', "schema", /at #\/properties\/a~1b\/items: .*not/],
    [["", "{"], '{"$defs":{"p":{"type":"text"}},"anyOf":[{"$ref":"#/$defs/p"}]}', "schema", /Invalid type: text/],
    [["", "{"], '{"type":"integer","minimum":3,"maximum":2}', "schema", /at #: .*minimum/],
    [["", "{"], '{"$ref":"https://example.com/a.json"}', "schema", /at #: /],
    [["", "{"], '[1]', "schema", /at #: \[1\] is not an object/],
    [["", "{"], '{', "schema", /no JSON/],
  ];
  for (const [words, schema, code, message] of /** @type {[string[], string, string, RegExp][]} */ (refusals)) {
    const made = await vocabulary(words, [0]);
    assert.throws(() => made.hold(schema), (/** @type {any} */ error) => error.code === code && message.test(error.message) || assert.fail(`${schema}: ${error.code}: ${error.message}`));
  }
});

test("fifty schemas in the terminal, each answer held against its own by another reader", { timeout }, async () => {
  const program = process.env.PAGELENS_BIN ?? fileURLToPath(new URL("../../target/release/pagelens", import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "pagelens-schemas-"));
  const file = join(folder, "schema.json");
  let whole = 0;
  for (const [at, schema] of schemas.entries()) {
    await writeFile(file, JSON.stringify(schema));
    for (const layout of layouts) {
      const options = ["ask", "--model", join(golden, layout), "--device", "cpu", "--schema", file, "--temperature", "1", "--seed", String(at), "--max-tokens", "300", "--json", "Fields?"];
      const { text, stop_reason: stop } = JSON.parse((await promisify(execFile)(program, options)).stdout);
      if (stop === "stop") whole += 1;
      if (stop === "stop") held(schema, text, `schema ${at}, ${layout}`);
    }
  }
  console.log(`${whole} of ${schemas.length * layouts.length} answers came to their end`);
  assert.ok(whole >= 0.95 * schemas.length * layouts.length, `only ${whole} answers came to their end`);
  await writeFile(file, '{"type":"object","properties":{"a":{"not":{}}}}');
  const refused = await promisify(execFile)(program, ["ask", "--schema", file, "Fields?"]).catch((error) => error);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /schema\.json: the schema at #\/properties\/a: .*not/);
  await rm(folder, { recursive: true });
});

/**
 * @param {string} name
 * @param {(page: Page) => Promise<void>} body
 * @param {() => Awaited<ReturnType<typeof launch>>} [browser]
 */
function onBlank(name, body, browser = () => cpu) {
  const expected = /Failed to load resource/; // files that a checkpoint need not have
  test(name, { timeout }, () => visit(browser().context, `${server.url}fixtures/blank.html`, body, { fresh: true, expected }));
}

const module = () => server.log.filter(({ path }) => path === "/schema/schema_bg.wasm").length;

onBlank("fifty schemas in Chromium, by a module that is fetched with the first of them", async (page) => {
  server.log.length = 0;
  const first = await page.evaluate(async (model) => {
    const { createEngine } = await import(/** @type {string} */ ("/pagelens.js"));
    const engine = await createEngine({ model, device: "cpu" });
    const ask = async (/** @type {object} */ more) => {
      const { choices: [{ message, finish_reason }] } = await engine.chat.completions.create({ messages: [{ role: "user", content: "Fields?" }], temperature: 1, ...more });
      return { text: message.content, stop: finish_reason };
    };
    Object.assign(globalThis, { ask });
    return ask({ max_tokens: 4 });
  }, `/checkpoints/${layouts[0]}/`);
  assert.equal(first.stop, "length");
  assert.equal(module(), 0);
  const answers = await page.evaluate(async (schemas) => {
    const { ask } = /** @type {any} */ (globalThis);
    const answers = [];
    for (const [seed, schema] of schemas.entries()) answers.push(await ask({ seed, max_tokens: 300, response_format: { type: "json_schema", json_schema: { name: "fields", strict: true, schema } } }));
    const object = await ask({ response_format: { type: "json_object" }, max_tokens: 1 });
    const refused = await ask({ response_format: { type: "json_schema", json_schema: { schema: { type: "object", properties: { a: { not: {} } } } } } }).catch((/** @type {any} */ { code, message }) => ({ code, message }));
    return { answers, object, refused, after: await ask({ max_tokens: 2 }) };
  }, schemas);
  assert.equal(module(), 1);
  for (const [at, { text, stop }] of answers.answers.entries()) if (stop === "stop") held(schemas[at], text, `schema ${at}`);
  const whole = answers.answers.filter(({ stop }) => stop === "stop").length;
  console.log(`${whole} of ${schemas.length} answers came to their end`);
  assert.ok(whole >= 0.95 * schemas.length, `only ${whole} answers came to their end`);
  assert.equal(answers.object.stop, "length");
  assert.match(answers.object.text, /^\{/);
  assert.equal(answers.refused.code, "schema");
  assert.match(answers.refused.message, /#\/properties\/a: .*not/);
  assert.equal(answers.after.stop, "length"); // the engine goes on
});

const invoice = { type: "object", properties: { number: { type: "string", pattern: "^[0-9]{4}$" }, 已付: { type: "boolean" } }, required: ["number", "已付"], additionalProperties: false };

onBlank("the AI SDK's response format and the Prompt API's constraint, on a GPU", async (page) => {
  const { sdk, warnings, streamed, prompted } = await page.evaluate(async ({ model, schema }) => {
    const options = { model, device: "gpu" };
    const { createPageLens } = await import(/** @type {string} */ ("/ai-sdk.js"));
    const pagelens = createPageLens(options);
    const call = { prompt: [{ role: "user", content: [{ type: "text", text: "Fields?" }] }], temperature: 1, seed: 3, responseFormat: { type: "json", schema, name: "invoice" } };
    const { content, warnings } = await pagelens().doGenerate(call);
    let streamed = "";
    for await (const part of (await pagelens().doStream(call)).stream) if (part.type === "text-delta") streamed += part.delta;
    await pagelens.dispose();
    const { languageModel } = await import(/** @type {string} */ ("/prompt-api.js"));
    const session = await languageModel(options).create({ temperature: 1 });
    return { sdk: content[0].text, warnings, streamed, prompted: await session.prompt("Fields?", { responseConstraint: schema }) };
  }, { model: `/checkpoints/${layouts[0]}/`, schema: invoice });
  for (const [name, text] of Object.entries({ sdk, streamed, prompted })) held(invoice, text, name);
  assert.deepEqual(warnings, []);
  assert.equal(streamed, sdk);
}, () => gpu);

onBlank("on a locked page the module is there before the lock, and nothing is requested after it", async (page) => {
  server.log.length = 0;
  await page.evaluate(async (model) => {
    const { createEngine, lock } = await import(/** @type {string} */ ("/pagelens.js"));
    Object.assign(globalThis, { lock, engine: await createEngine({ model, device: "cpu", lock: true }) });
  }, `/checkpoints/${layouts[1]}/`);
  assert.equal(module(), 1);
  server.log.length = 0;
  const { text, locked } = await page.evaluate(async (schema) => {
    const { lock, engine } = /** @type {any} */ (globalThis);
    const { choices } = await engine.chat.completions.create({ messages: [{ role: "user", content: "Fields?" }], temperature: 1, seed: 5, response_format: { type: "json_schema", json_schema: { schema } } });
    return { text: choices[0].message.content, locked: lock.locked };
  }, invoice);
  held(invoice, text, "locked");
  assert.deepEqual(server.log, []);
  assert.equal(locked, true);
});
