/** Static files over HTTP for the tests: MIME types, ranges, a strict policy on everything, and a mock model on request. */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

const www = fileURLToPath(new URL("../../www/", import.meta.url));
const site = fileURLToPath(new URL("../../site/", import.meta.url));
/** Where a built site is served: not at the root. */
export const subpath = "some/where/";
const here = fileURLToPath(new URL("./", import.meta.url));
const golden = fileURLToPath(new URL("../golden/", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/** A file that is made as it is asked for: its size, and bytes `start..end`. @typedef {{ size: number, read: (start: number, end: number) => Buffer }} Made */
/** @typedef {{ method: string, path: string, range: string | undefined, status: number, sent: number }[]} Log what was asked for, in order, and how many bytes were sent */

export const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self' blob:; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'";

export const chunkBytes = 4 << 20;
/** Bytes of the mock model's one shard, in three chunks; the mock engine checks them. */
export const shardBytes = 9_000_000;
/** Bytes of the larger mock models, in eight chunks: "big" is a pack, "raw" a checkpoint. */
export const bigBytes = 30_000_000;
const shards = { tiny: pattern(shardBytes), big: pattern(bigBytes), raw: pattern(bigBytes) };
const sha256 = (/** @type {Buffer} */ bytes) => createHash("sha256").update(bytes).digest("hex");
const manifests = { tiny: manifest(shards.tiny), big: manifest(shards.big), raw: Buffer.from(JSON.stringify({ raw: true, shards: [{ file: { name: "shard.bin" } }] })) };

/** @param {number} length */
function pattern(length) {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => at % 251));
}

/** @param {Buffer} shard */
function manifest(shard) {
  const chunks = Array.from({ length: Math.ceil(shard.length / chunkBytes) }, (_, index) => sha256(shard.subarray(index * chunkBytes, (index + 1) * chunkBytes)));
  return Buffer.from(JSON.stringify({ format: 1, name: "mock", tokenizer: { name: "tokenizer.json", size: 0, sha256: sha256(Buffer.alloc(0)), chunks: [] }, shards: [{ file: { name: "shard.bin", size: shard.length, sha256: sha256(shard), chunks } }] }));
}

/**
 * What goes wrong with one answer: it ends after `cut` bytes, is an error of this `status`, has bit 0 of byte `flip` turned, or
 * is the `whole` file.
 * @typedef {{ cut?: number, status?: number, flip?: number, whole?: boolean }} Fault
 */

/**
 * @param {{ mock?: boolean, ranges?: boolean, pause?: number, strict?: boolean, blobs?: boolean, storage?: boolean, made?: Map<string, Made> }} [options] `made` are files by their paths; without `strict` there is no policy; without `blobs` it allows no worker from a blob; without `storage` nothing can be kept; `pause` is the time in ms that each 64 KiB of the
 *   mock model takes; without `ranges` the server answers every request with the whole file
 */
