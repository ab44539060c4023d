/**
 * Where a model's files come from: a folder on any static host, a repository of a Hugging Face style host, or files and
 * folders that were picked. Each source answers two questions: what is known of a file, and some of its bytes.
 */

import { contacts } from "./contacts.js";
import { PageLensError } from "./error.js";

/** GGUF files by name: a language model, the first part where it is split, and the encoder that belongs to it. @typedef {{ model: string, mmproj?: string }} Gguf */
/**
 * A model by where it lies; it can be sent to a worker.
 * @typedef {{ kind: "url", url: string, gguf?: Gguf } | { kind: "repository", host: string, id: string, revision: string, gguf?: Gguf } | { kind: "files", files: File[] } | { kind: "directory", handle: FileSystemDirectoryHandle } | { kind: "kept", key: string, name: string }} Place `kept`: in the cache, and nowhere else
 */
/** @typedef {string | Iterable<File> | FileSystemDirectoryHandle} Model what a caller may give */
/** What is known of a file. `tag` tells one version from another. @typedef {{ size: number, tag: string, sha256?: string }} Facts */
/**
 * Bytes `start..end` of a file, or the whole of it where the server has no ranges.
 * @typedef {{ body: ReadableStream<Uint8Array<ArrayBuffer>>, whole: boolean }} Part
 */
/**
 * @typedef {object} Source
 * @property {string | null} key under which the cache keeps it; null for what is on this machine already
 * @property {string} name
 * @property {Gguf} [gguf] where it is those of its files that are meant
 * @property {(file: string) => Promise<Facts | null>} facts null where there is no such file
 * @property {(file: string) => Promise<Uint8Array<ArrayBuffer> | null>} all a small file
 * @property {(file: string, start: number, end: number, known: Facts, signal: AbortSignal) => Promise<Part>} part
 */

export const HOST = "https://huggingface.co";
const PLAIN = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
/** A server that says nothing for this long, in ms, has gone away. */
const PATIENCE = 30_000;

/** The file changed on its server while it was fetched. */
export class Changed extends Error {}

/**
 * What a caller means: `owner/name[@revision]` is a repository, as is the address of its page on the host. A folder on this
 * site ends in a slash, or begins with one or with a dot. Each may end in the name of a GGUF file, and that in `#mmproj=` and the
 * name of the encoder's beside it, which is found without in a repository or among files.
 * @param {Model} model
 * @param {string} [host]
 * @returns {Place}
 */
