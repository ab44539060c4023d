/**
 * Keeps the page and the engine for when there is no network: the network first, what it last sent otherwise. Models and
 * the font are no business of this file: cache.js and font.js keep them, verified.
 */

const SHELL = "pagelens-shell";
const scope = /** @type {any} */ (self);

/** Whether this worker keeps a request's answer. @param {Request} request */
function kept(request) {
  const { origin, pathname } = new URL(request.url);
  return request.method === "GET" && origin === location.origin && !/\/(models|fonts)\//.test(pathname) && !request.headers.has("Range");
}

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  if (kept(event.request)) event.respondWith(answer(event.request));
});

/** @param {Request} request */
async function answer(request) {
  const shell = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok) await shell.put(request, response.clone());
    return response;
  } catch (error) {
    const last = await shell.match(request, { ignoreVary: true });
    if (last) return last;
    throw error;
  }
}
