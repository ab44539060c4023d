/**
 * The worker that owns the engine. One worker holds one loaded model and does one thing at a time; pagelens.js starts it,
 * queues for it, and replaces it when it has died.
 *
 * Every message is an object with a `type` tag and the `id` of the request it belongs to. Ids are chosen by the page and
 * never reused within one worker.
 *
 * Page to worker:
 *   load      { model, cache, options, module, schema }
 *                                                  Sent once, first. `model` is a Place (sources.js); without `cache` nothing
 *                                                  is kept; `options` are the engine's; `module` is the engine, and `schema` the
 *                                                  module of constraint.js, where they have been compiled already.
 *   keep      { model, options, module }           Instead of load: makes sure that the model can be loaded without a network.
 *   fit       { model, options }                   Instead of load: weighs a model. The worker is of no use afterwards.
 *   encode    { model, options, module, port }     Instead of load: from then on each tile's pixels that come through `port` are
 *                                                  answered there with their visual tokens.
 *   part      { module }                           Instead of load: says what a worker without a network is made of (part.js);
 *                                                  such a worker, given its `module`, starts it.
 *   encoders  { ports }                            Workers that were sent `encode` for the loaded model: they encode for this one.
 *   generate  { messages, images, options, stop, schema }
 *                                                  `images` are file bytes; `messages` point at them by index; `schema` is the
 *                                                  JSON Schema, as text, that the answer is held to, if any.
 *   stop      { }                                  `id` is that of the request to stop. Nothing is answered to the stop
 *                                                  itself; the stopped request ends in `done` with stop_reason "abort".
 * Worker to page:
 *   progress  { phase, done, total }  For load: "waiting" while another tab loads the same model, "download" in bytes from
 *                                     the network, "cache" in bytes from this site's storage, and the engine's own phases.
 *                                     For generate: the engine's phases before the first token. `total` is 0 while it is
 *                                     not known.
 *   started   { prompt_tokens, image_tokens, tiles }  The prompt has been read; tokens follow.
 *   token     { text }                                A piece of the answer, never half a character.
 *   contact   { host, bytes }         Came over the network; belongs to no request.
 *   lost      { message }             The GPU is gone, and with it all that this worker held; belongs to no request. The page
 *                                     ends the worker.
 *   done      { result }              The request is over. load: the engine's `info`, with `fit` in it, and its compiled
 *                                     `module`; fit, part: that alone; generate: { stop_reason, usage }; keep: { place } to
 *                                     load from without a network, or else what load answers, and this worker goes on.
 *   error     { code, message, dead } The request is over. With `dead` the worker cannot go on (a wasm trap leaves the
 *                                     engine in an unknown state, and a failed load leaves none): the page ends it, and the
 *                                     next request starts a new one.
 * Each request gets any number of progress, at most one started, any number of token, and then exactly one done or error.
 *
 * Stopping: the loop gives the event loop a turn before each token, so a waiting `stop` is seen before the token is
 * computed. While the prompt is being read, the engine's progress callback does the same: it answers with a promise of
 * whether to go on, and an engine that awaits it can stop between two tiles; otherwise the stop is seen before the first
 * token.
 */

import { Constraints } from "./constraint.js";
import { contacts } from "./contacts.js";
import { watchDevices } from "./devices.js";
import { kept, withFiles, withHeaders } from "./loading.js";
import { compiled, partOf } from "./part.js";
import { Spread } from "./spread.js";
import { StopText } from "./stop.js";

