/**
 * Cuts a streamed text at the first of some stop strings. Text that could still grow into a stop string is held back,
 * so that no part of one is ever delivered.
 */
export class StopText {
  /** @type {string[]} */ #stops;
  #held = "";

  /** @param {string[]} stops empty strings are ignored */
  constructor(stops) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /**
   * @param {string} text the next piece
   * @returns {{ text: string, hit: boolean }} what may be delivered now, and whether a stop string ended the text
   */
  push(text) {
    const all = this.#held + text;
    const hits = this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (hits.length > 0) {
      this.#held = "";
      return { text: all.slice(0, Math.min(...hits)), hit: true };
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(all, stop)));
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), hit: false };
  }

  /** @returns {string} what is still held back when the text has ended by itself */
  flush() {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

/**
 * @param {string} text
 * @param {string} stop
 * @returns {number} length of the longest end of `text` that begins `stop`
 */
function overlap(text, stop) {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
