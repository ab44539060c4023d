/** A conversation that outlives the loading anew of its page, which is the only way to open the page's lock. */

import { forget, keep, kept } from "./history.js";

/** @typedef {import("./conversation.js").Conversation} Conversation */
/** @typedef {import("./conversation.js").Kept} Kept */

const LEFT = "pagelens-left";

/** @typedef {Kept & { document?: Blob | null }} Left with a document that is to be opened then */

/** @param {Conversation} conversation @param {string} model that is wanted then @param {Blob | null} document that needs a font */
export async function leave(conversation, model, document) {
  const kept = conversation.keep();
  await keep(/** @type {Left} */ ({ ...kept, id: LEFT, document }));
  sessionStorage.setItem(LEFT, JSON.stringify({ id: kept.id, model, font: document !== null }));
}

/** Whether a font is to be fetched before what this tab left is opened. */
export function fontIsWanted() {
  return JSON.parse(sessionStorage.getItem(LEFT) ?? "{}").font === true;
}

/** What this tab left, once. @returns {Promise<{ conversation: Kept | null, model: string, document: Blob | null }>} */
export async function left() {
  const text = sessionStorage.getItem(LEFT);
  if (text === null) return { conversation: null, model: "", document: null };
  sessionStorage.removeItem(LEFT);
  const { id, model } = JSON.parse(text);
  const found = /** @type {Left | undefined} */ ((await kept()).find((each) => each.id === LEFT));
  await forget(LEFT);
  if (!found) return { conversation: null, model, document: null };
  const { document = null, ...conversation } = found;
  return { conversation: { ...conversation, id }, model, document };
}
