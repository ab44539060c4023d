/**
 * PageLens for scripts: a vision-language model in this tab, called in OpenAI's shape.
 *
 *   import { createEngine } from "./pagelens.js";
 *   const engine = await createEngine({ model: "models/tiny/", onProgress: console.log });
 *   const stream = await engine.chat.completions.create({
 *     messages: [{ role: "user", content: [{ type: "image", image: file }, { type: "text", text: "What does it say?" }] }],
 *     stream: true,
 *   });
 *   for await (const chunk of stream) show(chunk.choices[0].delta.content ?? "");
 *
 * The model runs in a worker (worker.js says how the two talk). Calls are queued: one runs at a time. Importing this module
 * does nothing, also outside a browser.
 */

import { PageLensError, abortError } from "./error.js";
import { deleteModel, listModels } from "./cache.js";
import { contacts } from "./contacts.js";
import { Link } from "./link.js";
import { lock } from "./lock.js";
import { packFiles, totalBytes } from "./manifest.js";
import { prepare } from "./request.js";
import { keptPlace, place } from "./sources.js";

export { PageLensError, contacts, deleteModel, listModels, lock };

/** @typedef {import("./request.js").ChatRequest} ChatRequest */
/** @typedef {import("./request.js").ChatMessage} ChatMessage */
/** @typedef {import("./loading.js").Fit} Fit */
/** @typedef {{ phase: string, done: number, total: number }} Progress phases "download" and "cache" count bytes; `total` is 0 while unknown */
/**
 * @typedef {object} EngineInfo
 * @property {string} model
 * @property {"gpu" | "cpu"} device what it runs on
 * @property {string} adapter name of the GPU; on the CPU, of the adapter that auto has passed over, if there is one
 * @property {number} max_tiles tiles an image is cut into at most
 * @property {number} image_size side of a tile, in pixels
 * @property {number} context tokens that fit
 * @property {Fit} fit what it needs
 * @property {number} heap bytes that the engine's WebAssembly memory grew to while the model was loaded; it never shrinks
 */

/** @typedef {"q8" | "q4" | "f32"} Precision */
/**
 * @typedef {object} ModelOptions
 * @property {import("./sources.js").Model} model URL of a folder, owner/name[@revision], picked files, or a directory handle
 * @property {string} [host] where owner/name is looked for; https://huggingface.co if nothing is said
 * @property {"auto" | "gpu" | "cpu"} [device] auto takes the GPU when there is a real one
 * @property {{ vision?: Precision, language?: Precision }} [precision] of a checkpoint's encoder (q8) and decoder (q4, its embeddings q8); a pack keeps its own
 * @property {number} [max_tiles] tiles of a page that there must be room for; the model's own limit if nothing is said
 * @property {number} [context] tokens of a conversation that there must be room for
 */
/**
 * @typedef {ModelOptions & EngineExtras} EngineOptions
 * @typedef {object} EngineExtras
 * @property {boolean} [cache] whether the model is kept in this site's storage; true if nothing is said
 * @property {boolean} [lock] whether the page is locked once the model is there (lock.js); false if nothing is said
 * @property {(progress: Progress) => void} [onProgress] of loading, also when a new worker has to load again
 * @property {AbortSignal} [signal] ends the loading
 */

/**
 * @typedef {object} Usage
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} total_tokens
 * @property {number} image_tokens
 * @property {number} ttft_ms time to the first token
 * @property {number} tokens_per_s after the first
 * @property {number[]} tiles tiles of each image
 */

/** @typedef {{ role?: "assistant", content?: string }} Delta */
/** @typedef {"stop" | "length"} FinishReason */
/** @typedef {{ id: string, object: "chat.completion.chunk", created: number, model: string, choices: [{ index: 0, delta: Delta, finish_reason: FinishReason | null }], usage?: Usage }} ChatChunk */
/** @typedef {{ id: string, object: "chat.completion", created: number, model: string, choices: [{ index: 0, message: { role: "assistant", content: string }, finish_reason: FinishReason }], usage: Usage }} ChatCompletion */

