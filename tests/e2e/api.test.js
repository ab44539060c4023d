/** pagelens.js in a browser, in front of a mock engine: shapes, queue, aborts, errors, and a worker that dies. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { serve, shardBytes } from "./server.js";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * A test whose body runs in a fresh page with the module and some helpers at hand; what it returns is checked here.
 * @param {string} name
 * @param {(kit: any, settings: any) => unknown} body runs in the page, so it sees nothing from here
 * @param {(result: any, log: import("./server.js").Log) => void} check
 * @param {{ server?: Parameters<typeof serve>[0], expected?: RegExp }} [options]
 */
function inPage(name, body, check, options = {}) {
  test(name, async () => {
    const own = options.server ? await serve({ mock: true, ...options.server }) : server;
    const { page, close } = await open(browser.context);
    try {
      own.log.length = 0;
      await page.goto(`${own.url}fixtures/blank.html`);
      await page.evaluate(async () => {
        const module = await import(/** @type {string} */ ("/pagelens.js"));
        const canvas = (/** @type {number} */ width, /** @type {number} */ height) => {
          const node = Object.assign(document.createElement("canvas"), { width, height });
          node.getContext("2d")?.fillRect(0, 0, width / 2, height / 2);
          return node;
        };
        const kit = {
          ...module,
          canvas,
          engine: (/** @type {object} */ more) => module.createEngine({ model: "/models/tiny/", cache: false, ...more }),
          user: (/** @type {string} */ text, /** @type {unknown} */ image = canvas(30, 20)) => [{ role: "user", content: [{ type: "image", image }, { type: "text", text }] }],
          collect: async (/** @type {AsyncIterable<any>} */ stream) => {
            const chunks = [];
            for await (const chunk of stream) chunks.push(chunk);
            return chunks;
          },
          caught: async (/** @type {Promise<unknown>} */ promise) => promise.then(() => null, (error) => ({ name: error.name, code: error.code, message: error.message, ours: error instanceof module.PageLensError })),
          wait: (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        };
        Object.assign(globalThis, { kit });
      });
      const result = await page.evaluate(`(${body})(kit)`);
      check(result, own.log);
      await close(options.expected);
    } finally {
      await page.close();
      if (own !== server) await own.close();
    }
  });
}

inPage(
  "a streamed answer has the shape of OpenAI's chunks, with usage on the last",
  async ({ engine, user, collect }) => {
    const it = await engine();
    const stream = await it.chat.completions.create({ messages: user("What is it?"), stream: true });
    return { info: it.info, chunks: await collect(stream) };
  },
  ({ info, chunks }) => {
    assert.deepEqual(info, { model: "mock", device: "cpu", adapter: "", max_tiles: 12, image_size: 448, context: 4096, fit: { verdict: "fits", vision: 1, language: 1 }, heap: 0 });
    assert.equal(new Set(chunks.map((/** @type {any} */ chunk) => chunk.id)).size, 1);
    for (const chunk of chunks) {
      assert.equal(chunk.object, "chat.completion.chunk");
      assert.equal(chunk.model, "mock");
      assert.ok(Number.isInteger(chunk.created));
      assert.equal(chunk.choices.length, 1);
    }
    const [first, ...rest] = chunks;
    const last = rest.pop();
    assert.deepEqual(first.choices[0], { index: 0, delta: { role: "assistant", content: "" }, finish_reason: null });
    assert.equal(rest.length, 12);
    assert.equal(rest.map((/** @type {any} */ chunk) => chunk.choices[0].delta.content).join(""), "Turn 1: the last of 1 pictures is 30 by 20 pixels.");
    assert.deepEqual(last.choices[0], { index: 0, delta: {}, finish_reason: "stop" });
    assert.deepEqual(last.usage, { prompt_tokens: 267, image_tokens: 256, completion_tokens: 12, total_tokens: 279, ttft_ms: 12.5, tokens_per_s: 80, tiles: [1] });
  },
);

inPage(
  "a whole answer, cut at max_tokens, and a stream without usage",
  async ({ engine, user, collect }) => {
    const it = await engine();
    const whole = await it.chat.completions.create({ messages: user("?"), max_tokens: 3, temperature: 0, top_p: 1, top_k: 0, seed: 7, repetition_penalty: 1, max_tiles: 1, model: "any" });
    const bare = await collect(await it.chat.completions.create({ messages: user("?"), stream: true, stream_options: { include_usage: false } }));
    return { whole, usages: bare.filter((/** @type {any} */ chunk) => "usage" in chunk).length };
  },
  ({ whole, usages }) => {
    assert.equal(whole.object, "chat.completion");
    assert.deepEqual(whole.choices, [{ index: 0, message: { role: "assistant", content: "Turn 1: the " }, finish_reason: "length" }]);
    assert.equal(whole.usage.completion_tokens, 3);
    assert.equal(usages, 0);
  },
);

inPage(
  "every kind of picture arrives, and the caller's bytes stay the caller's",
  async ({ engine, user, canvas }) => {
    const it = await engine();
    const drawn = canvas(70, 50);
    const blob = await new Promise((resolve) => drawn.toBlob(resolve));
    const buffer = await blob.arrayBuffer();
    const padded = new Uint8Array(buffer.byteLength + 9);
    padded.set(new Uint8Array(buffer), 5);
    const off = new OffscreenCanvas(70, 50);
    off.getContext("2d");
    const answers = [];
    for (const image of [blob, buffer, padded.subarray(5, 5 + buffer.byteLength), drawn, off, drawn.getContext("2d").getImageData(0, 0, 70, 50), await createImageBitmap(drawn)]) {
      answers.push((await it.chat.completions.create({ messages: user("?", image) })).choices[0].message.content);
    }
    const object = URL.createObjectURL(blob);
    for (const url of [drawn.toDataURL(), object]) {
      answers.push((await it.chat.completions.create({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url, detail: "auto" } }, { type: "text", text: "?" }] }] })).choices[0].message.content);
    }
    return { answers, left: buffer.byteLength, padded: padded.byteLength > 0 };
  },
  ({ answers, left, padded }) => {
    assert.deepEqual([...new Set(answers)], ["Turn 1: the last of 1 pictures is 70 by 50 pixels."]);
    assert.equal(answers.length, 9);
    assert.ok(left > 0 && padded);
  },
);

