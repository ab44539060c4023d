/** A GPU can be lost at any moment: its driver crashed, or the machine slept. What was going on is then begun again. */

import { PageLensError } from "./error.js";

/** How often one thing is begun again. */
export const RETRIES = 2;

/**
 * Does what may lose the GPU on its way, again where it did.
 * @template T
 * @param {() => Promise<T>} work
 * @param {(times: number) => void} restarts told before each new beginning
 * @returns {Promise<T>}
 */
export async function despiteLosses(work, restarts) {
  for (let losses = 0; ; restarts(losses)) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof PageLensError ? error.code : "";
      if (code !== "device-lost" && (code !== "device" || losses === 0)) throw error; // a browser may offer no adapter after a loss
      if (++losses > RETRIES) throw new PageLensError("device-lost", `The GPU was lost ${losses} times. Use fewer tiles (max_tiles), close other tabs, or run without the GPU (device: "cpu").`, { cause: error });
    }
  }
}
