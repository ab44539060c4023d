/**
 * The worker that owns the engine. One worker holds one loaded model and does one thing at a time; pagelens.js starts it,
 * queues for it, and replaces it when it has died.
 *
 * Every message is an object with a `type` tag and the `id` of the request it belongs to. Ids are chosen by the page and
 * never reused within one worker.
 *
 * Page to worker:
 *   load      { model, device }                    Sent once, first. `model` is the absolute URL of a folder, ending in "/".
 *   generate  { messages, images, options, stop }  `images` are file bytes, transferred; `messages` point at them by index.
 *   stop      { }                                  `id` is that of the request to stop. Nothing is answered to the stop
 *                                                  itself; the stopped request ends in `done` with stop_reason "abort".
 * Worker to page:
 *   progress  { phase, done, total }  For load: phase "download" in bytes, then the engine's own phases. For generate: the
 *                                     engine's phases before the first token. `total` is 0 while it is not known.
 *   started   { prompt_tokens, image_tokens, tiles }  The prompt has been read; tokens follow.
 *   token     { text }                                A piece of the answer, never half a character.
 *   done      { result }              The request is over. load: the engine's info; generate: { stop_reason, usage }.
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

import { packFiles, totalBytes } from "./manifest.js";
import { StopText } from "./stop.js";

/**
 * The built engine, www/pkg/pagelens.js.
 * @typedef {(phase: string, done: number, total: number) => unknown} Report may answer with a promise; false: do not go on
 * @typedef {{ prompt_tokens: number, image_tokens: number, completion_tokens: number, ttft_ms: number, tokens_per_s: number }} WasmUsage
 * @typedef {{ text: string, done: false } | { text: string, done: true, stop_reason: "stop" | "length", usage: WasmUsage }} Step
 * @typedef {object} WasmEngine
 * @property {() => import("./pagelens.js").EngineInfo} info
 * @property {(messages: WireMessage[], images: Uint8Array[], options: Record<string, number>, report: Report) => Promise<{ prompt_tokens: number, image_tokens: number, tiles: number[] }>} start
 * @property {() => Promise<Step>} next
 * @property {() => WasmUsage} finish
 * @typedef {(file: string, start: number, end: number) => Promise<Uint8Array | null>} Read
 * @typedef {{ default: () => Promise<unknown>, Engine: { load: (read: Read, device: string, report: Report) => Promise<WasmEngine> } }} WasmModule
 */

/** @typedef {{ id: number, type: "load", model: string, device: "auto" | "gpu" | "cpu" }} LoadMessage */
/** @typedef {{ role: string, content: ({ type: "text", text: string } | { type: "image", index: number })[] }} WireMessage */
/** @typedef {{ id: number, type: "generate", messages: WireMessage[], images: Uint8Array[], options: Record<string, number>, stop: string[] }} GenerateMessage */
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
/** @type {Set<number>} ids of requests that are running */
const running = new Set();
/** @type {Set<number>} ids of running requests that were asked to stop */
const stopped = new Set();

const post = /** @type {(message: object) => void} */ (self.postMessage.bind(self));