inPage(
  "a conversation of two turns with two pictures",
  async ({ engine, user, canvas }) => {
    const it = await engine();
    const messages = [{ role: "system", content: "Be brief." }, ...user("?", canvas(10, 10)), { role: "assistant", content: "Ten." }, ...user("And?", canvas(500, 20))];
    return it.chat.completions.create({ messages });
  },
  ({ choices, usage }) => {
    assert.equal(choices[0].message.content, "Turn 2: the last of 2 pictures is 500 by 20 pixels.");
    assert.deepEqual(usage.tiles, [1, 2]);
  },
);

inPage(
  "pictures on the network are refused, without a request",
  async ({ engine, caught }) => {
    const it = await engine();
    const at = (/** @type {string} */ url) => caught(it.chat.completions.create({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] }));
    return [await at("https://example.com/scan.png"), await at("http://127.0.0.1/scan.png"), await at("/icon.svg"), await at("data:image/png"), await at("data:image/png;base64,*"), await at("blob:null/none")];
  },
  (errors, log) => {
    assert.deepEqual(errors.map((/** @type {any} */ error) => error.code), ["remote-image", "remote-image", "remote-image", "image-source", "image-source", "image-source"]);
    assert.match(errors[0].message, /nothing about them leaves this machine/);
    assert.ok(errors.every((/** @type {any} */ error) => error.ours && error.name === "PageLensError"));
    assert.ok(log.every(({ path }) => path !== "/icon.svg"));
  },
  { expected: /blob:null\/none/ },
);