/**
 * The built engine, www/pkg/pagelens.js.
 * @typedef {(phase: string, done: number, total: number) => unknown} Report may answer with a promise; false: do not go on
 * @typedef {{ prompt_tokens: number, image_tokens: number, completion_tokens: number, ttft_ms: number, tokens_per_s: number }} WasmUsage
 * @typedef {{ id: number, text: string, done: false } | { id: number | null, text: string, done: true, stop_reason: "stop" | "length", usage: WasmUsage }} Step
 * @typedef {object} WasmEngine
 * @property {() => import("./pagelens.js").EngineInfo} info
 * @property {(messages: WireMessage[], images: Uint8Array[], options: Record<string, number>, report: Report, encode?: (tiles: Tiles) => Promise<Float32Array[]>) => Promise<{ prompt_tokens: number, image_tokens: number, tiles: number[] }>} start
 * @property {(pixels: Float32Array) => Float32Array<ArrayBuffer>} encodeTile
 * @property {() => void} closeEyes
 * @property {() => [bytes: Uint8Array, lengths: Uint32Array, stops: Uint32Array]} vocabulary
 * @property {(allowed?: Uint32Array) => Promise<Step>} next
 * @property {() => WasmUsage} finish
 * @typedef {import("./loading.js").Files} Files
 * @typedef {import("./loading.js").Fit} Fit
 * @typedef {{ device: "auto" | "gpu" | "cpu", vision: string, language: string, kv?: string, max_tiles?: number, context?: number }} LoadOptions
 * @typedef {object} WasmModule
 * @property {(from: { module_or_path: WebAssembly.Module }) => Promise<{ memory?: WebAssembly.Memory }>} default
 * @property {{ load: (files: Files, options: LoadOptions & { name: string, parts?: "vision" }, report: Report) => Promise<WasmEngine>, fit: (files: Files, options: LoadOptions & { name: string }) => Promise<Fit> }} Engine
 * @property {new () => { update: (bytes: Uint8Array) => void, finish: () => string }} Digest
 */

/** @typedef {import("./spread.js").Tiles} Tiles */
/** @typedef {{ id: number, type: "load", model: import("./sources.js").Place, cache: boolean, options: LoadOptions, module?: WebAssembly.Module, schema?: WebAssembly.Module }} LoadMessage */
/** @typedef {{ id: number, type: "keep", model: import("./sources.js").Place, options: LoadOptions, module: WebAssembly.Module }} KeepMessage */
/** @typedef {{ id: number, type: "fit", model: import("./sources.js").Place, options: LoadOptions }} FitMessage */
/** @typedef {{ id: number, type: "part", module?: WebAssembly.Module }} PartMessage */
/** @typedef {{ id: number, type: "encode", model: import("./sources.js").Place, options: LoadOptions, module: WebAssembly.Module, port: MessagePort }} EncodeMessage */
/** @typedef {{ type: "encoders", ports: MessagePort[] }} EncodersMessage */
/** @typedef {{ role: string, content: ({ type: "text", text: string } | { type: "image", index: number })[] }} WireMessage */
/** @typedef {{ id: number, type: "generate", messages: WireMessage[], images: Uint8Array[], options: Record<string, number>, stop: string[], schema?: string }} GenerateMessage */
/** @typedef {{ id: number, type: "stop" }} StopMessage */

/** Ends the request that threw it; the worker lives on. */
class Failure extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** After these the engine's device is gone, though its errors are typed. */
const DEADLY = new Set(["device-lost"]);

/** @type {WasmEngine | null} */
let engine = null;
/** @type {Constraints | null} */
let constraints = null;
/** Whether the engine goes on without a GPU: it may have passed one over. */
let onCpu = false;
/** @type {Spread | null} the workers that encode for this one */
let encoders = null;
/** @type {Set<number>} ids of requests that are running */
const running = new Set();
/** @type {Set<number>} ids of running requests that were asked to stop */
const stopped = new Set();

const post = /** @type {(message: object) => void} */ (self.postMessage.bind(self));

contacts.addEventListener("contact", (event) => post({ type: "contact", .../** @type {CustomEvent<{ host: string, bytes: number }>} */ (event).detail }));
contacts.watch();
watchDevices((message) => {
  if (!onCpu) post({ type: "lost", message });
});

