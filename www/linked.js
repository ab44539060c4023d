/**
 * The workers' code as blobs, and their engines compiled. A worker that starts from a blob has its page's policy, whatever
 * host the page comes from; one that starts from an address has the network that its own answer's headers leave it.
 */

import { contacts } from "./contacts.js";
import { startLinked, startWorker } from "./workers.js";

/** @typedef {import("./workers.js").Kind} Kind */
/** @typedef {{ url: string, module: WebAssembly.Module, schema?: WebAssembly.Module }} Linked a worker's code, a blob: URL, and its engine; `schema` is what constraint.js needs beside it */
/** @typedef {{ engine: Linked, pdf: Linked | null }} Parts */
/** Blobs by the address of the file that they were made of. @typedef {Map<string, Promise<string>>} Blobs */

/** How these files, and what bundlers make of them, import what they always need, and what they need later. */
const IMPORT = /\b(from|import)(\s*)(["'])(\.\.?\/[\w./-]+)\3/g;
const LATER = /\bimport\((?:\/\*[^*]*\*\/\s*)?(?:\/\*\* @type \{string\} \*\/\s*\()?(["'`])(\.\.?\/[\w./-]+)\1\)?\)(?!\.[A-Z])/g; // where a name follows, it is a type in a comment

/**
 * Fetches all that workers without a network will need. Rejects where this page cannot have such workers.
 * @returns {Promise<Parts>} without `pdf` or `schema` where this site has no such module
 */
export async function gather() {
  const [engine, pdf] = await Promise.all([part("engine"), part("pdf").catch(() => null)]);
  return { engine, pdf };
}

/** A worker that was tried: it starts from its blob, under the policies there are, and needs nothing more. @param {Kind} kind @returns {Promise<Linked>} */
async function part(kind) {
  const { address, module, schema } = await ask(startWorker(kind));
  const url = await linked(new URL(address), new Map(), []);
  const { fetched } = await ask(startLinked(kind, url), module);
  if (fetched.length > 0) throw new Error(`${address} needs ${fetched[0]} too`);
  return { url, module, schema };
}

/** What a worker says of itself; it is ended then. @param {Worker} worker @param {WebAssembly.Module} [module] @returns {Promise<import("./part.js").Part>} */
function ask(worker, module) {
  return new Promise((/** @type {(part: import("./part.js").Part) => void} */ resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.type === "contact") contacts.add(data.host, data.bytes);
      else if (data.type === "done") resolve(data.result);
      else reject(new Error(data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message || "this site's policy allows no such worker"));
    };
    worker.postMessage({ id: 1, type: "part", module });
  }).finally(() => worker.terminate());
}

/** A module as a blob that imports blobs; each file becomes one blob, as it would be one module. @param {URL} address @param {Blobs} blobs @param {string[]} above those that import it @returns {Promise<string>} */
function linked(address, blobs, above) {
  const { href } = address;
  if (above.includes(href)) throw new Error(`${href} imports itself`);
  const known = blobs.get(href) ?? link(address, blobs, [...above, href]);
  blobs.set(href, known);
  return known;
}

/** @param {URL} address @param {Blobs} blobs @param {string[]} above @returns {Promise<string>} */
async function link(address, blobs, above) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname}: the server answered ${response.status}`);
  const text = await response.text();
  const names = [...text.matchAll(IMPORT), ...text.matchAll(LATER)].map((found) => found.at(-1) ?? "");
  const urls = new Map(await Promise.all(names.map(async (name) => /** @type {const} */ ([name, await linked(new URL(name, address), blobs, above)]))));
  const here = text.replace(IMPORT, (_, word, space, quote, name) => `${word}${space}${quote}${urls.get(name)}${quote}`);
  /** @type {string[]} */
  const later = [];
  const all = here.replace(LATER, (_, __, name) => `Promise.resolve(later${later.push(`import * as later${later.length} from "${urls.get(name)}";\n`) - 1})`);
  return URL.createObjectURL(new Blob([...later, all], { type: "text/javascript" }));
}