inPage(
  "what is not understood is refused by name",
  async ({ engine, user, caught, createEngine }) => {
    const it = await engine();
    const text = [{ role: "user", content: "Hello" }];
    const requests = [
      { messages: text, n: 2 }, { messages: text, response_format: { type: "xml" } }, { messages: [] }, {}, { messages: [{ role: "tool", content: "x" }] },
      { messages: [{ role: "user", content: 5 }] }, { messages: [{ role: "user", content: [{ type: "audio" }] }] }, { messages: [{ role: "user", content: [{ type: "text" }] }] },
      { messages: [{ role: "assistant", content: [{ type: "image", image: new Blob() }] }] }, { messages: user("?", "a string") }, { messages: user("?", null) },
      { messages: text, max_tokens: 0 }, { messages: text, max_tokens: 1.5 }, { messages: text, temperature: -1 }, { messages: text, temperature: NaN }, { messages: text, top_p: 0 },
      { messages: text, seed: "7" }, { messages: text, max_tiles: 0 }, { messages: text, stop: [5] }, { messages: text, response_format: { type: "json_schema", json_schema: { name: "a" } } }, { messages: [...text, { role: "assistant", content: "Yes" }] },
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:,", detail: "low" } }] }] }, { messages: [{ role: "user", content: [{ type: "image_url" }] }] },
    ];
    const errors = [];
    for (const request of requests) errors.push(await caught(it.chat.completions.create(request)));
    for (const options of [undefined, {}, { model: "" }, { model: "/models/tiny/", device: "npu" }]) errors.push(await caught(createEngine(options)));
    return errors;
  },
  (errors) => {
    assert.equal(errors.length, 27);
    for (const [at, error] of errors.entries()) assert.equal(error?.code, "invalid-request", `request ${at}: ${JSON.stringify(error)}`);
    assert.match(errors[0].message, /“n”/);
    assert.match(errors[11].message, /max_tokens is 0; it must be a whole number from 1/);
    assert.match(errors[16].message, /seed is 7/);
  },
);

inPage(
  "calls are answered one at a time, in the order they were made",
  async ({ engine, user, canvas, collect }) => {
    const it = await engine();
    const order = /** @type {string[]} */ ([]);
    const ask = async (/** @type {string} */ name, /** @type {number} */ width) => {
      const stream = await it.chat.completions.create({ messages: user("slow", canvas(width, 10)), stream: true, max_tokens: 4, onProgress: () => order.push(`${name}+`) });
      const chunks = await collect(stream);
      order.push(`${name}.`);
      return chunks.length;
    };
    const counts = await Promise.all([ask("a", 10), ask("b", 20), ask("c", 30)]);
    return { counts, order: order.join("").replaceAll(/(.\+)+/g, "$1") };
  },
  ({ counts, order }) => {
    assert.deepEqual(counts, [6, 6, 6]);
    assert.equal(order, "a+a.b+b.c+c.");
  },
);

inPage(
  "an abort ends a running answer after what has been said, and the next call works",
  async ({ engine, user, caught }) => {
    const it = await engine();
    const abort = new AbortController();
    const stream = await it.chat.completions.create({ messages: user("slow and long"), stream: true, signal: abort.signal });
    let text = "";
    const error = await caught((async () => {
      for await (const chunk of stream) {
        text += chunk.choices[0].delta.content ?? "";
        if (text.includes("last")) abort.abort();
      }
    })());
    const next = await it.chat.completions.create({ messages: user("?") });
    const whole = new AbortController();
    setTimeout(() => whole.abort(), 100);
    const second = await caught(it.chat.completions.create({ messages: user("slow and long"), signal: whole.signal }));
    return { text, error, second, next: next.choices[0].message.content, after: (await stream.next()).done };
  },
  ({ text, error, second, next, after }, log) => {
    assert.match(text, /^Turn 1: the last/);
    assert.equal(error.name, "AbortError");
    assert.equal(second.name, "AbortError");
    assert.equal(next, "Turn 1: the last of 1 pictures is 30 by 20 pixels.");
    assert.equal(after, true);
    assert.equal(log.filter(({ path }) => path === "/worker.js").length, 1, "the worker lived on");
  },
);

inPage(
  "an abort before the first token, of a waiting call, and of one that has not begun",
  async ({ engine, user, canvas, caught, wait }) => {
    const it = await engine();
    const prefill = new AbortController();
    const waiting = new AbortController();
    const running = it.chat.completions.create({ messages: user("slow", canvas(4000, 400)), signal: prefill.signal });
    const queued = it.chat.completions.create({ messages: user("?"), signal: waiting.signal });
    await wait(60);
    waiting.abort();
    const second = await caught(queued);
    const began = performance.now();
    prefill.abort();
    const first = await caught(running);
    const took = performance.now() - began;
    const third = await caught(it.chat.completions.create({ messages: user("?"), signal: AbortSignal.abort() }));
    const next = await it.chat.completions.create({ messages: user("?") });
    return { names: [first?.name, second?.name, third?.name], took, next: next.choices[0].finish_reason };
  },
  ({ names, took, next }) => {
    assert.deepEqual(names, ["AbortError", "AbortError", "AbortError"]);
    assert.ok(took < 250, `${took} ms`);
    assert.equal(next, "stop");
  },
);

