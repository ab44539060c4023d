/**
 * Lets the page open without a network after its first visit: registers sw.js, and asks once more for what was loaded before
 * that could keep it. The page asks, since sw.js takes no orders: a page that is locked must not have it fetch anything.
 */

import { lock } from "./lock.js";
import { within } from "./within.js";
import { start } from "./workers.js";

/** How long the page's lock waits for what is asked again, in ms: the next visit keeps the rest. */
const LONGEST = 10_000;
const workers = globalThis.navigator?.serviceWorker;

async function offline() {
  await lock.before(start(() => workers.register("sw.js")));
  if (!workers.controller) await new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
  if (lock.locked) return;
  const loaded = [location.href, ...performance.getEntriesByType("resource").map(({ name }) => name)];
  await lock.before(within(askAgain(loaded.filter((name) => name.startsWith("http"))), undefined, LONGEST));
}

/** One after the other, so that the page can be used meanwhile. @param {string[]} addresses */
async function askAgain(addresses) {
  for (const address of addresses) if (!lock.locked) await fetch(address);
}

if (workers && !workers.controller) offline().catch(() => {}); // private browsing, or a page that is not secure: it works all the same, with a network