self.addEventListener("message", (event) => {
  const message = /** @type {LoadMessage | KeepMessage | FitMessage | PartMessage | EncodeMessage | EncodersMessage | GenerateMessage | StopMessage} */ (event.data);
  switch (message.type) {
    case "load":
      void answer(message.id, true, () => load(message));
      break;
    case "keep":
      void answer(message.id, true, () => keep(message));
      break;
    case "fit":
      void answer(message.id, true, () => fit(message));
      break;
    case "part":
      void answer(message.id, true, () => part(message));
      break;
    case "encode":
      void answer(message.id, true, () => encode(message));
      break;
    case "encoders":
      encoders = new Spread(message.ports);
      break;
    case "generate":
      void answer(message.id, false, () => generate(message));
      break;
    case "stop":
      if (running.has(message.id)) stopped.add(message.id);
      break;
  }
});

/**
 * Runs one request to its `done` or `error`.
 * @param {number} id
 * @param {boolean} loading
 * @param {() => Promise<unknown>} work
 */
async function answer(id, loading, work) {
  running.add(id);
  try {
    const result = await work();
    contacts.flush();
    post({ id, type: "done", result });
  } catch (error) {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (code === null) crashed(message);
    else post({ id, type: "error", code, message, dead: loading || DEADLY.has(code) });
  } finally {
    running.delete(id);
    stopped.delete(id);
  }
}

/** @param {string} message */
function crashed(message) {
  for (const id of running) post({ id, type: "error", code: "engine-crashed", message: `The engine stopped unexpectedly: ${message}`, dead: true });
}

// A trap inside one of the engine's own tasks settles no promise that anybody waits for: it arrives here.
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  crashed(event.reason instanceof Error ? event.reason.message : String(event.reason));
});

/**
 * @param {unknown} error
 * @returns {string | null} the code of a typed error; null for a trap, a panic or anything else that nobody meant
 */
function codeOf(error) {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" ? code : null;
}

/** Where the engine is: in a worker from a file. */
const engineUrl = () => new URL("./pkg/pagelens_bg.wasm", import.meta.url);

