/** Conversations kept on this device, in IndexedDB. Nothing is kept unless the page's author asked for it. */

import { deleteModel, listModels } from "./cache.js";
import { PageLensError } from "./error.js";

/** @typedef {import("./conversation.js").Kept} Kept */

const NAME = "pagelens";
const STORE = "conversations";

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => {
      request.result.onversionchange = () => { // another tab clears everything
        request.result.close();
        opened = null;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function run(mode, work) {
  try {
    const store = (await open()).transaction(STORE, mode).objectStore(STORE);
    return await new Promise((resolve, reject) => {
      const request = work(store);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch (cause) {
    opened = null;
    throw new PageLensError("storage", `This browser keeps nothing for this page: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** @param {Kept} conversation */
export async function keep(conversation) {
  await run("readwrite", (store) => store.put(conversation));
}

/** All of them, the latest first. @returns {Promise<Kept[]>} */
export async function kept() {
  const all = /** @type {Kept[]} */ (await run("readonly", (store) => store.getAll()));
  return all.sort((a, b) => b.updated - a.updated);
}

/** @param {string} id */
export async function forget(id) {
  await run("readwrite", (store) => store.delete(id));
}

/** Deletes every conversation, every model that is kept, and whatever else this site's caches hold of them. */
export async function forgetAll() {
  await run("readwrite", (store) => store.clear());
  for (const { id } of await listModels()) await deleteModel(id);
  for (const name of (await globalThis.caches?.keys()) ?? []) if (name.startsWith(NAME)) await caches.delete(name);
}
