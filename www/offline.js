/** Lets the page open without a network after its first visit: registers sw.js, and tells it what was loaded before it. */

const workers = globalThis.navigator?.serviceWorker;
if (workers) {
  workers.register("sw.js").then(async () => {
    const { active } = await workers.ready;
    active?.postMessage([location.href, ...performance.getEntriesByType("resource").map(({ name }) => name)]);
  }).catch(() => {}); // private browsing, or a page that is not secure: it works all the same, with a network
}
