/**
 * Places on the page that an answer names: `<ref>words</ref><box>[[x1, y1, x2, y2], ...]</box>`, the box alone, or the bare
 * list where the tags were lost. Coordinates are 0 to 1000 of the whole page, or fractions of it.
 */

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Box in fractions of the page, 0 to 1 */
/** @typedef {{ label: string, boxes: Box[], length: number }} Place `length` counts the characters that say all this */

const NUMBER = String.raw`\s*\d+(?:\.\d+)?\s*`;
const LIST = String.raw`\[\s*\[${NUMBER}(?:,${NUMBER}){3}\](?:\s*,\s*\[${NUMBER}(?:,${NUMBER}){3}\])*\s*\]`;
const PLACE = new RegExp(String.raw`(?:<ref>([^<]*)</ref>)?\s*(?:<box>\s*(${LIST})\s*</box>|(${LIST}))|<ref>([^<]*)</ref>`, "y");
/** A place that has begun at the end of a growing answer. */
const GROWING = /(?:<ref>[^<]*(?:<\/ref>\s*(?:<box>[\d\s,.[\]]*)?)?|<box>[\d\s,.[\]]*)(?:<\/?[a-z]*)?$|<\/?[a-z]{0,3}$|\[$|\[\[(?:(?!\]\])[\d\s,.[\]])*\]?$/;

/**
 * The place that is named at `at`, if one is.
 * @param {string} text
 * @param {number} at
 * @returns {Place | null}
 */
export function placeAt(text, at) {
  PLACE.lastIndex = at;
  const found = PLACE.exec(text);
  if (found === null) return null;
  const [whole, label = found[4] ?? "", tagged, bare] = found;
  const list = tagged ?? bare ?? "";
  const boxes = [...list.matchAll(/\[([^[\]]+)\]/g)].map(([, numbers]) => box((numbers ?? "").split(",").map(Number)));
  return { label, boxes, length: whole.length };
}

/** @param {number[]} numbers four of them @returns {Box} */
function box(numbers) {
  const side = numbers.reduce((sum, each) => sum + each, 0) < 4 ? 1 : 1000;
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = numbers.map((each) => Math.min(1, each / side));
  return { left: Math.min(x1, x2), top: Math.min(y1, y2), right: Math.max(x1, x2), bottom: Math.max(y1, y2) };
}

/** An answer that still grows, without a place that is not whole yet. @param {string} text */
export function settled(text) {
  return text.replace(GROWING, "");
}
