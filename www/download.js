/**
 * Reads a model's files, from the cache where they are there and else from their source. What is read before the engine has
 * said what it will read comes as it is asked for: small files whole, headers byte by byte. The weights come in chunks of
 * 4 MiB, in the engine's order and some requests ahead of it; each is verified, kept, handed over and forgotten. What has
 * come of a chunk is kept before it is complete, so that what is interrupted loses less than a chunk's worth.
 */

import { PageLensError } from "./error.js";
import { PIECE, sha256 } from "./cache.js";
import { Changed } from "./sources.js";

/** @typedef {import("./sources.js").Source} Source */
/** @typedef {import("./sources.js").Facts} Facts */
/** @typedef {import("./cache.js").Entry} Entry */
/** @typedef {import("./cache.js").Stored} Stored */
/** What the engine will read, and what a manifest says of its files. @typedef {{ spans: { file: string, start: number, end: number }[], files: { name: string, size: number, sha256: string, chunks: string[] }[] }} Plan */
/**
 * A chunk of which the first `have` bytes are there.
 * @typedef {{ bytes: Uint8Array<ArrayBuffer>, have: number }} Chunk
 */
/**
 * A file while it is read. `held` are chunks in memory, `left` how many bytes of each the engine will still ask for, `counted`
 * the chunks that have been reported.
 * @typedef {{ name: string, facts: Facts, chunks: string[], stored: Stored | null, held: Map<number, Uint8Array<ArrayBuffer>>, left: Map<number, number>, counted: Set<number> }} Open
 */

/** What is requested at once, in bytes: the chunks that a manifest has hashes of. */
const CHUNK = 4 * PIECE;
/** Requests under way at once, each of which loses less than a piece, and chunks in memory that nobody has asked for yet. */
const AHEAD = 4;
const HELD = 4;
const ATTEMPTS = 5;
/** Largest file that is held in memory where it comes without ranges and cannot be kept. */
const WHOLE = 256 << 20;

export class Download {
  /** @type {Source} */ #source;
  /** @type {Entry | null} */ #entry;
  /** @type {(done: number, total: number) => void} */ #onBytes;
  /** @type {Map<string, Promise<Uint8Array | null>>} small files, each asked for once */ #smalls = new Map();
  /** @type {Map<string, Promise<Open | null>>} */ #files = new Map();
  /** @type {Map<string, Promise<Uint8Array<ArrayBuffer>>>} chunks on their way */ #flying = new Map();
  /** @type {[Open, number][]} chunks to come, in the engine's order */ #queue = [];
  /** @type {Uint8Array<ArrayBuffer>[]} chunks that are done with, for others: a browser takes its time to free what is forgotten */ #spare = [];
  #planned = false;
  /** Whether the server has shown that it has byte ranges: until then one request has to do. */ #ranges = false;
  #done = 0;
  #total = 0;
  #reported = -Infinity;
  #ended = new AbortController();
  /** @type {PageLensError | null} what went wrong here, in more detail than the engine can tell */
  failure = null;

  /** @param {Source} source @param {Entry | null} entry @param {(done: number, total: number) => void} onBytes */
  constructor(source, entry, onBytes) {
    this.#source = source;
    this.#entry = entry;
    this.#onBytes = onBytes;
  }

  /**
   * Bytes `start..end` of a file, or all of it when `end` is negative; null when there is no such file.
   * @param {string} file
   * @param {number} start
   * @param {number} end
   * @returns {Promise<Uint8Array | null>}
   */
  read = async (file, start, end) => {
    try {
      if (end < 0 && !this.#files.has(file)) {
        const small = this.#smalls.get(file) ?? this.#small(file);
        this.#smalls.set(file, small);
        return await small;
      }
      const open = await this.#open(file);
      if (open === null) return null;
      return await this.#range(open, start, end < 0 ? open.facts.size : Math.min(end, open.facts.size));
    } catch (error) {
      throw this.#fail(file, error);
    }
  };

