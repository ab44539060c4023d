/** A conversation that outlives the loading anew of its page, which is the only way to open the page's lock. */

import { forget, keep, kept } from "./history.js";

/** @typedef {import("./conversation.js").Conversation} Conversation */
/** @typedef {import("./conversation.js").Kept} Kept */

const LEFT = "pagelens-left";

/** @param {Conversation} conversation @param {string} model that is wanted then */
export async function leave(conversation, model) {
  const kept = conversation.keep();
  await keep({ ...kept, id: LEFT });
  sessionStorage.setItem(LEFT, JSON.stringify({ id: kept.id, model }));
}

/** What this tab left, once. @returns {Promise<{ conversation: Kept | null, model: string }>} */
export async function left() {
  const text = sessionStorage.getItem(LEFT);
  if (text === null) return { conversation: null, model: "" };
  sessionStorage.removeItem(LEFT);
  const { id, model } = JSON.parse(text);
  const found = (await kept()).find((each) => each.id === LEFT);
  await forget(LEFT);
  return { conversation: found ? { ...found, id } : null, model };
}