inPage(
  "leaving the loop stops the answer",
  async ({ engine, user }) => {
    const it = await engine();
    const seen = [];
    for await (const chunk of await it.chat.completions.create({ messages: user("slow and long"), stream: true })) {
      seen.push(chunk);
      if (seen.length === 3) break;
    }
    const next = await it.chat.completions.create({ messages: user("?") });
    return { count: seen.length, reason: next.choices[0].finish_reason };
  },
  ({ count, reason }) => {
    assert.equal(count, 3);
    assert.equal(reason, "stop"); // it would wait for ever behind an answer that goes on
  },
);

inPage(
  "the AI SDK's model: an answer, a stream, a warning, an abort, a picture on the network, a PDF",
  async ({ caught, collect, canvas }) => {
    const { createPageLens } = await import(/** @type {string} */ ("/ai-sdk.js"));
    const pagelens = createPageLens({ model: "/models/tiny/" });
    const model = pagelens();
    const png = new Uint8Array(await (await new Promise((resolve) => canvas(30, 20).toBlob(resolve))).arrayBuffer());
    const file = (/** @type {object} */ data, mediaType = "image/png") => [{ role: "system", content: "Be brief." }, { role: "user", content: [{ type: "file", mediaType, data }, { type: "text", text: "slow?" }] }];
    const prompt = file({ type: "data", data: png });
    const whole = await model.doGenerate({ prompt, maxOutputTokens: 3, frequencyPenalty: 1 });
    const parts = await collect((await model.doStream({ prompt: file({ type: "data", data: btoa(String.fromCharCode(...png)) }) })).stream);
    const remote = await caught(model.doGenerate({ prompt: file({ type: "url", url: new URL("https://example.com/x.png") }) }));
    const aborted = await caught(model.doGenerate({ prompt, abortSignal: AbortSignal.timeout(100) }));
    const damaged = await caught(model.doGenerate({ prompt: file({ type: "data", data: new Uint8Array([1, 2, 3]) }, "application/pdf") }));
    await pagelens.dispose();
    return { whole, parts, codes: [remote.code, aborted.name, damaged.code] };
  },
  ({ whole, parts, codes }) => {
    assert.deepEqual(whole.content, [{ type: "text", text: "Turn 1: the " }]);
    assert.deepEqual(whole.finishReason, { unified: "length", raw: "length" });
    assert.deepEqual(whole.warnings, [{ type: "unsupported", feature: "frequencyPenalty" }]);
    assert.equal(whole.usage.outputTokens.total, 3);
    assert.deepEqual([...new Set(parts.map((/** @type {any} */ { type }) => type))], ["stream-start", "text-start", "text-delta", "text-end", "finish"]);
    assert.equal(parts.map((/** @type {any} */ { delta }) => delta ?? "").join(""), "Turn 1: the last of 1 pictures is 30 by 20 pixels.");
    assert.equal(parts.at(-1).finishReason.unified, "stop");
    assert.deepEqual(codes, ["remote-image", "AbortError", "pdf-damaged"]);
  },
);

