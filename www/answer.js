/** An answer under way, in OpenAI's shape. */

import { PageLensError } from "./error.js";

/** @typedef {import("./pagelens.js").ChatChunk} ChatChunk */
/** @typedef {import("./pagelens.js").ChatCompletion} ChatCompletion */
/** @typedef {import("./pagelens.js").Delta} Delta */
/** @typedef {import("./pagelens.js").FinishReason} FinishReason */
/** @typedef {import("./pagelens.js").Usage} Usage */

/**
 * Chunks wait here until they are read. Leaving the loop, or an abort, abandons the call.
 * @implements {AsyncIterableIterator<ChatChunk>}
 */
export class Answer {
  /** @type {{ id: string, created: number, model: string }} */ #head;
  /** @type {boolean} */ #streamed;
  /** @type {boolean} */ #wantsUsage;
  /** @type {ChatChunk[]} */ #chunks = [];
  /** What it says so far. */ #text = "";
  /** What was given out before the answer was begun again, and has not come again yet. */ #owed = "";
  /** @type {{ error?: unknown } | null} how it ended */ #end = null;
  /** @type {() => void} */ #wake = () => {};
  /** Called at most once, when nobody wants the rest of the answer. @type {() => void} */
  onabandon = () => {};

  /** @param {{ id: string, created: number, model: string }} head @param {{ streamed: boolean, usage: boolean }} options */
  constructor(head, { streamed, usage }) {
    this.#head = head;
    this.#streamed = streamed;
    this.#wantsUsage = usage;
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

  /** The answer starts from its first word, perhaps not for the first time: what was given out is not given out again. */
  begin() {
    if (this.#streamed) this.#owed = this.#text;
    else this.#text = "";
  }

  /** @param {string} text */
  push(text) {
    if (this.over) return;
    const again = this.#owed.slice(0, text.length);
    if (!text.startsWith(again)) return this.fail(changed());
    this.#owed = this.#owed.slice(again.length);
    const more = text.slice(again.length);
    this.#text += more;
    if (more !== "") this.#chunk({ content: more }, null);
  }

  /** @param {FinishReason} reason @param {Usage} usage */
  end(reason, usage) {
    if (this.over) return;
    if (this.#owed !== "") return this.fail(changed());
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
    for await (const { choices, usage } of this) {
      const reason = choices[0].finish_reason;
      if (reason !== null) return { ...this.#head, object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: this.#text }, finish_reason: reason }], usage: /** @type {Usage} */ (usage) };
    }
    throw new PageLensError("engine-crashed", "The answer ended without a reason.");
  }
}

/** A second device, such as the CPU, can round differently. */
function changed() {
  return new PageLensError("device-lost", "The GPU was lost, and the answer, begun again, did not go on as it had begun.");
}
