/**
 * The font for Chinese, Japanese and Korean text of documents that carry none for it: megabytes, and so fetched from this
 * site only once somebody has agreed, and kept then in this site's caches, where a locked page finds it too.
 */

import { sha256 } from "./cache.js";
import { PageLensError } from "./error.js";
import { lock } from "./lock.js";

/** What is fetched, in bytes. */
export const FONT_BYTES = 5_177_387;
const SHA256 = "2420e8078af796b19a3f6ef13de527a1a91c1e7171eea115926c614ced1009b3";
const CACHE = "pagelens-font";
/** Its name in the cache, wherever this version of the site has it. */
const KEY = `/pagelens-font/${SHA256}`;

/** For browsers and pages that keep nothing. @type {Blob | null} */
let fetched = null;

/** The font, where it is here already. @returns {Promise<ArrayBuffer | null>} */
export async function keptFont() {
  if (fetched !== null) return fetched.arrayBuffer();
  const answer = await globalThis.caches?.open(CACHE).then((cache) => cache.match(KEY)).catch(() => undefined);
  return answer ? answer.arrayBuffer() : null;
}

/** Fetches and keeps the font; the page is not locked before that is over. @returns {Promise<void>} rejects with the code `font` */
export function fetchFont() {
  return lock.before(fetchVerified());
}

async function fetchVerified() {
  const address = new URL("./fonts/cjk.ttc", import.meta.url);
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const bytes = await answer.arrayBuffer();
    if ((await sha256(new Uint8Array(bytes))) !== SHA256) throw new Error("it is not the file that was expected");
    fetched = new Blob([bytes]);
  } catch (cause) {
    throw new PageLensError("font", `${address.pathname}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  await globalThis.caches?.open(CACHE).then((cache) => cache.put(KEY, new Response(fetched))).catch(() => {}); // private browsing, or a full disk: it serves this page
}
