/**
 * Models kept in this site's own file system (OPFS), one folder each:
 *
 *   pagelens/<SHA-256 of the key>/model.json     what it is, see Record
 *                                 X, X.pieces    a file of the source and its journal
 *                                 packs/<P>/...  the checkpoint converted at precisions P; the source's files are gone then
 *
 * A journal is text: a first line `size tag`, then a line `index sha256` for each piece of 1 MiB that is there, or `index -` once
 * it is not. A line that a crash has cut is ignored. No byte is handed out that has not just been hashed to what its line says, so that it does not
 * matter which of a piece and its line reached the disk. Writing needs a worker; listing and deleting do not.
 */

/** @typedef {import("./sources.js").Facts} Facts */
/**
 * @typedef {object} Record
 * @property {string} key where the model comes from
 * @property {string} name
 * @property {number} used when it was last loaded, in ms since 1970
 * @property {string[]} absent files that the source does not have
 * @property {{ [precisions: string]: { [file: string]: string } }} packs complete conversions, with the tags of what they were made of
 * @property {boolean} complete whether it can be loaded without a network
 */

/**
 * What a worker writes a file with.
 * @typedef {{ read: (into: Uint8Array, options: { at: number }) => number, write: (bytes: Uint8Array, options: { at: number }) => number, truncate: (size: number) => void, getSize: () => number, flush: () => void, close: () => void }} Access
 */

/** What is kept at once, in bytes: what an interrupted request loses is less. */
export const PIECE = 1 << 20;
const ROOT = "pagelens";
const RECORD = "model.json";

/** The folder of all models, or null where this browser or page has none. @returns {Promise<FileSystemDirectoryHandle | null>} */
async function root() {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  } catch {
    return null; // not a secure context, or private browsing
  }
}

/** Of bytes, in hex. @param {Uint8Array<ArrayBuffer>} bytes */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The Web Lock that whoever loads or deletes a model holds. @param {string} folder */
export const lockName = (folder) => `pagelens:${folder}`;

/** The name of a model's folder. @param {string} key */
export const folderName = (key) => sha256(new TextEncoder().encode(key));

/**
 * Every model that is kept, or half fetched.
 * @returns {Promise<{ id: string, name: string, key: string, bytes: number, complete: boolean, used: number }[]>}
 */
export async function listModels() {
  const models = [];
  for await (const [id, handle] of (await root())?.entries() ?? []) {
    if (handle.kind !== "directory") continue;
    const record = await readRecord(handle);
    models.push({ id, name: record?.name ?? "unfinished download", key: record?.key ?? "", bytes: await size(handle), complete: record?.complete ?? false, used: record?.used ?? 0 });
  }
  return models.sort((a, b) => b.used - a.used);
}

/**
 * Frees a model's bytes; false while it is being loaded. A model that has been loaded goes on working.
 * @param {string} id of listModels
 * @returns {Promise<boolean>}
 */
export async function deleteModel(id) {
  return navigator.locks.request(lockName(id), { ifAvailable: true }, async (lock) => {
    if (lock === null) return false;
    await (await root())?.removeEntry(id, { recursive: true }).catch(ignoreMissing);
    return true;
  });
}

/** @param {FileSystemDirectoryHandle} folder @returns {Promise<number>} */
async function size(folder) {
  let bytes = 0;
  for await (const handle of folder.values()) bytes += handle.kind === "directory" ? await size(handle) : (await handle.getFile().catch(() => null))?.size ?? 0;
  return bytes;
}

/** @param {FileSystemDirectoryHandle} folder @returns {Promise<Record | null>} */
async function readRecord(folder) {
  try {
    return JSON.parse(await (await (await folder.getFileHandle(RECORD)).getFile()).text());
  } catch {
    return null; // not there, or a crash has cut it
  }
}

/** A model's folder, open for a load. Only in a worker, and only under its lock. */
export class Entry {
  /** @type {FileSystemDirectoryHandle} */ #folder;
  /** @type {Record} */ record;
  /** @type {Set<Stored>} */ #open = new Set();

