/** How a worker comes to a model's files: its place in the cache, its download, and the pack that a checkpoint becomes. */

import { Entry, folderName, lockName } from "./cache.js";
import { Download } from "./download.js";
import { PageLensError } from "./error.js";
import { openSource } from "./sources.js";
import { within } from "./within.js";

/** @typedef {import("./sources.js").Place} Place */
/** @typedef {import("./download.js").Plan} Plan */
/** What a model needs, as the engine reckons it: bytes, and whether they are there. @typedef {{ download: number, vision: number, language: number, cache: number, activations: number, memory: number, available: number, tiles: number, context: number, verdict: "fits" | "tight" | "no", reason: string, advice: string }} Fit */
/** @typedef {(phase: string, done: number, total: number) => unknown} Report */
/** What the engine is given; `gguf` where it is those files that it is to read. @typedef {{ gguf?: import("./sources.js").Gguf, read: (file: string, start: number, end: number) => Promise<Uint8Array | null>, plan: (plan: Plan, fit: Fit) => Promise<void>, write?: (file: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void> }} Files */
/** @typedef {{ place: Place, cache: boolean, precisions: string }} Wanted */

const MANIFEST = "manifest.json";

/**
 * Runs `load` with the files of a model, and keeps what it has read. Tabs that want the same model wait for each other; a
 * model that changed on its server meanwhile is fetched anew, once.
 * @template T
 * @param {Wanted} wanted
 * @param {Report} report
 * @param {() => { update: (bytes: Uint8Array) => void, finish: () => string }} digest
 * @param {(files: Files, name: string) => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function withFiles(wanted, report, digest, load) {
  const source = await openSource(wanted.place);
  const key = wanted.cache ? source.key : null;
  const run = () => attempt(source, key, wanted, report, digest, load);
  const twice = () => run().catch((error) => {
    if (error instanceof PageLensError && ["source-changed", "unverified"].includes(error.code)) return run();
    throw error;
  });
  if (key === null || !navigator.locks || !navigator.storage?.getDirectory) return twice();
  const name = lockName(await folderName(key));
  const waiting = setTimeout(() => report("waiting", 0, 0), 200);
  return navigator.locks.request(name, () => {
    clearTimeout(waiting);
    return twice();
  });
}

/**
 * Where a worker without a network finds a model: what is on this machine, or what the cache has of it, if that is all and
 * still what its source has.
 * @param {Place} place
 * @param {string} precisions
 * @returns {Promise<Place | null>}
 */
export async function kept(place, precisions) {
  const source = await openSource(place);
  if (source.key === null) return place;
  const entry = await Entry.open(source.key, source.name);
  if (!entry?.record.complete) return null;
  const is = (await current(entry, source, precisions)) || (await currentPack(entry, source));
  return is ? { kind: "kept", key: source.key, name: entry.record.name } : null;
}

/**
 * What a model needs; nothing of its weights is read.
 * @template T
 * @param {Place} place
 * @param {(files: Files, name: string) => Promise<T>} weigh
 */
export async function withHeaders(place, weigh) {
  const source = await openSource(place);
  const download = new Download(source, null, () => {});
  return weigh({ gguf: source.gguf, read: download.read, plan: async () => {} }, source.name).catch((error) => {
    throw download.failure ?? error;
  });
}

/**
 * @template T
 * @param {import("./sources.js").Source} source
 * @param {string | null} key
 * @param {Wanted} wanted
 * @param {Report} report
 * @param {() => { update: (bytes: Uint8Array) => void, finish: () => string }} digest
 * @param {(files: Files, name: string) => Promise<T>} load
 */
