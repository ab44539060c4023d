/** How fast a download goes, over its last seconds. */

/** What counts, in ms; and the least that says anything. */
const WINDOW = 8000;
const LEAST = 1000;

export class Pace {
  /** @type {{ done: number, at: number }[]} */ #seen = [];

  /** @param {number} done bytes so far @param {number} at in ms */
  add(done, at) {
    if ((this.#seen.at(-1)?.done ?? 0) > done) this.#seen = []; // it began anew
    this.#seen.push({ done, at });
    while (this.#seen.length > 2 && at - (this.#seen[1]?.at ?? at) > WINDOW) this.#seen.shift();
  }

  /** Bytes a second; null while that is not known. */
  get rate() {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    if (!first || !last || last.at - first.at < LEAST || last.done === first.done) return null;
    return ((last.done - first.done) * 1000) / (last.at - first.at);
  }
}
