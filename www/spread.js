/** Tiles spread over workers that have the encoder alone (encoders.js starts them), for the one that has the decoder. */

/** Pixels of each. @typedef {Float32Array<ArrayBuffer>[]} Tiles */
/** One worker: what it was handed last, if it has not answered yet. @typedef {{ port: MessagePort, busy: Promise<unknown> }} Encoder */

export class Spread {
  /** @type {Encoder[]} */ #encoders;

  /** @param {MessagePort[]} ports */
  constructor(ports) {
    this.#encoders = ports.map((port) => ({ port, busy: Promise.resolve() }));
  }

  /**
   * Encodes tiles; whoever is free takes the next.
   * @param {(done: number, total: number) => Promise<boolean>} goOn asked before the first and after each
   * @param {Tiles} tiles
   * @returns {Promise<Float32Array[]>} their visual tokens; rejects where nobody wants them any more
   */
  async encode(goOn, tiles) {
    /** @type {Float32Array[]} */
    const visual = new Array(tiles.length);
    const left = tiles.entries();
    let [done, over] = [0, false];
    const ask = async () => {
      if (over || !(await goOn(done, tiles.length))) throw new Error("stopped");
    };
    const work = async (/** @type {Encoder} */ encoder) => {
      for (const [tile, pixels] of left) {
        visual[tile] = await hand(encoder, pixels);
        done += 1;
        await ask();
      }
    };
    await ask();
    try {
      await Promise.all(this.#encoders.map(work));
      return visual;
    } finally {
      over = true;
    }
  }
}

/** Pixels to visual tokens, once what was asked for earlier has come: it may be of a request that was stopped. @param {Encoder} encoder @param {Float32Array<ArrayBuffer>} pixels */
function hand(encoder, pixels) {
  const { port } = encoder;
  const answer = encoder.busy.then(() => new Promise((/** @type {(visual: Float32Array) => void} */ resolve) => {
    port.onmessage = ({ data }) => resolve(data);
    port.postMessage(pixels, [pixels.buffer]);
  }));
  encoder.busy = answer;
  return answer;
}
