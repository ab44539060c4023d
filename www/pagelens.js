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

import { Answer } from "./answer.js";
import { PageLensError, abortError } from "./error.js";
import { deleteModel, listModels } from "./cache.js";
import { contacts } from "./contacts.js";
import { addEncoders } from "./encoders.js";
import { Link } from "./link.js";
import { lock } from "./lock.js";
import { RETRIES, despiteLosses } from "./losses.js";
import { packFiles, totalBytes } from "./manifest.js";
import { prepare } from "./request.js";
import { keptPlace, place } from "./sources.js";

export { PageLensError, contacts, deleteModel, listModels, lock };

/** @typedef {import("./request.js").ChatRequest} ChatRequest */
/** @typedef {import("./request.js").ChatMessage} ChatMessage */
/** @typedef {import("./loading.js").Fit} Fit */
/** @typedef {{ phase: string, done: number, total: number }} Progress phases "download" and "cache" count bytes; "restart" counts how often a lost GPU has had it begun again; "ready" ends a load that was not the first; `total` is 0 while unknown */
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
 * @property {import("./sources.js").Model} model URL of a folder or a GGUF file, owner/name[@revision][/file.gguf], picked files, or a directory handle
 * @property {string} [host] where owner/name is looked for; https://huggingface.co if nothing is said
 * @property {"auto" | "gpu" | "cpu"} [device] auto takes the GPU when there is a real one
 * @property {{ vision?: Precision, language?: Precision, kv?: "f16" | "f32" }} [precision] of a checkpoint's encoder (q8) and decoder (q4, its embeddings q8), a pack keeps its own; of a conversation's keys and values (f16 on a GPU, f32 on the CPU)
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

/** @typedef {ReturnType<typeof wire> & { cache?: boolean, module?: WebAssembly.Module }} Asked */

/** What the worker is told of a model. @param {ModelOptions} options */
function wire({ model, host, device = "auto", precision: { vision = "q8", language = "q4", kv } = {}, max_tiles, context }) {
  return { model: place(model, host), options: { device, vision, language, kv, max_tiles, context } };
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
   */
  async ready(signal) {
    await despiteLosses(() => this.#start(signal), this.#restarts);
  }

  /** Tells of the GPU's losses. @param {number} done */
  #restarts = (done) => this.#options.onProgress?.({ phase: "restart", done, total: RETRIES });

  /** The worker with the model, or a new one. @param {AbortSignal} [signal] @returns {Promise<Link>} */
  async #start(signal) {
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
    const { place, ...loaded } = await this.#send(link, { type: "keep", ...asked, module: parts.engine.module }, fetching, signal);
    if (place === undefined) {
      lock.refuse("storage");
      return this.#loaded(link, asked, loaded);
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
    const { worker, ...modules } = lock.start("engine");
    return this.#load(new Link(worker), { type: "load", cache: true, ...asked, ...modules }, onProgress, signal);
  }

  /** @param {Link} link @param {{ type: string } & Asked} message @param {EngineOptions["onProgress"]} onProgress @param {AbortSignal} [signal] */
  async #load(link, message, onProgress, signal) {
    return this.#loaded(link, message, await this.#send(link, message, onProgress, signal));
  }

  /** @param {Link} link @param {Asked} asked @param {{ info: EngineInfo, module: WebAssembly.Module }} loaded */
  #loaded(link, asked, { info, module }) {
    const first = this.#info === null;
    this.#info = Object.freeze(info);
    void addEncoders(link, info, { ...asked, module });
    if (!first) this.#options.onProgress?.({ phase: "ready", done: 1, total: 1 });
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
    const answer = new Answer(head, { streamed: request.stream ?? false, usage: !request.stream || (request.stream_options?.include_usage ?? true) });
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
    try {
      await despiteLosses(() => this.#attempt(prepared, answer, onProgress), this.#restarts);
    } catch (error) {
      answer.onabandon = () => {}; // there is nothing left to stop
      answer.fail(error);
    }
  }

  /** One beginning of it. @param {import("./request.js").Prepared} prepared @param {Answer} answer @param {ChatRequest["onProgress"]} onProgress */
  async #attempt(prepared, answer, onProgress) {
    if (answer.over) return;
    answer.begin();
    /** @type {number[]} */
    let tiles = [];
    const loading = new AbortController();
    answer.onabandon = () => loading.abort();
    const link = await this.#start(loading.signal);
    const job = link.send({ type: "generate", ...prepared }, [], (message) => {
      if (message.type === "progress") onProgress?.({ phase: message.phase, done: message.done, total: message.total });
      if (message.type === "started") tiles = message.tiles;
      if (message.type === "token") answer.push(message.text);
    });
    answer.onabandon = () => link.post({ id: job.id, type: "stop" });
    const { stop_reason, usage } = /** @type {{ stop_reason: FinishReason | "abort", usage: Usage }} */ (await job.result);
    if (stop_reason === "abort") answer.fail(abortError());
    else answer.end(stop_reason, { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens, tiles });
  }
}

/** @typedef {{ (request: ChatRequest & { stream: true }): Promise<AsyncIterableIterator<ChatChunk>>, (request: ChatRequest & { stream?: false }): Promise<ChatCompletion> }} Create */

/** @returns {PageLensError} */
function disposed() {
  return new PageLensError("disposed", "This engine has been disposed; create a new one.");
}