/** @param {WebAssembly.Module} [known] @returns {Promise<{ pkg: WasmModule, module: WebAssembly.Module, memory?: WebAssembly.Memory }>} */
async function engineModule(known) {
  /** @type {WasmModule} */
  const pkg = await import(/* webpackMode: "eager" */ /** @type {string} */ ("./pkg/pagelens.js")).catch((error) => {
    throw new Failure("engine-missing", `The engine (pkg/pagelens.js) could not be loaded: ${error.message}`);
  });
  try {
    const module = known ?? (await compiled(engineUrl()));
    return { pkg, module, ...(await pkg.default({ module_or_path: module })) };
  } catch (error) {
    throw new Failure("engine-missing", `The engine's WebAssembly could not be started: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {LoadMessage} message */
async function load({ id, model, cache, options, module: known, schema }) {
  const { pkg, module, memory } = await engineModule(known);
  const report = (/** @type {string} */ phase, /** @type {number} */ done, /** @type {number} */ total) => post({ id, type: "progress", phase, done, total });
  /** @type {Fit | undefined} */
  let fit;
  const wanted = { place: model, cache, precisions: precisionsOf(options) };
  engine = await withFiles(wanted, report, () => new pkg.Digest(), (files, name) => {
    const plan = files.plan;
    return pkg.Engine.load({ ...files, plan: (spans, weighed) => plan(spans, (fit = weighed)) }, { ...options, name }, report);
  });
  constraints = new Constraints(engine, schema);
  const info = { ...engine.info(), fit, heap: memory?.buffer.byteLength ?? 0 };
  onCpu = info.device === "cpu";
  if (options.device === "auto" && onCpu) info.adapter = await adapterName();
  return { info, module };
}

/** Loads the encoder alone, and encodes what comes through a port. @param {EncodeMessage} message */
async function encode({ model, options, module, port }) {
  const { pkg } = await engineModule(module);
  const wanted = { place: model, cache: true, precisions: precisionsOf(options) };
  const silent = () => {};
  const eyes = await withFiles(wanted, silent, () => new pkg.Digest(), (files, name) => pkg.Engine.load(files, { ...options, device: "cpu", name, parts: "vision" }, silent));
  port.onmessage = ({ data }) => {
    const visual = eyes.encodeTile(data);
    port.postMessage(visual, [visual.buffer]);
  };
}

/** @param {LoadOptions} options the name of a conversion */
const precisionsOf = ({ vision, language }) => `${vision}-${language}`;

/** @param {KeepMessage} message */
async function keep({ id, model, options, module }) {
  const before = await kept(model, precisionsOf(options));
  if (before) return { place: before };
  const loaded = await load({ id, type: "load", model, cache: true, options, module });
  const place = await kept(model, precisionsOf(options));
  return place ? { place } : loaded;
}

/** @param {FitMessage} message */
async function fit({ model, options }) {
  const { pkg } = await engineModule();
  return withHeaders(model, (files, name) => pkg.Engine.fit(files, { ...options, name }));
}

/** @param {PartMessage} message */
async function part({ module }) {
  if (module) {
    await engineModule(module);
    return partOf(module);
  }
  const schema = compiled(new URL("./schema/schema_bg.wasm", import.meta.url)).catch(() => undefined);
  return partOf(await compiled(engineUrl()), await schema);
}

/** The adapter that auto has passed over: why it runs on the CPU. Empty where there is none. */
async function adapterName() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return adapter ? adapter.info.description || `${adapter.info.vendor} ${adapter.info.architecture}`.trim() || "unnamed" : "";
}

/**
 * @param {GenerateMessage} message
 * @returns {Promise<{ stop_reason: string, usage: object | null }>}
 */
async function generate({ schema, ...request }) {
  const held = schema === undefined ? undefined : await constraints?.hold(schema);
  try {
    return await decode(request, held);
  } finally {
    held?.free();
  }
}

/**
 * @param {Omit<GenerateMessage, "schema">} request
 * @param {import("./constraint.js").Held} [held] says which tokens may come
 */
async function decode({ id, messages, images, options, stop }, held) {
  if (engine === null) throw new Failure("not-loaded", "No model has been loaded.");
  try {
    const goOn = async (/** @type {string} */ phase, /** @type {number} */ done, /** @type {number} */ total) => {
      post({ id, type: "progress", phase, done, total });
      await turn();
      return !stopped.has(id);
    };
    if (encoders !== null) engine.closeEyes();
    const spread = encoders?.encode.bind(encoders, (done, total) => goOn("vision", done, total));
    const started = await engine.start(messages, images, options, goOn, spread);
    post({ id, type: "started", ...started });
  } catch (error) {
    if (stopped.has(id) && codeOf(error) !== null) return { stop_reason: "abort", usage: null };
    throw error;
  }
  const filter = new StopText(stop);
  for (;;) {
    await turn();
    if (stopped.has(id)) return { stop_reason: "abort", usage: await engine.finish() };
    const step = await engine.next(held?.allowed());
    if (!step.done) held?.accept(step.id);
    const { text, hit } = filter.push(step.text);
    const piece = step.done && !hit ? text + filter.flush() : text;
    if (piece !== "") post({ id, type: "token", text: piece });
    if (hit) return { stop_reason: "stop", usage: step.done ? step.usage : await engine.finish() };
    if (step.done) return { stop_reason: step.stop_reason, usage: step.usage };
  }
}

const channel = new MessageChannel();
/** @type {(() => void)[]} */
const turns = [];
channel.port1.onmessage = () => turns.shift()?.();

/** One turn of the event loop, in which waiting messages are delivered. A timer would cost 4 ms a token. */
function turn() {
  return new Promise((/** @type {(value: void) => void} */ resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });
}