export async function serve({ mock = false, ranges = true, pause = 0, strict = true, blobs = true, storage = true, made = new Map() } = {}) {
  /** @type {Log} */
  const log = [];
  /** @type {Promise<void>} */
  let gate = Promise.resolve();
  /** @type {(path: string, range: string | undefined) => Fault} */
  let fault = () => ({});
  let etag = "1";
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const making = made.get(path);
    let bytes = making ? null : await read(path, mock);
    if (!storage && path === "/cache.js" && bytes) bytes = Buffer.from(bytes.toString().replace("navigator.storage.getDirectory()", "Promise.reject()"));
    const size = making?.size ?? bytes?.length ?? 0;
    const headers = { ...(strict && { "Content-Security-Policy": blobs ? policy : policy.replace("worker-src 'self' blob:", "worker-src 'self'") }), "Cache-Control": "no-store", "Content-Type": types[extname(path.endsWith("/") ? "index.html" : path)] ?? "application/octet-stream" };
    if (path.startsWith("/models/")) Object.assign(headers, { ETag: `"${etag}"` });
    let status = bytes === null && !making ? 404 : 200;
    const { cut, status: refused, flip, whole } = path.startsWith("/models/") && request.method === "GET" ? fault(path, request.headers.range) : {};
    if (refused !== undefined) [status, bytes] = [refused, Buffer.alloc(0)];
    else if (status === 200 && range && ranges && !whole) {
      status = 206;
      Object.assign(headers, { "Content-Range": `bytes ${range[1]}-${range[2]}/${size}` });
      const [start, end] = [Number(range[1]), Number(range[2]) + 1];
      bytes = making ? making.read(start, end) : bytes?.subarray(start, end) ?? null;
    } else if (making && request.method === "GET") bytes = making.read(0, size);
    if (path === "/models/tiny/shard.bin" && range && Number(range[1]) > 0) await gate;
    if (bytes !== null && flip !== undefined) {
      bytes = Buffer.from(bytes);
      bytes[flip % bytes.length] ^= 1;
    }
    const entry = { method: request.method ?? "", path, range: request.headers.range, status, sent: 0 };
    log.push(entry);
    response.writeHead(status, { ...headers, "Content-Length": request.method === "HEAD" ? size : bytes?.length ?? 0 });
    if (bytes !== null && cut !== undefined) {
      entry.sent = cut % bytes.length;
      response.write(bytes.subarray(0, entry.sent), () => response.destroy());
      return;
    }
    if (bytes !== null && pause > 0 && path.startsWith("/models/")) {
      for (let at = 0; at < bytes.length && !response.destroyed; at += 65536) {
        const piece = bytes.subarray(at, at + 65536);
        response.write(piece);
        entry.sent += piece.length;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    } else if (bytes !== null) {
      response.write(bytes);
      if (request.method === "GET") entry.sent = bytes.length;
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the test server has no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    log,
    /** Keeps all but the first chunk of the mock model back, until the answer is called. */
    hold: () => {
      let release = () => {};
      gate = new Promise((resolve) => (release = resolve));
      return release;
    },
    /** What goes wrong with each answer of a model's file from here on. @param {(path: string, range: string | undefined) => Fault} next */
    spoil: (next) => void (fault = next),
    /** The models' files become other versions of themselves. @param {string} next */
    version: (next) => void (etag = next),
    close: () => new Promise((resolve) => {
      server.close(() => resolve(undefined));
      server.closeAllConnections();
    }),
  };
}

/** `pagelens serve`, at the address that it prints. @param {string} program */
export async function spawnServe(program) {
  const child = spawn(program, ["serve", "--port", "0", "--dir", www], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    let said = "";
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${program} serve ended with ${code}: ${said}`)));
    child.stdout.on("data", (text) => {
      const found = /http:\/\/[^\s/]+/.exec((said += text));
      if (found) resolve(`${found[0]}/`);
    });
  });
  return {
    url,
    close: () => new Promise((resolve) => {
      child.removeAllListeners("exit").on("exit", resolve);
      child.kill();
    }),
  };
}

/** @param {string} path @param {boolean} mock @returns {Promise<Buffer | null>} */
async function read(path, mock) {
  if (path.endsWith("/")) path += "index.html";
  if (mock && path === "/pkg/pagelens.js") return readFile(join(here, "mock_pkg.js"));
  if (mock && path === "/pkg/pagelens_bg.wasm") return Buffer.from("\0asm\x01\0\0\0", "latin1");
  const [, model, file] = /^\/models\/(tiny|big|raw)\/(.+)$/.exec(path) ?? [];
  if (mock && model && file === "manifest.json") return manifests[/** @type {keyof shards} */ (model)];
  if (mock && model && file === "shard.bin") return shards[/** @type {keyof shards} */ (model)];
  if (mock && path.startsWith("/models/")) return null;
  // The golden checkpoints, as a folder and as repositories of a host that lists nothing.
  const [, checkpoint] = /^\/(?:checkpoints|hub\/golden)\/((?:gguf\/)?[\w-]+(?:\/resolve\/v1)?\/[\w.-]+)$/.exec(path) ?? [];
  const [root, inside] = checkpoint ? [golden, checkpoint.replace("/resolve/v1", "")] : path.startsWith("/fixtures/") ? [here, path] : path.startsWith(`/${subpath}`) ? [site, path.slice(subpath.length + 1)] : [www, path];
  const found = join(root, inside);
  if (!normalize(found).startsWith(root) || found.endsWith(sep)) return null;
  return readFile(found).catch(() => null);
}