self.addEventListener("message", (event) => {
  const message = /** @type {LoadMessage | GenerateMessage | StopMessage} */ (event.data);
  switch (message.type) {
    case "load":
      void answer(message.id, true, () => load(message));
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
    post({ id, type: "done", result: await work() });
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

/** @param {LoadMessage} message */
async function load({ id, model, device }) {
  /** @type {WasmModule} */
  const pkg = await import(/** @type {string} */ ("./pkg/pagelens.js")).catch((error) => {
    throw new Failure("engine-missing", `The engine (pkg/pagelens.js) could not be loaded: ${error.message}`);
  });
  await pkg.default().catch((error) => {
    throw new Failure("engine-missing", `The engine's WebAssembly could not be started: ${error.message}`);
  });
  const files = new Files(model, (done, total) => post({ id, type: "progress", phase: "download", done, total }));
  try {
    engine = await pkg.Engine.load(files.read, device, (phase, done, total) => post({ id, type: "progress", phase, done, total }));
  } catch (error) {
    throw files.failure ?? error;
  }
  const info = engine.info();
  return device === "auto" && info.device === "cpu" ? { ...info, adapter: await adapterName() } : info;
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
async function generate({ id, messages, images, options, stop }) {
  if (engine === null) throw new Failure("not-loaded", "No model has been loaded.");
  try {
    const started = await engine.start(messages, images, options, async (phase, done, total) => {
      post({ id, type: "progress", phase, done, total });
      await turn();
      return !stopped.has(id);
    });
    post({ id, type: "started", ...started });
  } catch (error) {
    if (stopped.has(id) && codeOf(error) !== null) return { stop_reason: "abort", usage: null };
    throw error;
  }
  const filter = new StopText(stop);
  for (;;) {
    await turn();
    if (stopped.has(id)) return { stop_reason: "abort", usage: await engine.finish() };
    const step = await engine.next();
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

/** The files of one model folder, read over HTTP, whole or by range. */
class Files {
  /** @type {string} */ #base;
  /** @type {(done: number, total: number) => void} */ #onBytes;
  #done = 0;
  /** @type {Map<string, number>} what a manifest says of the others */ #sizes = new Map();
  #total = 0;
  #reported = -Infinity;
  /** @type {{ file: string, bytes: Uint8Array } | null} the last file that a server without ranges sent whole */
  #whole = null;
  /** @type {Failure | null} what went wrong here, in more detail than the engine can tell */
  failure = null;

  /** @param {string} base @param {(done: number, total: number) => void} onBytes */
  constructor(base, onBytes) {
    this.#base = base;
    this.#onBytes = onBytes;
  }

  /**
   * Bytes `start..end` of a file, or all of it when `end` is negative; null when there is no such file.
   * @param {string} file
   * @param {number} start
   * @param {number} end
   * @returns {Promise<Uint8Array | null>}
   */
  read = async (file, start, end) => {
    try {
      return await this.#read(file, start, end);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.failure = error instanceof Failure ? error : new Failure("network", `${file} could not be fetched: ${reason}`);
      throw this.failure;
    }
  };

  /** @param {string} file @param {number} start @param {number} end @returns {Promise<Uint8Array | null>} */
  async #read(file, start, end) {
    const ranged = end >= 0;
    if (ranged && start >= end) return new Uint8Array(0);
    if (ranged && this.#whole?.file === file) return slice(this.#whole.bytes, file, start, end);
    const response = await fetch(new URL(file, this.#base), ranged ? { headers: { Range: `bytes=${start}-${end - 1}` } } : {});
    if (response.status === 404) return null;
    if (!response.ok) throw new Failure("network", `${file} could not be fetched: the server answered ${response.status}.`);
    if (ranged && response.status === 206) {
      const bytes = await this.#body(response, end - start);
      if (bytes.length !== end - start) throw new Failure("network", `${file}: the server sent ${bytes.length} bytes instead of ${end - start}.`);
      return bytes;
    }
    const manifest = file === "manifest.json";
    const bytes = await this.#body(response, this.#sizes.get(file) ?? 0, !manifest);
    if (manifest) {
      this.#sizes = packFiles(bytes);
      this.#total = totalBytes(this.#sizes);
    }
    if (!ranged) return bytes;
    this.#whole = { file, bytes };
    return slice(bytes, file, start, end);
  }

  /**
   * @param {Response} response
   * @param {number} expected length where it is known, else 0
   * @param {boolean} [counted] as a part of the model
   * @returns {Promise<Uint8Array>}
   */
  async #body(response, expected, counted = true) {
    let bytes = new Uint8Array(expected || 65536);
    let length = 0;
    const reader = response.body?.getReader();
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) break;
      if (length + part.value.length > bytes.length) {
        const grown = new Uint8Array(Math.max(2 * bytes.length, length + part.value.length));
        grown.set(bytes);
        bytes = grown;
      }
      bytes.set(part.value, length);
      length += part.value.length;
      if (counted) this.#count(part.value.length);
    }
    if (counted) this.#report();
    return bytes.subarray(0, length);
  }

  /** @param {number} bytes */
  #count(bytes) {
    this.#done += bytes;
    if (performance.now() - this.#reported > 50) this.#report();
  }

  #report() {
    this.#reported = performance.now();
    this.#onBytes(this.#total > 0 ? Math.min(this.#done, this.#total) : this.#done, this.#total);
  }
}

/** @param {Uint8Array} bytes @param {string} file @param {number} start @param {number} end */
function slice(bytes, file, start, end) {
  if (end > bytes.length) throw new Failure("network", `${file} ends at byte ${bytes.length}; bytes up to ${end} were expected.`);
  return bytes.subarray(start, end);
}
