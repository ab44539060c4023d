/**
 * PageLens in the shape of the browser's Prompt API:
 *
 *   import { languageModel } from "pagelens/prompt-api";
 *   const LanguageModel = languageModel({ model: "/models/tiny/" });
 *   const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
 *   await session.prompt([{ role: "user", content: [{ type: "image", value: blob }, { type: "text", value: "What does it say?" }] }]);
 *
 * A `responseConstraint` is a JSON Schema that the answer is held to; the model is not shown it.
 * Nothing is put on globalThis; `globalThis.LanguageModel ??= LanguageModel` does. What PageLens cannot do (audio, tools,
 * prefixes, answers by a regular expression) is refused with a NotSupportedError, as the API has it.
 */

import { createEngine } from "./pagelens.js";

/** @typedef {import("./pagelens.js").ChatMessage} ChatMessage */
/** @typedef {import("./pagelens.js").Engine} Engine */
/** @typedef {import("./request.js").Picture} Picture */
/** @typedef {{ type: "text", value: string } | { type: "image", value: Picture }} Content */
/** @typedef {string | { role: "system" | "user" | "assistant", content: string | Content[], prefix?: boolean }[]} Prompt */
/** @typedef {{ type: string, languages?: string[] }} Expected */
/**
 * @typedef {object} CreateOptions
 * @property {Exclude<Prompt, string>} [initialPrompts]
 * @property {Expected[]} [expectedInputs]
 * @property {Expected[]} [expectedOutputs]
 * @property {(monitor: EventTarget) => void} [monitor] gets `downloadprogress` events, whose `loaded` goes from 0 to 1
 * @property {AbortSignal} [signal]
 * @property {number} [temperature]
 * @property {number} [topK]
 * @property {unknown[]} [tools]
 */

/** @typedef {"available" | "downloadable" | "unavailable"} Availability */
/** @typedef {{ availability: (wanted?: Pick<CreateOptions, "expectedInputs" | "expectedOutputs">) => Promise<Availability>, create: (wanted?: CreateOptions) => Promise<Session> }} LanguageModelClass */

/**
 * The class for one model.
 * @param {import("./pagelens.js").EngineOptions} options
 * @returns {LanguageModelClass}
 */
export function languageModel(options) {
  /** @type {Engine | null} */
  let engine = null;

  return class LanguageModel extends Session {
    /** @param {Pick<CreateOptions, "expectedInputs" | "expectedOutputs">} [wanted] @returns {Promise<Availability>} */
    static async availability({ expectedInputs = [], expectedOutputs = [] } = {}) {
      const can = expectedInputs.every(({ type }) => type === "text" || type === "image") && expectedOutputs.every(({ type }) => type === "text");
      return can ? (engine ? "available" : "downloadable") : "unavailable";
    }

    /** @param {CreateOptions} [wanted] */
    static async create(wanted = {}) {
      if ((await LanguageModel.availability(wanted)) === "unavailable") throw unsupported("PageLens takes text and images, and answers with text.");
      if (wanted.tools?.length) throw unsupported("PageLens calls no tools.");
      const monitor = new EventTarget();
      wanted.monitor?.(monitor);
      engine ??= await createEngine({
        ...options,
        signal: wanted.signal ?? options.signal,
        onProgress: (progress) => {
          options.onProgress?.(progress);
          if (progress.phase === "download" && progress.total > 0) monitor.dispatchEvent(Object.assign(new Event("downloadprogress"), { loaded: progress.done / progress.total, total: 1 }));
        },
      });
      return new LanguageModel(engine, messages(wanted.initialPrompts ?? []), { temperature: wanted.temperature, top_k: wanted.topK });
    }
  };
}

/** A conversation with the model. */
export class Session extends EventTarget {
  /** @type {Engine} */ #engine;
  /** @type {ChatMessage[]} */ #history;
  /** @type {{ temperature?: number, top_k?: number }} */ #sampling;
  #ended = new AbortController();
  /** Tokens of the conversation, as of the last answer. */ contextUsage = 0;

  /** @param {Engine} engine @param {ChatMessage[]} history @param {{ temperature?: number, top_k?: number }} sampling */
  constructor(engine, history, sampling) {
    super();
    this.#engine = engine;
    this.#history = history;
    this.#sampling = sampling;
  }

  /** Tokens that fit. */
  get contextWindow() {
    return this.#engine.info.context;
  }

  /** @param {Prompt} input @param {{ signal?: AbortSignal, responseConstraint?: unknown }} [options] @returns {Promise<string>} */
  async prompt(input, options) {
    let text = "";
    for await (const piece of this.#answer(input, options)) text += piece;
    return text;
  }

  /** @param {Prompt} input @param {{ signal?: AbortSignal, responseConstraint?: unknown }} [options] @returns {ReadableStream<string>} */
  promptStreaming(input, options) {
    const pieces = this.#answer(input, options);
    return new ReadableStream({
      pull: async (controller) => {
        const { value, done } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await pieces.return()),
    });
  }

  /** Adds to the conversation, without an answer. @param {Prompt} input @returns {Promise<void>} */
  async append(input) {
    this.#history.push(...messages(input));
  }

  /** Another session that goes on from here. */
  async clone() {
    const Own = /** @type {typeof Session} */ (this.constructor);
    return new Own(this.#engine, [...this.#history], this.#sampling);
  }

  /** Ends what is being answered; the model stays for other sessions. */
  destroy() {
    this.#ended.abort(new DOMException("The session has been destroyed.", "InvalidStateError"));
  }

  /** @param {Prompt} input @param {{ signal?: AbortSignal, responseConstraint?: unknown }} [options] @returns {AsyncGenerator<string, void>} */
  async *#answer(input, { signal, responseConstraint } = {}) {
    const response_format = responseConstraint === undefined ? undefined : constrained(responseConstraint);
    this.#ended.signal.throwIfAborted();
    const asked = messages(input);
    const both = AbortSignal.any([this.#ended.signal, ...(signal ? [signal] : [])]);
    let text = "";
    for await (const { choices: [{ delta }], usage } of await this.#engine.chat.completions.create({ ...this.#sampling, response_format, messages: [...this.#history, ...asked], stream: true, signal: both })) {
      text += delta.content ?? "";
      if (delta.content) yield delta.content;
      if (usage) this.contextUsage = usage.total_tokens;
    }
    this.#history.push(...asked, { role: "assistant", content: text });
  }
}

/** @param {unknown} constraint @returns {import("./request.js").ResponseFormat} */
function constrained(constraint) {
  if (typeof constraint !== "object" || constraint === null || constraint instanceof RegExp) throw unsupported("PageLens holds answers to a JSON Schema, and to nothing else.");
  return { type: "json_schema", json_schema: { schema: constraint } };
}

/** @param {Prompt} input @returns {ChatMessage[]} */
function messages(input) {
  if (typeof input === "string") return [{ role: "user", content: input }];
  return input.map(({ role, content, prefix }) => {
    if (prefix) throw unsupported("PageLens does not go on from a prefix.");
    if (typeof content === "string") return { role, content };
    return {
      role,
      content: content.map(({ type, value }) => {
        if (type === "text") return { type, text: value };
        if (type === "image") return { type, image: value };
        throw unsupported(`PageLens takes text and images, and no ${type}.`);
      }),
    };
  });
}

/** @param {string} message */
function unsupported(message) {
  return new DOMException(message, "NotSupportedError");
}
