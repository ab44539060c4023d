/**
 * The workers' code as blobs, and their engines compiled. A worker that starts from a blob has its page's policy, whatever
 * host the page comes from; one that starts from an address has the network that its own answer's headers leave it.
 */

/** @typedef {{ url: string, module: WebAssembly.Module, schema?: WebAssembly.Module }} Part a worker's code, a blob: URL, and its engine; `schema` is what constraint.js needs beside it */
/** @typedef {{ engine: Part, pdf: Part | null }} Parts */
/** Blobs by the address of the file that they were made of. @typedef {Map<string, Promise<string>>} Blobs */

/** How these files import what they always need, and what they need later. */
const IMPORT = /^import (.+) from "(\.\/[\w./-]+)";$/gm;
const LATER = /import\(\/\*\* @type \{string\} \*\/ \("(\.\/[\w./-]+)"\)\)/g;

/**
 * Fetches all that workers without a network will need. Rejects where this page cannot have such workers.
 * @returns {Promise<Parts>} without `pdf` or `schema` where this site has no such module
 */
export async function gather() {
  /** @type {Blobs} */
  const blobs = new Map();
  const [engine, schema, pdf] = await Promise.all([
    part("./worker.js", "./pkg/pagelens_bg.wasm", blobs),
    compiled(new URL("./schema/schema_bg.wasm", import.meta.url)).catch(() => undefined),
    part("./pdf-worker.js", "./pdf/pdf_bg.wasm", blobs).catch(() => null),
    allowed(),
  ]);
  return { engine: { ...engine, schema }, pdf };
}

/** @param {string} worker @param {string} engine @param {Blobs} blobs @returns {Promise<Part>} */
async function part(worker, engine, blobs) {
  const [url, module] = await Promise.all([linked(new URL(worker, import.meta.url), blobs), compiled(new URL(engine, import.meta.url))]);
  return { url, module };
}

/** A module as a blob that imports blobs; each file becomes one blob, as it would be one module. @param {URL} address @param {Blobs} blobs @returns {Promise<string>} */
function linked(address, blobs) {
  const known = blobs.get(address.href) ?? link(address, blobs);
  blobs.set(address.href, known);
  return known;
}

/** @param {URL} address @param {Blobs} blobs @returns {Promise<string>} */
async function link(address, blobs) {
  const text = await (await fetched(address)).text();
  const names = [...text.matchAll(IMPORT), ...text.matchAll(LATER)].map((found) => found.at(-1) ?? "");
  const urls = new Map(await Promise.all(names.map(async (name) => /** @type {const} */ ([name, await linked(new URL(name, address), blobs)]))));
  const here = text.replace(IMPORT, (_, what, name) => `import ${what} from "${urls.get(name)}";`);
  /** @type {string[]} */
  const later = [];
  const all = here.replace(LATER, (_, name) => `Promise.resolve(later${later.push(`import * as later${later.length} from "${urls.get(name)}";\n`) - 1})`);
  return scriptUrl([...later, all].join(""));
}

/** @param {URL} address */
async function compiled(address) {
  const response = await fetched(address);
  return response.headers.get("Content-Type") === "application/wasm" ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** @param {URL} address */
async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname}: the server answered ${response.status}`);
  return response;
}

/** @param {string} text */
function scriptUrl(text) {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

/** Whether policies that this script did not write allow such workers: one is tried. @returns {Promise<void>} */
function allowed() {
  const worker = new Worker(scriptUrl(`import "${scriptUrl("")}"; postMessage(null);`), { type: "module", name: "pagelens-trial" });
  return new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = () => reject(new Error("this site's policy allows no worker from a blob"));
  }).finally(() => worker.terminate());
}