async function attempt(source, key, { precisions }, report, digest, load) {
  const entry = key === null ? null : await Entry.open(key, source.name);
  try {
    if (entry && (await current(entry, source, precisions))) return await fromPack(entry, precisions, report, load);
    const download = new Download(source, entry, (done, total) => report("download", done, total));
    /** @type {Entry | null} */
    let pack = null;
    /** @type {Files} */
    const files = {
      gguf: source.gguf,
      read: download.read,
      plan: async (plan, fit) => {
        await download.plan(plan);
        const converted = plan.files.length === 0 && entry !== null;
        if (entry) {
          await room(download, download.missing + (converted ? fit.vision + fit.language : 0));
          entry.record.complete = false;
          await entry.save();
          if (converted) pack = await entry.pack(precisions, true);
        }
        download.start();
      },
      write: entry ? async (file, bytes) => {
        await pack?.put(file, bytes).catch((error) => {
          throw (download.failure = new PageLensError("storage-full", `The converted model could not be kept: ${error.message} Delete other models, or load this one without keeping it (cache: false).`));
        });
      } : undefined,
    };
    try {
      const loaded = await load(files, source.name);
      await download.verify(digest);
      if (entry) {
        if (pack) {
          entry.record.packs = { ...entry.record.packs, [precisions]: await download.tags() };
          entry.record.complete = true;
          await entry.save();
          await entry.clear(false);
        }
        await done(entry);
      }
      return loaded;
    } catch (error) {
      const reason = download.failure ?? error;
      await download.end();
      throw reason;
    }
  } finally {
    entry?.close();
  }
}

/**
 * Whether a conversion is there and made of what the source has now; a source that cannot be reached is taken at its word.
 * @param {Entry} entry
 * @param {import("./sources.js").Source} source
 * @param {string} precisions
 */
async function current(entry, source, precisions) {
  const tags = entry.record.packs[precisions];
  if (tags === undefined) return false;
  const same = await Promise.all(Object.entries(tags).map(([file, tag]) => source.facts(file).then((facts) => facts?.tag === tag, () => true)));
  if (same.every(Boolean)) return true;
  await entry.clear(true);
  return false;
}

/** Whether a pack is there by the manifest that its source has now. @param {Entry} entry @param {import("./sources.js").Source} source */
async function currentPack(entry, source) {
  const mine = await entry.get(MANIFEST);
  const theirs = await source.all(MANIFEST).catch(() => mine);
  return mine !== null && theirs !== null && mine.length === theirs.length && mine.every((byte, at) => byte === theirs[at]);
}

/**
 * @template T
 * @param {Entry} entry
 * @param {string} precisions
 * @param {Report} report
 * @param {(files: Files, name: string) => Promise<T>} load
 */
async function fromPack(entry, precisions, report, load) {
  const pack = await entry.pack(precisions, false);
  let [read, total] = [0, 0];
  /** @type {PageLensError | null} */
  let failure = null;
  /** @type {Files} */
  const files = {
    read: async (file) => {
      const bytes = await pack.get(file);
      if (bytes === null) {
        // Something has damaged it: the next attempt begins from the source.
        await entry.clear(true);
        throw (failure = new PageLensError("unverified", `${file}, as it was kept, is damaged.`));
      }
      if (total > 0) report("cache", (read = Math.min(total, read + bytes.length)), total);
      return bytes;
    },
    plan: async (plan) => {
      total = plan.spans.reduce((sum, { start, end }) => sum + end - start, 0);
    },
  };
  try {
    const loaded = await load(files, entry.record.name);
    await entry.clear(false); // what a crash may have left of the source
    await done(entry);
    return loaded;
  } catch (error) {
    throw failure ?? error;
  }
}

/** @param {Entry} entry */
async function done(entry) {
  entry.record.complete = true;
  entry.record.used = Date.now();
  await entry.save();
}

/** Refuses what the site's storage cannot take. @param {Download} download @param {number} needed */
async function room(download, needed) {
  const { quota = Infinity, usage = 0 } = await within(navigator.storage.estimate(), {});
  if (needed <= quota - usage) return;
  const megabytes = (/** @type {number} */ bytes) => `${Math.ceil(bytes / 1e6)} MB`;
  throw (download.failure = new PageLensError("storage-full", `Keeping this model needs ${megabytes(needed)} of this site’s storage, ${megabytes(Math.max(0, quota - usage))} are free: delete other models, or load this one without keeping it (cache: false).`));
}
