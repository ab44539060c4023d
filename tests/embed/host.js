/** A static host like anybody's: folders, the model and the sample beside them, and no header but the types and, where one is given, a policy. */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const here = fileURLToPath(new URL("./", import.meta.url));
export const www = fileURLToPath(new URL("../../www/", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".png": "image/png", ".wasm": "application/wasm" };

/** The strictest policy that the element needs no exception from. */
export const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src blob: data:; style-src 'self'; require-trusted-types-for 'script'";
/** The same, for an element that locks its page. */
export const lockPolicy = policy.replace("worker-src 'self'", "worker-src 'self' blob:");

/**
 * @param {string} folder
 * @param {{ policy?: string, edit?: (html: string) => string }} [options] `edit` changes pages on their way
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function host(folder, { policy, edit = (html) => html } = {}) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname.replace(/\/$/, "/index.html");
    const file = normalize(join(/^\/(models|samples)\//.test(path) ? www : folder, path));
    const bytes = path === "/favicon.ico" ? "" : await readFile(file).catch(() => null); // none, without a complaint in the console
    response.writeHead(bytes === null ? 404 : 200, { "Content-Type": types[extname(file)] ?? "application/octet-stream", ...(policy && { "Content-Security-Policy": policy }) });
    response.end(bytes !== null && file.endsWith(".html") ? edit(bytes.toString()) : bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