  /** @param {FileSystemDirectoryHandle} folder @param {Record} record */
  constructor(folder, record) {
    this.#folder = folder;
    this.record = record;
  }

  /** @param {string} key @param {string} name @returns {Promise<Entry | null>} null where nothing can be kept */
  static async open(key, name) {
    try {
      const folder = await (await root())?.getDirectoryHandle(await folderName(key), { create: true });
      if (folder === undefined) return null;
      return new Entry(folder, (await readRecord(folder)) ?? { key, name, used: 0, absent: [], packs: {}, complete: false });
    } catch {
      return null;
    }
  }

  /** Writes model.json. */
  async save() {
    await write(this.#folder, RECORD, new TextEncoder().encode(JSON.stringify(this.record)));
  }

  /**
   * A file of the source, until the entry is closed. What was kept of another version is thrown away.
   * @param {string} file
   * @param {Facts} facts
   * @returns {Promise<Stored | null>}
   */
  async file(file, facts) {
    const stored = await Stored.open(this.#folder, file, facts);
    if (stored) this.#open.add(stored);
    return stored;
  }

  /** Keeps a small file. @param {string} file @param {Uint8Array<ArrayBuffer>} bytes */
  async put(file, bytes) {
    const stored = await Stored.open(this.#folder, file, { size: bytes.length, tag: await sha256(bytes) });
    if (stored === null) return;
    for (let index = 0; index < stored.count; index++) {
      if ((await stored.get(index)) === null) await stored.put(index, bytes.slice(index * PIECE, (index + 1) * PIECE));
    }
    stored.flush();
    stored.close();
  }

  /** A whole file as it was kept, or null where any of it is missing. @param {string} file */
  async get(file) {
    return whole(await Stored.open(this.#folder, file));
  }

  /** The folder of a conversion, empty if `fresh`. @param {string} precisions @param {boolean} fresh */
  async pack(precisions, fresh) {
    const packs = await this.#folder.getDirectoryHandle("packs", { create: true });
    if (fresh) await packs.removeEntry(precisions, { recursive: true }).catch(ignoreMissing);
    return new Entry(await packs.getDirectoryHandle(precisions, { create: true }), this.record);
  }

  /** Deletes what was kept of the source, and if wanted of its conversions. @param {boolean} packsToo */
  async clear(packsToo) {
    this.close();
    const names = [];
    for await (const [name, handle] of this.#folder.entries()) if (handle.kind === "file" ? name !== RECORD : packsToo) names.push(name);
    for (const name of names) await this.#folder.removeEntry(name, { recursive: true }).catch(ignoreMissing);
    if (!packsToo) return;
    this.record.packs = {};
    await this.save();
  }

  close() {
    for (const stored of this.#open) stored.close();
    this.#open.clear();
  }
}

/** A file of the cache, piece by piece. */
export class Stored {
  /** @type {Access} */ #data;
  /** @type {Access} */ #journal;
  /** @type {Map<number, string>} digests by the journal */ #digests;

  /** @param {Access} data @param {Access} journal @param {number} size @param {Map<number, string>} digests */
  constructor(data, journal, size, digests) {
    this.#data = data;
    this.#journal = journal;
    this.#digests = digests;
    this.size = size;
    this.count = Math.ceil(size / PIECE);
  }

  /** @param {FileSystemDirectoryHandle} folder @param {string} file @param {Facts} [facts] @returns {Promise<Stored | null>} */
  static async open(folder, file, facts) {
    const create = facts !== undefined;
    const handles = await Promise.all([file, `${file}.pieces`].map((name) => folder.getFileHandle(name, { create }))).catch(ignoreMissing);
    if (handles === undefined) return null;
    const [data, journal] = await Promise.all(handles.map(access));
    if (!data || !journal) return null;
    const bytes = new Uint8Array(journal.getSize());
    journal.read(bytes, { at: 0 });
    const [head = "", ...lines] = new TextDecoder().decode(bytes).split("\n");
    const digests = new Map();
    if (facts && head !== `${facts.size} ${facts.tag}`) {
      const line = new TextEncoder().encode(`${facts.size} ${facts.tag}\n`);
      journal.truncate(0);
      journal.write(line, { at: 0 });
      data.truncate(0);
    } else {
      // The last piece has no newline: it is empty, or cut.
      for (const line of lines.slice(0, -1)) {
        const [, index, digest] = /^(\d+) ([0-9a-f]{64}|-)$/.exec(line) ?? [];
        if (digest === "-") digests.delete(Number(index));
        else if (digest) digests.set(Number(index), digest);
      }
      if (lines.at(-1)) journal.write(new TextEncoder().encode("\n"), { at: bytes.length });
    }
    return new Stored(data, journal, facts?.size ?? Number(/^\d+/.exec(head)?.[0] ?? 0), digests);
  }

  /** Whether a piece is there by the journal. @param {number} index */
  has(index) {
    return this.#digests.has(index);
  }

  /** @param {number} index */
  length(index) {
    return Math.min(PIECE, this.size - index * PIECE);
  }

  /** A piece, or null where it is missing or not what was written. @param {number} index @returns {Promise<Uint8Array<ArrayBuffer> | null>} */
  async get(index) {
    const digest = this.#digests.get(index);
    if (digest === undefined) return null;
    const bytes = new Uint8Array(this.length(index));
    if (this.#data.read(bytes, { at: index * PIECE }) === bytes.length && (await sha256(bytes)) === digest) return bytes;
    this.#digests.delete(index);
    return null;
  }

  /** @param {number} index @param {Uint8Array<ArrayBuffer>} bytes */
  async put(index, bytes) {
    const digest = await sha256(bytes);
    writeAll(this.#data, bytes, index * PIECE);
    this.#note(index, digest);
    this.#digests.set(index, digest);
  }

  /** Takes pieces for missing, for good. @param {number[]} indices */
  drop(indices) {
    for (const index of indices) if (this.#digests.delete(index)) this.#note(index, "-");
  }

  /** @param {number} index @param {string} digest */
  #note(index, digest) {
    writeAll(this.#journal, new TextEncoder().encode(`${index} ${digest}\n`), this.#journal.getSize());
  }

  /** Has everything on the disk. */
  flush() {
    this.#data.flush();
    this.#journal.flush();
  }

  /** Forgets every piece, for good. */
  forget() {
    this.#digests.clear();
    this.#journal.truncate(0);
    this.#journal.flush();
  }

  close() {
    this.#data.close();
    this.#journal.close();
  }
}

/** @param {Stored | null} stored @returns {Promise<Uint8Array<ArrayBuffer> | null>} */
async function whole(stored) {
  if (stored === null) return null;
  try {
    const bytes = new Uint8Array(stored.size);
    for (let index = 0; index < stored.count; index++) {
      const piece = await stored.get(index);
      if (piece === null) return null;
      bytes.set(piece, index * PIECE);
    }
    return bytes;
  } finally {
    stored.close();
  }
}

/** @param {FileSystemDirectoryHandle} folder @param {string} file @param {Uint8Array<ArrayBuffer>} bytes */
async function write(folder, file, bytes) {
  const handle = await access(await folder.getFileHandle(file, { create: true }));
  try {
    handle.truncate(0);
    writeAll(handle, bytes, 0);
    handle.flush();
  } finally {
    handle.close();
  }
}

/** A file for this worker alone; one that has just ended may not have let go of it yet. @param {FileSystemFileHandle} file @returns {Promise<Access>} */
async function access(file) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await /** @type {FileSystemFileHandle & { createSyncAccessHandle: () => Promise<Access> }} */ (file).createSyncAccessHandle();
    } catch (error) {
      if (attempt === 40 || !(error instanceof DOMException) || error.name !== "NoModificationAllowedError") throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** @param {Access} handle @param {Uint8Array<ArrayBuffer>} bytes @param {number} at */
function writeAll(handle, bytes, at) {
  if (handle.write(bytes, { at }) !== bytes.length) throw new DOMException("The storage of this site is full.", "QuotaExceededError");
}

/** @param {unknown} error @returns {undefined} */
function ignoreMissing(error) {
  if (!(error instanceof DOMException) || error.name !== "NotFoundError") throw error;
}
