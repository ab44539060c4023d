/** About how much memory a model may take here, as far as a page can tell: the engine's own rule, asked of the browser. */

import { within } from "./within.js";

/** @typedef {{ bytes: number, gpu: boolean }} Room */

/** A WebAssembly module's address space. */
const ADDRESSES = 2 ** 32;

/**
 * @param {"auto" | "gpu" | "cpu"} device as the engine will be asked
 * @returns {Promise<Room>}
 */
export async function roomHere(device) {
  const adapter = device === "cpu" ? null : await within(/** @type {Promise<any>} */ (/** @type {any} */ (navigator).gpu?.requestAdapter().catch(() => null)), null);
  // A software adapter is the CPU once more. WebGPU does not tell its memory: drivers make the largest buffer a part of it.
  if (adapter && !adapter.info?.isFallbackAdapter) return { bytes: 4 * adapter.limits.maxBufferSize, gpu: true };
  // Browsers tell the device's memory in GiB, and 8 where there is more.
  const told = /** @type {{ deviceMemory?: number }} */ (navigator).deviceMemory ?? 8;
  return { bytes: told < 8 ? Math.min(ADDRESSES, told * 2 ** 30) : ADDRESSES, gpu: false };
}
