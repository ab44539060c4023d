/** What a screen reader is told: short things at once, a growing answer by whole sentences and at most one every two seconds. */

import { h } from "./dom.js";

const PAUSE = 2000;

export class Spoken {
  node = h("div", { class: "unseen", role: "status" });
  /** Characters of the growing answer that have been read. */ #read = 0;
  #last = -Infinity;

  /** @param {string} text */
  say(text) {
    this.#read = 0;
    this.#last = performance.now();
    this.node.textContent = text;
  }

  /** @param {string} text the whole of it so far @param {boolean} done whether nothing follows */
  read(text, done) {
    if (text.length < this.#read) this.#read = 0;
    const fresh = text.slice(this.#read);
    const sentences = done ? fresh : (/^[\s\S]*[.!?。！？\n](?=\s|$)/.exec(fresh)?.[0] ?? "");
    if (sentences.trim() === "" || (!done && performance.now() - this.#last < PAUSE)) return;
    this.#last = performance.now();
    this.#read = done ? 0 : this.#read + sentences.length;
    this.node.textContent = sentences;
  }
}