/**
 * Loads a model.
 * @param {EngineOptions} options
 * @returns {Promise<Engine>}
 */
export async function createEngine(options) {
  const engine = new Engine(options);
  try {
    await engine.ready(options.signal);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  return engine;
}

/**
 * Bytes that loading a model will fetch, from its manifest alone; null where it has none.
 * @param {string} model
 * @returns {Promise<number | null>}
 */
export async function modelBytes(model) {
  try {
    const where = place(model);
    if (where.kind !== "url" || lock.locked) return null;
    const response = await fetch(new URL("manifest.json", where.url));
    return totalBytes(packFiles(new Uint8Array(await response.arrayBuffer()))) || null;
  } catch {
    return null;
  }
}

/**
 * What a model needs and whether it fits here, from its config and headers: none of its weights is fetched.
 * @param {ModelOptions} options
 * @returns {Promise<Fit>}
 */
export async function weighModel(options) {
  const link = new Link();
  try {
    return /** @type {Fit} */ (await link.send({ type: "fit", ...wire(options) }, [], () => {}).result);
  } finally {
    link.close(disposed());
  }
}

/** What the worker is told of a model. @param {ModelOptions} options */
function wire({ model, host, device = "auto", precision: { vision = "q8", language = "q4" } = {}, max_tiles, context }) {
  return { model: place(model, host), options: { device, vision, language, max_tiles, context } };
}

/** A loaded model, and the queue in front of it. Made by createEngine. */
export class Engine {
  /** @type {EngineOptions} */ #options;
  /** @type {Link | null} the worker of the moment; null before the first and after one has died */
  #link = null;
  /** @type {EngineInfo | null} */ #info = null;
  #disposed = false;
  /** @type {Promise<unknown>} settles when the calls made so far are over */
  #queue = Promise.resolve();

  /** @param {EngineOptions} options */
  constructor(options) {
    if (!options?.model) throw new PageLensError("invalid-request", "model must be a URL, owner/name, files, or a directory handle.");
    place(options.model, options.host);
    if (!["auto", "gpu", "cpu"].includes(options.device ?? "auto")) throw new PageLensError("invalid-request", `device is “${options.device}”; it must be auto, gpu or cpu.`);
    this.#options = options;
  }

  /** What was loaded, and what it runs on. @returns {EngineInfo} */
  get info() {
    if (this.#info === null) throw new PageLensError("not-loaded", "No model has been loaded.");
    return this.#info;
  }

  /** The chat of OpenAI's clients. */
  chat = {
    completions: {
      create: /** @type {Create} */ (/** @type {unknown} */ ((/** @type {ChatRequest} */ request) => this.#create(request))),
    },
  };

  /**
   * Ends the worker and frees everything; calls that wait or run reject with `disposed`.
   * @returns {Promise<void>}
   */
  async dispose() {
    this.#disposed = true;
    this.#link?.close(disposed());
    this.#link = null;
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.dispose();
  }

  /**
   * Makes sure that a worker with the model is there. Part of createEngine; calls do it by themselves.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Link>}
   */
  async ready(signal) {
    if (this.#disposed) throw disposed();
    if (signal?.aborted) throw abortError();
    if (this.#link?.alive) return this.#link;
    const { cache = true, onProgress } = this.#options;
    if (cache) void navigator.storage?.persist?.(); // the browser may say no, and then may delete the model when space is short
    const asked = wire(this.#options);
    if (lock.locked) return this.#loadLocked({ ...asked, model: keptPlace(asked.model) }, onProgress, signal);
    if (this.#options.lock) return this.#lock(asked, cache, signal);
    return this.#load(new Link(), { type: "load", cache, ...asked }, onProgress, signal);
  }

  /**
   * Locks the page, once the model is where a worker without a network finds it. Where it cannot be, the one that has it stays.
   * @param {ReturnType<typeof wire>} asked
   * @param {boolean} cache
   * @param {AbortSignal} [signal]
   */
  async #lock(asked, cache, signal) {
    const { onProgress } = this.#options;
    const parts = await lock.gather().catch(() => null);
    if (signal?.aborted || this.#disposed) throw abortError();
    if (parts === null || !cache) {
      lock.refuse(cache ? "workers" : "storage");
      return this.#load(new Link(), { type: "load", cache, ...asked }, onProgress, signal);
    }
    const link = new Link();
    let fetched = false;
    // Of two loads one bar: the fetching of the first, and the placing of the second.
    const fetching = (/** @type {Progress} */ progress) => {
      if (progress.phase === "download") fetched = true;
      if (["waiting", "download"].includes(progress.phase)) onProgress?.(progress);
    };
    const { place, info } = await this.#send(link, { type: "keep", ...asked, module: parts.engine.module }, fetching, signal);
    if (place === undefined) {
      lock.refuse("storage");
      this.#info = Object.freeze(info);
      return link;
    }
    link.close(disposed());
    await lock.close();
    if (signal?.aborted || this.#disposed) throw abortError();
    return this.#loadLocked({ ...asked, model: place }, (progress) => {
      if (!fetched || !["download", "cache"].includes(progress.phase)) onProgress?.(progress);
    }, signal);
  }

  /** @param {ReturnType<typeof wire>} asked @param {EngineOptions["onProgress"]} onProgress @param {AbortSignal} [signal] */
  #loadLocked(asked, onProgress, signal) {
    const { worker, module } = lock.start("engine");
    return this.#load(new Link(worker), { type: "load", cache: true, ...asked, module }, onProgress, signal);
  }

  /** @param {Link} link @param {{ type: string, [field: string]: unknown }} message @param {EngineOptions["onProgress"]} onProgress @param {AbortSignal} [signal] */
  async #load(link, message, onProgress, signal) {
    const info = await this.#send(link, message, onProgress, signal);
    this.#info = Object.freeze(info);
    return link;
  }

  /**
   * Sends what a new worker is started for.
   * @param {Link} link
   * @param {{ type: string, [field: string]: unknown }} message
   * @param {EngineOptions["onProgress"]} onProgress
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async #send(link, message, onProgress, signal) {
    this.#link = link;
    const abort = () => link.close(abortError());
    signal?.addEventListener("abort", abort);
    try {
      return await link.send(message, [], (heard) => {
        if (heard.type === "progress") onProgress?.({ phase: heard.phase, done: heard.done, total: heard.total });
      }).result;
    } catch (error) {
      link.close(disposed());
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * @param {ChatRequest} request
   * @returns {Promise<AsyncIterableIterator<ChatChunk> | ChatCompletion>}
   */
  async #create(request) {
    const { signal } = request;
    if (this.#disposed) throw disposed();
    if (signal?.aborted) throw abortError();
    const head = { id: `chatcmpl-${Math.random().toString(36).slice(2)}`, created: Math.floor(Date.now() / 1000), model: this.info.model };
    const answer = new Answer(head, !request.stream || (request.stream_options?.include_usage ?? true));
    const abort = () => answer.fail(abortError());
    signal?.addEventListener("abort", abort);
    const earlier = this.#queue;
    const preparing = prepare(request);
    const turn = preparing.then(async (prepared) => {
      await earlier;
      await this.#run(prepared, answer, request.onProgress);
    });
    this.#queue = Promise.allSettled([earlier, turn]).then(() => signal?.removeEventListener("abort", abort));
    await preparing;
    if (signal?.aborted) throw abortError();
    return request.stream ? answer : answer.whole();
  }

  /**
   * One call, from its turn in the queue until the worker is free again. Never rejects: what goes wrong goes to the answer.
   * @param {import("./request.js").Prepared} prepared
   * @param {Answer} answer
   * @param {ChatRequest["onProgress"]} onProgress
   */
  async #run(prepared, answer, onProgress) {
    /** @type {number[]} */
    let tiles = [];
    try {
      if (answer.over) return;
      const loading = new AbortController();
      answer.onabandon = () => loading.abort();
      const link = await this.ready(loading.signal);
      const job = link.send({ type: "generate", ...prepared }, prepared.images.map((image) => image.buffer), (message) => {
        if (message.type === "progress") onProgress?.({ phase: message.phase, done: message.done, total: message.total });
        if (message.type === "started") tiles = message.tiles;
        if (message.type === "token") answer.push(message.text);
      });
      answer.onabandon = () => link.post({ id: job.id, type: "stop" });
      const { stop_reason, usage } = /** @type {{ stop_reason: FinishReason | "abort", usage: Usage }} */ (await job.result);
      if (stop_reason === "abort") answer.fail(abortError());
      else answer.end(stop_reason, { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens, tiles });
    } catch (error) {
      answer.onabandon = () => {}; // there is nothing left to stop
      answer.fail(error);
    }
  }
}

/** @typedef {{ (request: ChatRequest & { stream: true }): Promise<AsyncIterableIterator<ChatChunk>>, (request: ChatRequest & { stream?: false }): Promise<ChatCompletion> }} Create */

/** @returns {PageLensError} */
function disposed() {
  return new PageLensError("disposed", "This engine has been disposed; create a new one.");
}

/**
 * An answer under way: chunks wait here until they are read. Leaving the loop, or an abort, abandons the call.
 * @implements {AsyncIterableIterator<ChatChunk>}
 */
class Answer {
  /** @type {{ id: string, created: number, model: string }} */ #head;
  /** @type {boolean} */ #wantsUsage;
  /** @type {ChatChunk[]} */ #chunks = [];
  /** @type {{ error?: unknown } | null} how it ended */ #end = null;
  /** @type {() => void} */ #wake = () => {};
  /** Called at most once, when nobody wants the rest of the answer. @type {() => void} */
  onabandon = () => {};

  /** @param {{ id: string, created: number, model: string }} head @param {boolean} wantsUsage */
  constructor(head, wantsUsage) {
    this.#head = head;
    this.#wantsUsage = wantsUsage;
    this.#chunk({ role: "assistant", content: "" }, null);
  }

  get over() {
    return this.#end !== null;
  }

  /** @param {Delta} delta @param {FinishReason | null} reason @param {Usage} [usage] */
  #chunk(delta, reason, usage) {
    this.#chunks.push({ ...this.#head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: reason }], ...(usage && { usage }) });
    this.#wake();
  }

  /** @param {string} text */
  push(text) {
    if (!this.over) this.#chunk({ content: text }, null);
  }

  /** @param {FinishReason} reason @param {Usage} usage */
  end(reason, usage) {
    if (this.over) return;
    this.#end = {};
    this.#chunk({}, reason, this.#wantsUsage ? usage : undefined);
  }

  /** Chunks that came before can still be read. @param {unknown} error */
  fail(error) {
    if (this.over) return;
    this.#end = { error };
    this.onabandon();
    this.#wake();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<ChatChunk, undefined>>} */
  async next() {
    while (this.#chunks.length === 0 && this.#end === null) await new Promise((/** @type {(value: void) => void} */ resolve) => (this.#wake = resolve));
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return { value: chunk, done: false };
    const error = this.#end?.error;
    this.#end = {};
    if (error !== undefined) throw error;
    return { value: undefined, done: true };
  }

  /** @returns {Promise<IteratorResult<ChatChunk, undefined>>} */
  async return() {
    this.#chunks = [];
    this.fail(undefined);
    return { value: undefined, done: true };
  }

  /** @returns {Promise<ChatCompletion>} */
  async whole() {
    let content = "";
    for await (const { choices, usage } of this) {
      content += choices[0].delta.content ?? "";
      const reason = choices[0].finish_reason;
      if (reason !== null) return { ...this.#head, object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: reason }], usage: /** @type {Usage} */ (usage) };
    }
    throw new PageLensError("engine-crashed", "The answer ended without a reason.");
  }
}
