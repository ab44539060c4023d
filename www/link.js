/** A worker with the engine (worker.js says how the two talk), and what it was asked to do. */

import { contacts } from "./contacts.js";
import { PageLensError } from "./error.js";
import { lock, lockedError } from "./lock.js";
import { startWorker } from "./workers.js";

/**
 * One worker and the requests it has not finished. A worker that dies rejects them all, and is not used again.
 * @typedef {{ type: "contact", host: string, bytes: number }
 *   | { type: "lost", message: string }
 *   | { id: number, type: "progress", phase: string, done: number, total: number }
 *   | { id: number, type: "started", prompt_tokens: number, image_tokens: number, tiles: number[] }
 *   | { id: number, type: "token", text: string }
 *   | { id: number, type: "done", result: unknown }
 *   | { id: number, type: "error", code: string, message: string, dead: boolean }} FromWorker
 * @typedef {{ heard: (message: FromWorker) => void, resolve: (result: unknown) => void, reject: (error: unknown) => void }} Waiting
 */
export class Link {
  /** @type {Worker} */ #worker;
  /** @type {Map<number, Waiting>} */ #waiting = new Map();
  #ids = 0;
  /** @type {Set<Link>} those that end with this one */ #followers = new Set();
  alive = true;
  /** Takes this worker off the list of those that have the network. */ #released = () => {};

  /** @param {Worker} [locked] a worker without a network; where none is given, one that has it is started */
  constructor(locked) {
    if (!locked) this.#released = lock.watch(() => this.close(lockedError()));
    this.#worker = locked ?? startWorker("engine");
    this.#worker.addEventListener("message", (event) => this.#hear(event.data));
    this.#worker.addEventListener("messageerror", () => this.close(new PageLensError("engine-crashed", "The engine sent something that cannot be read.")));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      const lost = event.message ? new PageLensError("engine-crashed", `The engine stopped unexpectedly: ${event.message}`) : new PageLensError("engine-missing", "worker.js could not be loaded.");
      this.close(lost);
    });
  }

  /**
   * @param {{ type: string, [field: string]: unknown }} message
   * @param {Transferable[]} transfer
   * @param {(message: FromWorker) => void} heard everything that comes before the end
   * @returns {{ id: number, result: Promise<unknown> }}
   */
  send(message, transfer, heard) {
    const id = ++this.#ids;
    const result = new Promise((resolve, reject) => {
      this.#waiting.set(id, { heard, resolve, reject });
      this.post({ id, ...message }, transfer);
    });
    return { id, result };
  }

  /** @param {{ id?: number, type: string, [field: string]: unknown }} message @param {Transferable[]} [transfer] */
  post(message, transfer = []) {
    this.#worker.postMessage(message, transfer);
  }

  /** Ends when `other` does. @param {Link} other */
  follow(other) {
    other.#followers.add(this);
  }

  /** @param {unknown} error what the unfinished requests reject with */
  close(error) {
    if (!this.alive) return;
    this.alive = false;
    this.#worker.terminate();
    this.#released();
    for (const link of this.#followers) link.close(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** @param {FromWorker} message */
  #hear(message) {
    if (message.type === "contact") return contacts.add(message.host, message.bytes);
    if (message.type === "lost") return this.close(new PageLensError("device-lost", message.message));
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.type === "done") {
      this.#waiting.delete(message.id);
      waiting.resolve(message.result);
    } else if (message.type === "error") {
      const error = new PageLensError(message.code, message.message);
      this.#waiting.delete(message.id);
      waiting.reject(error);
      if (message.dead) this.close(error);
    } else {
      waiting.heard(message);
    }
  }
}