inPage(
  "the Prompt API's shape: availability, progress, images, a session that goes on, a clone, an abort, what is refused",
  async ({ caught, collect, canvas }) => {
    const { languageModel } = await import(/** @type {string} */ ("/prompt-api.js"));
    const LanguageModel = languageModel({ model: "/models/tiny/" });
    const before = [await LanguageModel.availability({ expectedInputs: [{ type: "image" }] }), await LanguageModel.availability({ expectedInputs: [{ type: "audio" }] })];
    const loaded = /** @type {number[]} */ ([]);
    const session = await LanguageModel.create({
      initialPrompts: [{ role: "system", content: "Be brief." }],
      monitor: (/** @type {EventTarget} */ monitor) => monitor.addEventListener("downloadprogress", (/** @type {any} */ event) => loaded.push(event.loaded)),
    });
    const image = { type: "image", value: canvas(30, 20) };
    const first = await session.prompt([{ role: "user", content: [image, { type: "text", value: "What is it?" }] }]);
    const other = await session.clone();
    await session.append([{ role: "user", content: "A hint." }, { role: "assistant", content: "I see." }]);
    const second = (await collect(session.promptStreaming("And now?"))).join("");
    const third = await other.prompt("And here?");
    const aborted = await caught(other.prompt("slow and long", { signal: AbortSignal.timeout(100) }));
    const refused = [await caught(session.prompt("?", { responseConstraint: /a/ })), await caught(session.prompt([{ role: "user", content: [{ type: "audio", value: 1 }] }])), await caught(LanguageModel.create({ tools: [{}] }))];
    other.destroy();
    refused.push(await caught(other.prompt("?")));
    return { before, after: await LanguageModel.availability(), last: loaded.at(-1), answers: [first, second, third], aborted: aborted.name, refused: refused.map((error) => error?.name), usage: session.contextUsage, window: session.contextWindow, global: "LanguageModel" in globalThis && globalThis.LanguageModel === LanguageModel };
  },
  ({ before, after, last, answers, aborted, refused, usage, window, global }) => {
    assert.deepEqual(before, ["downloadable", "unavailable"]);
    assert.equal(after, "available");
    assert.equal(last, 1);
    assert.deepEqual(answers, ["Turn 1: the last of 1 pictures is 30 by 20 pixels.", "Turn 3: the last of 1 pictures is 30 by 20 pixels.", "Turn 2: the last of 1 pictures is 30 by 20 pixels."]);
    assert.equal(aborted, "AbortError");
    assert.deepEqual(refused, ["NotSupportedError", "NotSupportedError", "NotSupportedError", "InvalidStateError"]);
    assert.ok(usage > 256 && window === 4096);
    assert.equal(global, false);
  },
);

inPage(
  "stop strings end the answer and are not part of it",
  async ({ engine, user }) => {
    const it = await engine();
    const one = await it.chat.completions.create({ messages: user("?"), stop: "last of" });
    const two = await it.chat.completions.create({ messages: user("?"), stop: ["never", "pixels."] });
    return [one, two].map(({ choices }) => [choices[0].message.content, choices[0].finish_reason]);
  },
  (answers) => assert.deepEqual(answers, [["Turn 1: the ", "stop"], ["Turn 1: the last of 1 pictures is 30 by 20 ", "stop"]]),
);

inPage(
  "typed errors of the engine come across, and the worker lives on",
  async ({ engine, user, caught }) => {
    const it = await engine();
    const broken = await caught(it.chat.completions.create({ messages: user("?", new Blob(["no picture"])) }));
    const typed = await caught(it.chat.completions.create({ messages: user("decode"), stream: true }).then((/** @type {any} */ stream) => stream.next().then(() => stream.next())));
    const next = await it.chat.completions.create({ messages: user("?") });
    return { broken, typed, next: next.choices[0].finish_reason };
  },
  ({ broken, typed, next }, log) => {
    assert.equal(broken.code, "image-decode");
    assert.equal(typed.code, "image-decode");
    assert.ok(broken.ours && typed.ours);
    assert.equal(next, "stop");
    assert.equal(log.filter(({ path }) => path === "/worker.js").length, 1);
  },
);

inPage(
  "a worker that dies fails its call with a typed error, and the next call starts another",
  async ({ engine, user, caught }) => {
    const phases = /** @type {string[]} */ ([]);
    const it = await engine({ onProgress: ({ phase }) => phases.push(phase) });
    const loads = phases.length;
    const stream = await it.chat.completions.create({ messages: user("crash"), stream: true });
    const queued = it.chat.completions.create({ messages: user("?") });
    let text = "";
    const error = await caught((async () => {
      for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
    })());
    const next = await queued;
    return { text, error, next: next.choices[0].message.content, again: phases.length > loads };
  },
  ({ text, error, next, again }, log) => {
    assert.equal(text, "Turn 1: ");
    assert.equal(error.code, "engine-crashed");
    assert.ok(error.ours);
    assert.match(error.message, /unreachable/);
    assert.equal(next, "Turn 1: the last of 1 pictures is 30 by 20 pixels.");
    assert.ok(again, "the second loading is reported too");
    assert.equal(log.filter(({ path }) => path === "/worker.js").length, 2);
  },
);

