/** Static files over HTTP for the tests: MIME types, ranges, a strict policy on everything, and a mock model on request. */

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

const www = fileURLToPath(new URL("../../www/", import.meta.url));
const site = fileURLToPath(new URL("../../site/", import.meta.url));
/** Where a built site is served: not at the root. */
export const subpath = "some/where/";
const here = fileURLToPath(new URL("./", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/** @typedef {{ path: string, range: string | undefined, status: number }[]} Log what was asked for, in order */

export const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' blob:; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'";

/** Bytes of the mock model's one shard; the mock engine checks them. */
export const shardBytes = 3_000_000;
const shard = Buffer.from(Uint8Array.from({ length: shardBytes }, (_, at) => at % 251));
const manifest = Buffer.from(JSON.stringify({ format: 1, name: "mock", tokenizer: { name: "tokenizer.json", size: 0 }, shards: [{ file: { name: "shard.bin", size: shardBytes } }] }));

/**
 * @param {{ mock?: boolean, ranges?: boolean, pause?: number, strict?: boolean }} [options] without `strict` there is no policy; `pause` is the time in ms that each 64 KiB of the
 *   mock model takes; without `ranges` the server answers every request with the whole file
 */
export async function serve({ mock = false, ranges = true, pause = 0, strict = true } = {}) {
  /** @type {Log} */
  const log = [];
  /** @type {Promise<void>} */
  let gate = Promise.resolve();
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    let bytes = await read(path, mock);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const headers = { ...(strict && { "Content-Security-Policy": policy }), "Cache-Control": "no-store", "Content-Type": types[extname(path.endsWith("/") ? "index.html" : path)] ?? "application/octet-stream" };
    let status = bytes === null ? 404 : 200;
    if (bytes !== null && range && ranges) {
      status = 206;
      Object.assign(headers, { "Content-Range": `bytes ${range[1]}-${range[2]}/${bytes.length}` });
      bytes = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    }
    if (path === "/models/tiny/shard.bin" && range && Number(range[1]) > 0) await gate;
    log.push({ path, range: request.headers.range, status });
    response.writeHead(status, { ...headers, "Content-Length": bytes?.length ?? 0 });
    if (bytes !== null && pause > 0 && path.startsWith("/models/")) {
      for (let at = 0; at < bytes.length && !response.destroyed; at += 65536) {
        response.write(bytes.subarray(at, at + 65536));
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    } else if (bytes !== null) {
      response.write(bytes);
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the test server has no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    log,
    /** Keeps all but the first quarter of the mock model back, until the answer is called. */
    hold: () => {
      let release = () => {};
      gate = new Promise((resolve) => (release = resolve));
      return release;
    },
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
  if (mock && path === "/models/tiny/manifest.json") return manifest;
  if (mock && path === "/models/tiny/shard.bin") return shard;
  if (mock && path.startsWith("/models/")) return null;
  const [root, rest] = path.startsWith("/fixtures/") ? [here, path] : path.startsWith(`/${subpath}`) ? [site, path.slice(subpath.length + 1)] : [www, path];
  const file = join(root, rest);
  if (!normalize(file).startsWith(root) || file.endsWith(sep)) return null;
  return readFile(file).catch(() => null);
}