export function place(model, host = HOST) {
  if (typeof model !== "string") {
    if (model !== null && typeof model === "object" && "kind" in model && model.kind === "directory") return { kind: "directory", handle: model };
    const files = model !== null && typeof model === "object" && Symbol.iterator in model ? [...model] : [];
    if (files.length === 0 || !files.every((file) => file instanceof File)) throw wrong("model must be a URL, owner/name, files, or a directory handle.");
    return { kind: "files", files };
  }
  if (model === "") throw wrong("model is empty: it must be a URL or owner/name.");
  const base = host.replace(/\/+$/, "");
  const [address = "", options] = model.split("#");
  const mmproj = new URLSearchParams(options).get("mmproj") ?? undefined;
  const page = address.startsWith(`${base}/`) ? /^([^/]+\/[^/]+?)(?:\/(?:tree|resolve|blob)\/([^/]+))?(?:\/([^/]+\.gguf))?\/?$/.exec(address.slice(base.length + 1)) : null;
  const [, id = "", revision = "main", file] = page ?? /^([^/@.][^/@]*\/[^/@]+)(?:@(.+?))?(?:\/([^/]+\.gguf))?$/.exec(address) ?? [];
  if (id !== "" && !address.startsWith("/")) {
    if (![...id.split("/"), ...revision.split("/")].every((segment) => PLAIN.test(segment))) throw wrong(`“${model}” names no repository: owner/name, and a branch, tag or commit after @.`);
    return { kind: "repository", host: base, id, revision, ...(file && { gguf: { model: decodeURIComponent(file), mmproj } }) };
  }
  const url = new URL(address, globalThis.document?.baseURI ?? globalThis.location?.href);
  const [, folder, name] = /^(.*\/)([^/]+\.gguf)$/.exec(url.pathname) ?? [];
  if (folder && name) {
    url.pathname = folder;
    return { kind: "url", url: url.href, gguf: { model: decodeURIComponent(name), mmproj } };
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return { kind: "url", url: url.href };
}

/** Where the cache has a place's model, if it has it; what is on this machine stays where it is. @param {Place} place @returns {Place} */
export function keptPlace(place) {
  const key = keyOf(place);
  if (place.kind === "url") return { kind: "kept", key, name: place.gguf?.model ?? urlName(place.url) };
  if (place.kind === "repository") return { kind: "kept", key, name: place.gguf?.model ?? place.id };
  return place;
}

/** What the cache keeps a place's model under; empty where it keeps none. @param {Place} place */
export function keyOf(place) {
  if (place.kind !== "repository" && place.kind !== "url") return "";
  const [folder, { model = "", mmproj = "" } = {}] = [place.kind === "url" ? place.url : `${place.host}/${place.id}@${place.revision}`, place.gguf];
  const file = `${place.kind === "repository" && model ? "/" : ""}${encodeURIComponent(model)}`;
  return `${folder}${file}${mmproj && `#mmproj=${encodeURIComponent(mmproj)}`}`;
}

/** The GGUF files among others, if those are what there is: one model and what seems to be its encoder. @param {string[]} names @returns {Gguf | undefined} */
function ggufAmong(names) {
  const first = names.filter((name) => name.endsWith(".gguf") && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(name));
  const [model, ...more] = first.filter((name) => !name.includes("mmproj"));
  if (model === undefined || names.some((name) => name === "config.json" || name === "manifest.json")) return undefined;
  if (more.length > 0) throw wrong(`There are several models here, ${[model, ...more].join(", ")}: pick one, and its mmproj file.`);
  return { model, mmproj: encoderAmong(names) };
}

/** The encoder among a model's files, the smallest that loses nothing to speak of. @param {string[]} names */
function encoderAmong(names) {
  const found = names.filter((name) => name.includes("mmproj") && name.endsWith(".gguf")).sort();
  return [/q8_0/i, /f16/i, /./].map((kind) => found.find((name) => kind.test(name))).find(Boolean);
}

/** @param {string} url */
const urlName = (url) => new URL(url).pathname.split("/").at(-2) || url;

/** The last part of a model's name or address. @param {string} model */
export function nameOf(model) {
  return model.replace(/#.*$/, "").replace(/\/+$/, "").split("/").at(-1) ?? model;
}

/**
 * @param {Place} place
 * @returns {Promise<Source>}
 */
export async function openSource(place) {
  switch (place.kind) {
    case "url":
      return new Http(place.url, keyOf(place), place.gguf?.model ?? urlName(place.url), null, place.gguf);
    case "repository":
      return openRepository(place);
    case "files":
      return new Picked(async (file) => place.files.find(({ name }) => name === file) ?? null, "picked files", ggufAmong(place.files.map(({ name }) => name)));
    case "directory": {
      const names = [];
      for await (const name of place.handle.keys()) names.push(name);
      return new Picked(async (file) => {
        try {
          return await (await place.handle.getFileHandle(file)).getFile();
        } catch (error) {
          if (error instanceof DOMException && error.name === "NotFoundError") return null;
          throw error;
        }
      }, place.handle.name, ggufAmong(names));
    }
    case "kept":
      return new Kept(place.key, place.name);
  }
}

/**
 * The commit that a revision stands for, and its files by content. A host that lists nothing is taken as it is.
 * @param {Extract<Place, { kind: "repository" }>} place
 */
async function openRepository(place) {
  const { host, id, revision } = place;
  let commit = revision;
  /** @type {Map<string, Facts> | null} */
  let listing = null;
  try {
    const response = await ask(`${host}/api/models/${id}/revision/${revision}?blobs=true`, { cache: "no-store" });
    if (response.ok) {
      const text = await response.text();
      count(response, text.length);
      const { sha, siblings } = JSON.parse(text);
      listing = new Map(siblings.map((/** @type {any} */ { rfilename, size, blobId, lfs }) => [rfilename, { size, tag: lfs?.sha256 ?? blobId, sha256: lfs?.sha256 }]));
      if ([...listing.values()].some(({ size, tag }) => !Number.isSafeInteger(size) || typeof tag !== "string")) listing = null;
      commit = sha;
    }
  } catch {
    // not reachable, or no list: the files themselves will tell
  }
  const gguf = place.gguf && { ...place.gguf, mmproj: place.gguf.mmproj ?? encoderAmong([...(listing?.keys() ?? [])]) };
  return new Http(`${host}/${id}/resolve/${commit}/`, keyOf(place), gguf?.model ?? nameOf(id), listing, gguf);
}

/** @implements {Source} */
class Http {
  /** @type {string} */ #base;
  /** @type {Map<string, Facts> | null} */ #listing;

  /** @param {string} base ends in a slash @param {string} key @param {string} name @param {Map<string, Facts> | null} listing @param {Gguf} [gguf] */
  constructor(base, key, name, listing, gguf) {
    this.#base = base;
    this.key = key;
    this.name = name;
    this.gguf = gguf;
    this.#listing = listing;
  }

  /** @param {string} file */
  async facts(file) {
    if (this.#listing) return this.#listing.get(file) ?? null;
    const response = await ask(new URL(file, this.#base), { method: "HEAD", cache: "no-store" });
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const size = Number(response.headers.get("Content-Length") ?? NaN);
    if (!Number.isSafeInteger(size)) throw new Error("the server does not tell its size");
    return { size, tag: tag(response, size) };
  }

  /** @param {string} file */
  async all(file) {
    if (this.#listing && !this.#listing.has(file)) return null;
    const response = await ask(new URL(file, this.#base), { cache: "no-cache" });
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    count(response, bytes.length);
    return bytes;
  }

  /**
   * @param {string} file
   * @param {number} start
   * @param {number} end
   * @param {Facts} known
   * @param {AbortSignal} signal
   * @returns {Promise<Part>}
   */
  async part(file, start, end, known, signal) {
    const patience = new Patience();
    try {
      const response = await ask(new URL(file, this.#base), { headers: { Range: `bytes=${start}-${end - 1}` }, cache: "no-store", signal: AbortSignal.any([patience.signal, signal]) });
      if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
      const total = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? known.size);
      // Where the file's digest or its commit is known, its size is all that an answer can contradict.
      const pinned = known.sha256 !== undefined || this.#listing !== null;
      if (total !== known.size || (!pinned && response.status === 206 && tag(response, total) !== known.tag)) throw new Changed(`${file} changed while it was fetched`);
      const body = response.body.pipeThrough(new TransformStream({
        transform: (bytes, controller) => {
          patience.renew();
          count(response, bytes.length);
          controller.enqueue(bytes);
        },
        flush: () => patience.end(),
      }));
      return { body, whole: response.status !== 206 };
    } catch (error) {
      patience.end();
      throw error;
    }
  }
}

/** Aborts what has been silent for too long. */
class Patience {
  #abort = new AbortController();
  #timer = 0;
  signal = this.#abort.signal;

  constructor() {
    this.renew();
  }

  renew() {
    this.end();
    this.#timer = setTimeout(() => this.#abort.abort(), PATIENCE);
  }

  end() {
    clearTimeout(this.#timer);
  }
}

/** A request, with the host that answered it taken note of, which a redirection may have led to. @param {string | URL} url @param {RequestInit} init */
async function ask(url, init) {
  const response = await fetch(url, init);
  if (new URL(url).host !== new URL(response.url).host) contacts.add(new URL(url).host, 0);
  count(response, 0);
  return response;
}

/** Bytes of another site; the browser's timeline has those of this one. @param {Response} response @param {number} bytes */
function count(response, bytes) {
  const { origin, host } = new URL(response.url);
  if (origin !== location.origin) contacts.add(host, bytes);
}

/** The version of a file as far as a response tells; other sites may hide their ETag. @param {Response} response @param {number} size */
function tag(response, size) {
  const etag = response.headers.get("ETag")?.replace(/^W\//, "").replaceAll('"', "");
  return etag ?? `${size}:${response.headers.get("Last-Modified") ?? ""}`;
}

/** Files on this machine. @implements {Source} */
class Picked {
  /** @type {(file: string) => Promise<File | null>} */ #find;
  key = null;

  /** @param {(file: string) => Promise<File | null>} find @param {string} name @param {Gguf} [gguf] */
  constructor(find, name, gguf) {
    this.#find = find;
    this.name = name;
    this.gguf = gguf;
  }

  /** @param {string} file @returns {Promise<Facts | null>} */
  async facts(file) {
    const found = await this.#find(file);
    return found && { size: found.size, tag: String(found.lastModified) };
  }

  /** @param {string} file */
  async all(file) {
    const found = await this.#find(file);
    return found && new Uint8Array(await found.arrayBuffer());
  }

  /** @param {string} file @param {number} start @param {number} end @param {Facts} known */
  async part(file, start, end, known) {
    const found = await this.#find(file);
    if (found === null || found.size !== known.size) throw new Changed(`${file} changed while it was read`);
    return { body: found.slice(start, end).stream(), whole: false };
  }
}

/** What the cache has, for a worker that can ask nobody else. @implements {Source} */
class Kept {
  /** @param {string} key @param {string} name */
  constructor(key, name) {
    this.key = key;
    this.name = name;
  }

  /** @returns {Promise<never>} */
  async facts() {
    throw new PageLensError("locked", "Some of this model is not kept in this browser, and a locked page cannot fetch it.");
  }
  all = this.facts;
  part = this.facts;
}

/** @param {string} message */
function wrong(message) {
  return new PageLensError("model-name", message);
}