inPage(
  "a trap in a task of the engine's own is a death too",
  async ({ engine, user, caught }) => {
    const it = await engine();
    const error = await caught(it.chat.completions.create({ messages: user("lost") }));
    const next = await it.chat.completions.create({ messages: user("?") });
    return { error, next: next.choices[0].finish_reason };
  },
  ({ error, next }) => {
    assert.equal(error.code, "engine-crashed");
    assert.equal(next, "stop");
  },
);

inPage(
  "an abort while a dead worker is being replaced",
  async ({ engine, user, caught, wait }) => {
    const it = await engine();
    await caught(it.chat.completions.create({ messages: user("crash") }));
    const abort = new AbortController();
    const respawning = it.chat.completions.create({ messages: user("?"), signal: abort.signal });
    await wait(30);
    abort.abort();
    const error = await caught(respawning);
    const next = await it.chat.completions.create({ messages: user("?") });
    return { name: error?.name, next: next.choices[0].finish_reason };
  },
  ({ name, next }) => {
    assert.equal(name, "AbortError");
    assert.equal(next, "stop");
  },
  { server: { pause: 4 } },
);

inPage(
  "loading reports bytes that only grow, up to the model's size",
  async ({ engine, modelBytes }) => {
    const seen = /** @type {any[]} */ ([]);
    await engine({ onProgress: (/** @type {any} */ progress) => seen.push(progress) });
    return { seen, bytes: await modelBytes("/models/tiny") };
  },
  ({ seen, bytes }, log) => {
    assert.equal(bytes, shardBytes);
    const downloads = seen.filter((/** @type {any} */ { phase }) => phase === "download");
    assert.ok(downloads.length > 5, `${downloads.length} reports`);
    for (const [at, { done, total }] of downloads.entries()) {
      assert.ok(done <= total && done >= (downloads[at - 1]?.done ?? 0));
      assert.equal(total, shardBytes);
    }
    assert.equal(downloads.at(-1).done, shardBytes);
    assert.deepEqual(seen.at(-1), { phase: "load", done: 1, total: 1 });
    assert.equal(log.filter(({ path, status }) => path === "/models/tiny/shard.bin" && status === 206).length, 3);
  },
  { server: { pause: 8 } },
);

inPage(
  "a server without ranges sends each file once",
  async ({ engine, user }) => {
    const it = await engine();
    return (await it.chat.completions.create({ messages: user("?") })).choices[0].finish_reason;
  },
  (reason, log) => {
    assert.equal(reason, "stop");
    assert.deepEqual(log.filter(({ path }) => path === "/models/tiny/shard.bin").map(({ status }) => status), [200]);
  },
  { server: { ranges: false } },
);

inPage(
  "loading can be aborted, and fails in words",
  async ({ engine, caught, wait }) => {
    const abort = new AbortController();
    const loading = engine({ signal: abort.signal });
    await wait(150);
    abort.abort();
    const aborted = await caught(loading);
    const before = await caught(engine({ signal: AbortSignal.abort() }));
    const missing = await caught(engine({ model: "/models/none" }));
    return { aborted, before, missing };
  },
  ({ aborted, before, missing }) => {
    assert.equal(aborted.name, "AbortError");
    assert.equal(before.name, "AbortError");
    assert.equal(missing.code, "missing-file");
    assert.match(missing.message, /manifest\.json/);
  },
  { server: { pause: 20 }, expected: /404.*models\/none/ },
);

inPage(
  "a disposed engine rejects what ran, what waited and what comes",
  async ({ engine, user, caught, wait }) => {
    const it = await engine();
    const running = caught(it.chat.completions.create({ messages: user("slow and long") }));
    const waiting = caught(it.chat.completions.create({ messages: user("?") }));
    await wait(100);
    await it.dispose();
    return [await running, await waiting, await caught(it.chat.completions.create({ messages: user("?") })), await it.dispose()];
  },
  ([running, waiting, later]) => {
    for (const error of [running, waiting, later]) assert.equal(error?.code, "disposed");
  },
);

test("an error that only a worker logs fails a test", async () => {
  const { page, wrong } = await open(browser.context);
  await page.goto(`${server.url}fixtures/blank.html`);
  await page.evaluate(() => new Promise((resolve) => {
    const worker = new Worker("/fixtures/noisy.js");
    worker.onmessage = resolve;
  }));
  await page.waitForTimeout(100);
  assert.match(wrong.join("\n"), /broken shader/);
  await page.close();
});