  /** Takes note of what will be read, and begins. @param {Plan} plan */
  async plan(plan) {
    try {
      for (const { name, size, sha256, chunks } of plan.files) {
        const facts = { size, tag: sha256, sha256 };
        this.#files.set(name, this.#begin(name, facts, size <= CHUNK ? [sha256] : chunks));
      }
      for (const { file, start, end } of plan.spans) {
        const open = await this.#open(file);
        if (open === null) throw new PageLensError("missing-file", `${file} is missing`);
        for (let index = Math.floor(start / CHUNK); index * CHUNK < end; index++) {
          if (!open.left.has(index)) {
            this.#queue.push([open, index]);
            this.#total += chunkLength(open, index);
          }
          open.left.set(index, (open.left.get(index) ?? 0) + Math.min(end, (index + 1) * CHUNK) - Math.max(start, index * CHUNK));
        }
      }
    } catch (error) {
      throw this.#fail("the model", error);
    }
  }

  /** Gives up what is under way. Once this resolves, nothing is asked for and nothing is kept any more. */
  async end() {
    this.#queue.length = 0;
    this.#ended.abort();
    await Promise.allSettled(this.#flying.values());
  }

  /** Bytes of the plan that are not kept yet. */
  get missing() {
    return this.#queue.reduce((sum, [open, index]) => {
      const lacking = pieces(open, index).filter((piece) => !open.stored?.has(piece));
      return sum + Math.min(chunkLength(open, index), lacking.length * PIECE);
    }, 0);
  }

  /** Begins to fetch what was planned. */
  start() {
    this.#planned = true;
    this.#report();
    this.#pump();
  }

  /**
   * Holds every file that its publisher has listed by its digest against it, where it was too large for that to happen on
   * arrival. Without a cache there is nothing to hold against it.
   * @param {() => { update: (bytes: Uint8Array) => void, finish: () => string }} digest
   */
  async verify(digest) {
    for (const file of this.#files.values()) {
      const open = await file;
      if (!open?.stored || open.facts.sha256 === undefined || open.chunks.length > 0) continue;
      const hash = digest();
      for (let index = 0; chunkLength(open, index) > 0; index++) hash.update(await this.#chunk(open, index));
      if (hash.finish() === open.facts.sha256) continue;
      open.stored.forget();
      throw (this.failure = new PageLensError("unverified", `${open.name} is not the file that its publisher lists; nothing of it was kept.`));
    }
  }

  /** The version of each large file that was read. @returns {Promise<{ [file: string]: string }>} */
  async tags() {
    const open = (await Promise.all(this.#files.values())).filter((file) => file !== null);
    return Object.fromEntries(open.map(({ name, facts }) => [name, facts.tag]));
  }

  /** A file that is read as a whole, without asking about it first. @param {string} file */
  async #small(file) {
    try {
      const bytes = await this.#again(() => this.#source.all(file));
      const absent = this.#entry?.record.absent;
      if (bytes === null) {
        if (absent && !absent.includes(file)) absent.push(file);
        return null;
      }
      await this.#entry?.put(file, bytes);
      return bytes;
    } catch (error) {
      // Without a network, what was kept is what there is.
      if (this.#entry?.record.absent.includes(file)) return null;
      const kept = await this.#entry?.get(file);
      if (kept) return kept;
      throw error;
    }
  }

  /** @param {string} file @returns {Promise<Open | null>} */
  #open(file) {
    const known = this.#files.get(file);
    if (known) return known;
    const opening = this.#again(() => this.#source.facts(file)).then((facts) => facts && this.#begin(file, facts, []));
    this.#files.set(file, opening);
    return opening;
  }

  /** @param {string} name @param {Facts} facts @param {string[]} chunks @returns {Promise<Open>} */
  async #begin(name, facts, chunks) {
    const stored = (await this.#entry?.file(name, facts)) ?? null;
    return { name, facts, chunks, stored, held: new Map(), left: new Map(), counted: new Set() };
  }

  /** @param {Open} open @param {number} start @param {number} end */
  async #range(open, start, end) {
    if (start >= end) return new Uint8Array(0);
    if (!this.#planned) {
      return this.#again(async () => {
        const { body, whole } = await this.#source.part(open.name, start, end, open.facts, this.#ended.signal);
        return whole ? head(body, start, end) : head(body, 0, end - start);
      });
    }
    const bytes = new Uint8Array(end - start);
    for (let index = Math.floor(start / CHUNK); index * CHUNK < end; index++) {
      const chunk = await this.#chunk(open, index);
      const [from, to] = [Math.max(start, index * CHUNK), Math.min(end, (index + 1) * CHUNK)];
      bytes.set(chunk.subarray(from - index * CHUNK, to - index * CHUNK), from - start);
      const left = (open.left.get(index) ?? 0) - (to - from);
      open.left.set(index, left);
      if (left <= 0 && open.held.delete(index) && chunk.length === CHUNK) this.#spare.push(chunk);
      this.#pump();
    }
    return bytes;
  }

  /** Keeps some requests ahead of the engine. */
  #pump() {
    const waiting = () => this.#flying.size + [...new Set(this.#queue.map(([open]) => open))].reduce((sum, open) => sum + open.held.size, 0);
    while (this.#planned && this.#flying.size < (this.#ranges ? AHEAD : 1) && this.#queue.length > 0 && waiting() < AHEAD + HELD) {
      const [open, index] = /** @type {[Open, number]} */ (this.#queue.shift());
      if (!open.held.has(index) && (open.left.get(index) ?? 0) > 0) this.#chunk(open, index).catch(() => {}); // whoever asks for it hears of it
    }
  }

  /** A verified chunk. @param {Open} open @param {number} index @returns {Promise<Uint8Array<ArrayBuffer>>} */
  #chunk(open, index) {
    const held = open.held.get(index);
    if (held) return Promise.resolve(held);
    const id = `${index} ${open.name}`;
    const flying = this.#flying.get(id);
    if (flying) return flying;
    const fetching = this.#obtain(open, index).then((bytes) => {
      if ((open.left.get(index) ?? 0) > 0) open.held.set(index, bytes);
      return bytes;
    }).finally(() => {
      this.#flying.delete(id);
      this.#pump();
    });
    this.#flying.set(id, fetching);
    return fetching;
  }

  /** @param {Open} open @param {number} index @returns {Promise<Uint8Array<ArrayBuffer>>} */
  async #obtain(open, index) {
    const length = chunkLength(open, index);
    const chunk = { bytes: (length === CHUNK && this.#spare.pop()) || new Uint8Array(length), have: 0 };
    if (await this.#recall(open, index, chunk)) {
      open.counted.add(index);
      return chunk.bytes;
    }
    const own = pieces(open, index);
    open.stored?.drop(own.slice(chunk.have / PIECE)); // the last one above all: it is there once the whole chunk has been verified
    const [start, end] = [index * CHUNK, index * CHUNK + chunk.bytes.length];
    return this.#again(async () => {
      const { body, whole } = await this.#source.part(open.name, start + chunk.have, end, open.facts, this.#ended.signal);
      if (whole) {
        this.#advance(open, index, chunk, 0);
        await this.#stream(open, body);
        const held = open.held.get(index);
        if (held) return held;
        if (!(await this.#recall(open, index, chunk))) throw new Error("the server sent another file");
        return chunk.bytes;
      }
      this.#ranges = true;
      await this.#fill(open, index, chunk, body);
      try {
        await this.#check(open, index, chunk.bytes);
      } catch (error) {
        open.stored?.drop(own);
        this.#advance(open, index, chunk, 0);
        throw error;
      }
      await open.stored?.put(/** @type {number} */ (own.at(-1)), chunk.bytes.subarray((own.length - 1) * PIECE));
      open.stored?.flush();
      open.counted.add(index);
      this.#report();
      return chunk.bytes;
    });
  }

  /** Reads what is kept of a chunk, up to the first piece that is not; whether that is all of it. @param {Open} open @param {number} index @param {Chunk} chunk */
  async #recall(open, index, chunk) {
    for (const piece of pieces(open, index)) {
      const bytes = await open.stored?.get(piece);
      if (!bytes) return false;
      chunk.bytes.set(bytes, chunk.have);
      this.#advance(open, index, chunk, chunk.have + bytes.length);
    }
    return true;
  }

  /** Takes the rest of a chunk, and keeps each piece of it that is complete, but the last. @param {Open} open @param {number} index @param {Chunk} chunk @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
  async #fill(open, index, chunk, body) {
    const { bytes } = chunk;
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const have = chunk.have + value.length;
      if (have > bytes.length) throw new Error("the server sent more than was asked for");
      bytes.set(value, chunk.have);
      const first = (index * CHUNK) / PIECE;
      for (let at = Math.floor(chunk.have / PIECE); (at + 1) * PIECE <= have && (at + 1) * PIECE < bytes.length; at++) await open.stored?.put(first + at, bytes.subarray(at * PIECE, (at + 1) * PIECE));
      this.#advance(open, index, chunk, have);
    }
    if (chunk.have < bytes.length) throw new Error("the connection ended early");
  }

  /** Takes note of how much of a chunk is there. @param {Open} open @param {number} index @param {Chunk} chunk @param {number} have */
  #advance(open, index, chunk, have) {
    if (!open.counted.has(index)) this.#count(have - chunk.have);
    chunk.have = have;
  }

  /** Takes a file from a server without ranges. @param {Open} open @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
  async #stream(open, body) {
    if (!open.stored && open.facts.size > WHOLE) throw new PageLensError("no-ranges", `${open.name} comes from a server without byte ranges, and there is no storage to keep it in.`);
    const reader = body.getReader();
    let [at, index, chunk] = [0, 0, new Uint8Array(chunkLength(open, 0))];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let from = 0; from < value.length; ) {
        const piece = value.subarray(from, from + chunk.length - at);
        chunk.set(piece, at);
        from += piece.length;
        if ((at += piece.length) < chunk.length) continue;
        await this.#check(open, index, chunk);
        for (const [at, piece] of pieces(open, index).entries()) {
          if (!open.stored?.has(piece)) await open.stored?.put(piece, chunk.subarray(at * PIECE, (at + 1) * PIECE));
        }
        open.stored?.flush();
        if (!open.stored) open.held.set(index, chunk);
        if (!open.counted.has(index)) this.#count(chunk.length);
        open.counted.add(index);
        index += 1;
        [at, chunk] = [0, new Uint8Array(chunkLength(open, index))];
        if (chunk.length === 0) return;
      }
    }
    throw new Error("the connection ended early");
  }

  /** Where the page is not secure there is no hashing here, and no cache: the engine verifies packs as a whole. @param {Open} open @param {number} index @param {Uint8Array<ArrayBuffer>} bytes */
  async #check(open, index, bytes) {
    const digest = open.chunks[index];
    if (digest !== undefined && globalThis.crypto.subtle && (await sha256(bytes)) !== digest) throw new PageLensError("unverified", `Chunk ${index + 1} of ${open.name} arrived damaged.`);
  }

  /**
   * Tries what a network can spoil a few times, waiting longer each time.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #again(work) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const final = error instanceof Changed || (error instanceof PageLensError && error.code !== "unverified") || (error instanceof DOMException && error.name === "QuotaExceededError");
        if (final || attempt === ATTEMPTS || this.#ended.signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** (attempt - 1)));
      }
    }
  }

  /** @param {number} bytes */
  #count(bytes) {
    this.#done += bytes;
    if (performance.now() - this.#reported > 50 || this.#done >= this.#total) this.#report();
  }

  #report() {
    this.#reported = performance.now();
    this.#onBytes(Math.min(this.#done, this.#total), this.#total);
  }

  /** @param {string} file @param {unknown} error */
  #fail(file, error) {
    if (this.failure === null) {
      const reason = error instanceof Error ? error.message : String(error);
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      if (error instanceof PageLensError) this.failure = error;
      else if (error instanceof Changed) this.failure = new PageLensError("source-changed", `${reason}; load the model again.`);
      else if (full) this.failure = new PageLensError("storage-full", `The storage of this site became full while ${file} was kept: delete other models, or load this one without keeping it (cache: false).`);
      else this.failure = new PageLensError("network", `${file} could not be fetched: ${reason}`);
    }
    return this.failure;
  }
}

/** The pieces of a chunk. @param {Open} open @param {number} index */
function pieces(open, index) {
  return Array.from({ length: Math.ceil(chunkLength(open, index) / PIECE) }, (_, at) => (index * CHUNK) / PIECE + at);
}

/** @param {Open} open @param {number} index */
function chunkLength(open, index) {
  return Math.max(0, Math.min(CHUNK, open.facts.size - index * CHUNK));
}

/** Bytes `start..end` of a body that begins at 0; the rest is not fetched. @param {ReadableStream<Uint8Array>} body @param {number} start @param {number} end */
async function head(body, start, end) {
  const bytes = new Uint8Array(end - start);
  const reader = body.getReader();
  for (let at = 0; at < end; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the connection ended early");
    const piece = value.subarray(Math.max(0, start - at), end - at);
    bytes.set(piece, Math.max(0, at - start));
    at += value.length;
  }
  await reader.cancel();
  return bytes;
}
