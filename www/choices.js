/** The models a user can choose from: the page's own, those that are kept on this device, and published ones. */

import { HOST, keyOf, nameOf, place } from "./sources.js";
import { MODELS } from "./models.js";

/** @typedef {Awaited<ReturnType<typeof import("./cache.js").listModels>>[number]} KeptModel */
/**
 * @typedef {object} Choice
 * @property {string | null} model what loads it; null where that is not known any more
 * @property {string} name
 * @property {boolean} own whether it comes with the page
 * @property {string} host where its files come from; empty for the page's own
 * @property {{ bytes: number, memory: number, context: number, licence: string } | null} published
 * @property {KeptModel | null} kept
 */

/**
 * @param {string | null} own the model that the page's author has set
 * @param {KeptModel[]} kept
 * @returns {Choice[]} the page's own first, then what is kept here, then the others from small to large, of one size the newest first
 */
export function choices(own, kept) {
  const address = own === null ? "" : keyOf(place(own));
  const find = (/** @type {string} */ key) => kept.find((model) => model.key === key) ?? null;
  const known = MODELS.map(({ id, revision, bytes, memory, context, licence }) => {
    const key = keyOf(place(`${id}@${revision}`));
    return { key, choice: { model: id, name: nameOf(id), own: key === address, host: new URL(HOST).host, published: { bytes, memory, context, licence }, kept: find(key) } };
  });
  const keys = new Set([address, ...known.map(({ key }) => key)]);
  const others = kept.filter(({ key }) => !keys.has(key)).map((model) => ({ model: loadable(model.key), name: model.name, own: false, host: URL.canParse(model.key) ? new URL(model.key).host : "", published: null, kept: model }));
  const published = known.map(({ choice }) => choice).reverse().sort((a, b) => a.published.bytes - b.published.bytes);
  const first = own === null || published.some((choice) => choice.own) ? [] : [{ model: own, name: nameOf(own), own: true, host: "", published: null, kept: find(address) }];
  const rank = (/** @type {Choice} */ choice) => (choice.own ? 0 : choice.kept ? 1 : 2);
  return [...first, ...others, ...published].sort((a, b) => rank(a) - rank(b));
}

/** The host that is asked for a model's files. @param {string} model */
export function hostOf(model) {
  return new URL(keyOf(place(model))).host;
}

/** What a key of the cache is called when it is loaded again. @param {string} key */
function loadable(key) {
  if (key.startsWith(`${HOST}/`)) return key.slice(HOST.length + 1);
  return /\/$|\.gguf(#|$)/.test(key) ? key : null;
}
