/** A conversation: its pictures and its turns, as they are asked, kept on the device, exported and read back. */

import { PageLensError } from "./error.js";
import { turnedPicture } from "./turned.js";

/** @typedef {import("./pagelens.js").ChatMessage} ChatMessage */
/** @typedef {import("./pagelens.js").Usage} Usage */
/** @typedef {{ id: string, name: string, blob: Blob, missing: string[], turned: number }} Picture `missing` names what could not be drawn of it; `turned` counts quarters, clockwise */
/** @typedef {"done" | "length" | "stopped" | "interrupted"} Ending how an answer ended */
/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {string} question
 * @property {string[]} pictures ids of those that were first asked about here
 * @property {number} turned how far the page was turned that its places are on
 * @property {string} answer
 * @property {Ending} ending
 * @property {Usage | null} usage
 * @property {string} device
 */
/** @typedef {{ id: string, updated: number, pictures: Picture[], turns: Turn[] }} Kept what is kept and exported of a conversation */

const FORMAT = "pagelens-conversation";
const VERSION = 1;

/** An id; `crypto.randomUUID` is missing where a page comes over plain HTTP. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}

export class Conversation {
  /** @type {string} */ id;
  /** @type {Picture[]} */ pictures;
  /** @type {Turn[]} */ turns;

  /** @param {Partial<Kept>} [kept] */
  constructor({ id = newId(), pictures = [], turns = [] } = {}) {
    this.id = id;
    this.pictures = pictures;
    this.turns = turns;
  }

  /**
   * The page that an answer names places on: the last one that had been asked about.
   * @param {Turn} turn which may be yet to come
   * @returns {Picture | undefined}
   */
  pageOf(turn) {
    const at = this.turns.indexOf(turn);
    const asked = [...(at < 0 ? this.turns : this.turns.slice(0, at)), turn].flatMap(({ pictures }) => pictures).at(-1);
    return this.pictures.find(({ id }) => id === asked) ?? this.pictures.at(-1);
  }

  /** Pictures that no question has been asked about yet. @returns {Picture[]} */
  get fresh() {
    const sent = new Set(this.turns.flatMap((turn) => turn.pictures));
    return this.pictures.filter(({ id }) => !sent.has(id));
  }

  /** The first question, or nothing. */
  get title() {
    return this.turns[0]?.question.split("\n")[0]?.slice(0, 80) ?? "";
  }

  /**
   * What the model is told so far, and a question more. It sees every page as it is turned now.
   * @param {string} question
   * @returns {Promise<ChatMessage[]>}
   */
  async messages(question) {
    const { turns, fresh } = this;
    /** @param {Picture[]} pictures @param {string} text @returns {Promise<ChatMessage>} */
    const asked = async (pictures, text) => {
      const images = await Promise.all(pictures.map(({ blob, name, turned }) => turnedPicture(blob, name, turned)));
      return { role: "user", content: [...images.map((image) => ({ type: /** @type {const} */ ("image"), image })), { type: "text", text }] };
    };
    const messages = turns.flatMap((turn) => [asked(this.#of(turn), turn.question), { role: /** @type {const} */ ("assistant"), content: turn.answer }]);
    return Promise.all([...messages, asked(fresh, question)]);
  }

  /** The pictures of `messages`, in the order that the engine counts them in. */
  get counted() {
    return [...this.turns.flatMap((turn) => this.#of(turn)), ...this.fresh];
  }

  /** @param {Turn} turn */
  #of(turn) {
    return this.pictures.filter(({ id }) => turn.pictures.includes(id));
  }

  /**
   * Takes a turn and all after it out, so that it can be asked again.
   * @param {Turn} turn
   * @returns {Turn[]} what was taken out
   */
  cut(turn) {
    const at = this.turns.indexOf(turn);
    return at < 0 ? [] : this.turns.splice(at);
  }

  /** @returns {Kept} */
  keep() {
    return { id: this.id, updated: Date.now(), pictures: this.pictures, turns: this.turns };
  }

  /** The whole of it, pictures included, as a file. @returns {Promise<Blob>} */
  async exported() {
    const pictures = await Promise.all(this.pictures.map(async ({ blob, ...picture }) => ({ ...picture, type: blob.type, data: base64(new Uint8Array(await blob.arrayBuffer())) })));
    return new Blob([JSON.stringify({ format: FORMAT, version: VERSION, id: this.id, pictures, turns: this.turns }, null, 1)], { type: "application/json" });
  }

  /**
   * Reads an exported conversation back. Everything in it is checked: the file may come from anywhere.
   * @param {Blob} file
   * @returns {Promise<Conversation>}
   */
  static async imported(file) {
    try {
      const { format, version, id, pictures, turns } = JSON.parse(await file.text());
      if (format !== FORMAT || version !== VERSION) throw new Error(`the format is ${format} ${version}`);
      return new Conversation({ id: text(id), pictures: list(pictures).map(picture), turns: list(turns).map(turn) });
    } catch (cause) {
      throw new PageLensError("chat-file", `This is no exported conversation: ${cause instanceof Error ? cause.message : cause}.`, { cause });
    }
  }
}

/** @param {any} it @returns {Picture} */
function picture(it) {
  const bytes = Uint8Array.from(atob(text(it.data)), (character) => character.charCodeAt(0));
  const type = text(it.type);
  return { id: text(it.id), name: text(it.name), blob: new Blob([bytes], { type: type.startsWith("image/") ? type : "" }), missing: list(it.missing).map(text), turned: quarters(it.turned) };
}

/** @param {any} it @returns {Turn} */
function turn(it) {
  if (!["done", "length", "stopped", "interrupted"].includes(it.ending)) throw new Error(`an answer that ended “${it.ending}”`);
  return { id: text(it.id), question: text(it.question), pictures: list(it.pictures).map(text), turned: quarters(it.turned), answer: text(it.answer), ending: it.ending, usage: it.usage === null ? null : usage(it.usage), device: text(it.device) };
}

/** @param {any} it @returns {Usage} */
function usage(it) {
  const [prompt_tokens, completion_tokens, total_tokens, image_tokens, ttft_ms, tokens_per_s] = [it.prompt_tokens, it.completion_tokens, it.total_tokens, it.image_tokens, it.ttft_ms, it.tokens_per_s].map(finite);
  return /** @type {Usage} */ ({ prompt_tokens, completion_tokens, total_tokens, image_tokens, ttft_ms, tokens_per_s, tiles: list(it.tiles).map(finite) });
}

/** @param {unknown} it */
function text(it) {
  if (typeof it !== "string") throw new Error(`${JSON.stringify(it)} where words were expected`);
  return it;
}

/** @param {unknown} it */
function finite(it) {
  if (typeof it !== "number" || !Number.isFinite(it)) throw new Error(`${JSON.stringify(it)} where a number was expected`);
  return it;
}

/** @param {unknown} it */
function quarters(it) {
  const count = finite(it);
  if (![0, 1, 2, 3].includes(count)) throw new Error(`a page that is turned by ${count} quarters`);
  return count;
}

/** @param {unknown} it */
function list(it) {
  if (!Array.isArray(it)) throw new Error(`${JSON.stringify(it)} where a list was expected`);
  return it;
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 32768) binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(binary);
}
