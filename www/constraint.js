/**
 * Holds answers to a JSON Schema. The module that knows how (schema/, with llguidance) is fetched with the first request that
 * asks for one; a locked page has fetched it before.
 */

import { PageLensError } from "./error.js";

/**
 * The built module, www/schema/schema.js.
 * @typedef {{ allowed: () => Uint32Array, accept: (id: number) => void, free: () => void }} Held an answer: which ids may come next, one bit each, and the id that came
 * @typedef {{ hold: (schema: string) => Held }} Vocabulary
 * @typedef {{ default: (from?: { module_or_path: WebAssembly.Module }) => Promise<unknown>, Vocabulary: new (bytes: Uint8Array, lengths: Uint32Array, stops: Uint32Array) => Vocabulary }} SchemaModule
 */

/** The answers of one model, held to schemas. */
export class Constraints {
  /** @type {Promise<Vocabulary> | null} */ #vocabulary = null;
  #model;
  #module;

  /**
   * @param {{ vocabulary: () => [bytes: Uint8Array, lengths: Uint32Array, stops: Uint32Array] }} model asked for its tokens once
   * @param {WebAssembly.Module} [module] where it is compiled already
   */
  constructor(model, module) {
    this.#model = model;
    this.#module = module;
  }

  /**
   * @param {string} schema as JSON
   * @returns {Promise<Held>} rejects with the code `schema` where it cannot be followed, and others
   */
  async hold(schema) {
    this.#vocabulary ??= this.#start();
    this.#vocabulary.catch(() => (this.#vocabulary = null)); // the next request tries again
    return (await this.#vocabulary).hold(schema);
  }

  async #start() {
    /** @type {SchemaModule} */
    const { default: start, Vocabulary } = await import(/* webpackMode: "eager" */ /** @type {string} */ ("./schema/schema.js")).catch(missing);
    await start(this.#module && { module_or_path: this.#module }).catch(missing);
    return new Vocabulary(...this.#model.vocabulary());
  }
}

/** @param {Error} error @returns {never} */
function missing(error) {
  throw new PageLensError("schema-missing", `The schema module (schema/schema.js) could not be started: ${error.message}`);
}
