/**
 * The page's lock. Its steps, each of which the next one needs:
 *
 *   1. a worker with the network fetches, verifies and keeps the model; the code of the workers to come is fetched too;
 *   2. that worker is ended, and with it every other one that was started here with a network;
 *   3. the page's policy is tightened by a <meta> element: policies add up, and none can be taken back while the page is open;
 *   4. workers start from blobs, under that policy from their first line on, and read the model from this site's storage.
 *
 * Only then is a document opened. There is one policy to a page, and so one lock: whoever asks for it asks for all that is
 * on the page. It opens with the page's next load.
 */

import { PageLensError } from "./error.js";
import { gather } from "./linked.js";
import { startLinked } from "./workers.js";

/** @typedef {import("./linked.js").Parts} Parts */
/** Why a page is not locked though it was to be: nothing can be kept here, or no worker can start from blobs alone. @typedef {"storage" | "workers"} Refusal */

/** What is left once the page is locked: WebAssembly, workers from blobs, pictures that are here already. No address of any host. */
export const POLICY = "default-src 'none'; script-src 'wasm-unsafe-eval'; worker-src blob:; img-src blob: data:; base-uri 'none'; form-action 'none'";

export class Lock extends EventTarget {
  /** @type {Promise<Parts> | null} */ #gathering = null;
  /** @type {Parts | null} those of the locked page */ #parts = null;
  /** @type {Set<() => void>} how to end what was started with a network */ #open = new Set();
  /** @type {Set<Promise<unknown>>} what has to arrive first */ #before = new Set();
  /** @type {Refusal | null} */ refusal = null;

  /** Whether nothing on this page has a network any more. */
  get locked() {
    return this.#parts !== null;
  }

  /** Fetches what the locked page will need, once. @returns {Promise<Parts>} */
  gather() {
    this.#gathering ??= gather();
    this.#gathering.catch(() => (this.#gathering = null));
    return this.#gathering;
  }

  /** Lets something under way arrive before the page is locked. @template T @param {Promise<T>} arriving @returns {Promise<T>} */
  before(arriving) {
    const over = arriving.then(() => {}, () => {}).finally(() => this.#before.delete(over));
    this.#before.add(over);
    return arriving;
  }

  /** Takes note of something that has the network, and how it is ended. @param {() => void} end @returns {() => void} for when it has ended by itself */
  watch(end) {
    if (this.locked) throw lockedError();
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** @param {Refusal} why */
  refuse(why) {
    this.refusal = why;
    this.dispatchEvent(new Event("change"));
  }

  /** Locks the page, for as long as it is open. */
  async close() {
    const parts = await this.gather();
    while (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
    while (this.#before.size > 0) await Promise.all(this.#before);
    if (this.locked) return;
    for (const end of this.#open) end();
    const policy = document.createElement("meta");
    policy.httpEquiv = "Content-Security-Policy";
    policy.content = POLICY;
    document.head.append(policy);
    this.#parts = parts;
    this.refusal = null;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Starts a worker of the locked page.
   * @param {import("./workers.js").Kind} kind
   * @returns {{ worker: Worker, module: WebAssembly.Module, schema?: WebAssembly.Module }} what follows the worker is what it is told to run
   */
  start(kind) {
    const part = this.#parts?.[kind];
    if (!part) throw new PageLensError(kind === "pdf" ? "pdf-missing" : "not-loaded", "This site has no PDF module (pdf/pdf.js).");
    const { url, ...modules } = part;
    return { worker: startLinked(kind, url), ...modules };
  }
}

/** That of this page. */
export const lock = new Lock();

/** @returns {PageLensError} */
export function lockedError() {
  return new PageLensError("locked", "This page is locked and has no network any more; it opens with its next load.");
}
