/** Elements with the same model on the same device use one engine: it is made for the first, and let go with the last. */

import { abortError } from "./error.js";
import { createEngine } from "./pagelens.js";

/** @typedef {import("./pagelens.js").Engine} Engine */
/** @typedef {import("./sources.js").Model} Model */
/** @typedef {(progress: import("./pagelens.js").Progress) => void} OnProgress */
/** @typedef {{ engine: Promise<Engine>, abort: AbortController, users: Set<OnProgress> }} Shared */

/** @type {Map<unknown, Shared>} by model, device, and whether the page is locked for it; picked files by themselves */
const engines = new Map();

/**
 * An engine, and how to give it back.
 * @param {{ model: Model, device: "auto" | "gpu" | "cpu", lock: boolean, signal: AbortSignal, onProgress: OnProgress }} options
 * @returns {Promise<{ engine: Engine, giveBack: () => void }>}
 */
export async function borrow({ model, device, lock, signal, onProgress }) {
  const of = (/** @type {boolean} */ locked) => (typeof model === "string" ? `${device} ${locked} ${new URL(model, document.baseURI)}` : model);
  const key = !lock && engines.has(of(true)) ? of(true) : of(lock); // one that locks the page serves those who did not ask for it too
  const shared = engines.get(key) ?? make(key, { model, device, lock });
  const user = (/** @type {import("./pagelens.js").Progress} */ progress) => onProgress(progress);
  shared.users.add(user);
  const giveBack = () => {
    if (!shared.users.delete(user) || shared.users.size > 0) return;
    if (engines.get(key) === shared) engines.delete(key);
    shared.abort.abort();
    shared.engine.then((engine) => engine.dispose(), () => {});
  };
  try {
    const engine = await new Promise((/** @type {(engine: Engine) => void} */ resolve, reject) => {
      shared.engine.then(resolve, reject);
      signal.addEventListener("abort", () => reject(abortError()), { once: true });
    });
    return { engine, giveBack };
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** @param {unknown} key @param {{ model: Model, device: "auto" | "gpu" | "cpu", lock: boolean }} options @returns {Shared} */
function make(key, options) {
  const abort = new AbortController();
  /** @type {Set<OnProgress>} */
  const users = new Set();
  const engine = createEngine({ ...options, signal: abort.signal, onProgress: (progress) => users.forEach((user) => user(progress)) });
  const shared = { engine, abort, users };
  engines.set(key, shared);
  engine.catch(() => {
    if (engines.get(key) === shared) engines.delete(key); // the next one tries again
  });
  return shared;
}
