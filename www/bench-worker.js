/** Runs the engine's bench: `{ model, device, shape, weights, repeats }` in; `{ measured }`, then `{ device }` or `{ error }` out. */

/**
 * @typedef {(file: string, start: number, end: number) => Promise<Uint8Array | null>} Read
 * @typedef {(read: Read, device: string, shape: string, weights: string, repeats: number, report: (measured: object) => void) => Promise<{ device: string }>} Bench
 * @typedef {{ default: () => Promise<unknown>, Engine: { bench: Bench } }} WasmModule
 */

self.addEventListener("message", async ({ data }) => {
  try {
    /** @type {WasmModule} */
    const pkg = await import(/** @type {string} */ ("./pkg/pagelens.js"));
    await pkg.default();
    const { model, device, shape, weights, repeats } = data;
    const read = reader(model);
    self.postMessage(await pkg.Engine.bench(read, device, shape, weights, repeats, (measured) => self.postMessage({ measured })));
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});

/** @param {string} model @returns {Read} */
function reader(model) {
  return async (file, start, end) => {
    const response = await fetch(new URL(file, model));
    if (response.status === 404) return null;
    const bytes = new Uint8Array(await response.arrayBuffer());
    return end < 0 ? bytes : bytes.subarray(start, end);
  };
}
