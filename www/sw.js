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
  if (kept(event.request)) event.respondWith(answer(event));
});

/** What the network sends, which nothing that is kept here holds up. @param {any} event */
async function answer(event) {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (response.ok) event.waitUntil(keep(request, response.clone()).catch(() => {})); // a full disk: it works all the same, with a network
    return response;
  } catch (error) {
    const last = await caches.match(request, { cacheName: SHELL, ignoreVary: true });
    if (last) return last;
    throw error;
  }
}

/** @param {Request} request @param {Response} response */
async function keep(request, response) {
  const shell = await caches.open(SHELL);
  await shell.put(request, response);
}
