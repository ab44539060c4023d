/** What a worker says of itself, so that one without a network can be made of it (linked.js). */

/**
 * @typedef {object} Part
 * @property {string} address of the file that the worker was started from, whatever a bundler has called it
 * @property {WebAssembly.Module} module its engine, compiled
 * @property {WebAssembly.Module} [schema] the module of constraint.js, compiled, where this site has it
 * @property {string[]} fetched addresses that the worker has asked the network for
 */

/** A WebAssembly module of the worker that asks, compiled. @param {URL} engine @returns {Promise<WebAssembly.Module>} */
export async function compiled(engine) {
  const response = await fetch(engine);
  if (!response.ok) throw new Error(`${engine.pathname}: the server answered ${response.status}`);
  return response.headers.get("Content-Type") === "application/wasm" ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** @param {WebAssembly.Module} module @param {WebAssembly.Module} [schema] @returns {Part} */
export function partOf(module, schema) {
  const fetched = performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.startsWith("http"));
  return { address: self.location.href, module, schema, fetched };
}
