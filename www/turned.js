/** Pages that a user has turned, by so many quarters clockwise: how the model is shown them, and where places on them go. */

import { PageLensError } from "./error.js";

/** @typedef {import("./boxes.js").Box} Box */

/** The last picture that was made of each file, and how far it is turned. @type {WeakMap<Blob, { quarters: number, picture: Promise<Blob> }>} */
const made = new WeakMap();

/** How far to turn what is turned by `from`, so that it is turned by `to`. @param {number} from @param {number} to */
export function between(from, to) {
  return (to - from + 4) % 4;
}

/**
 * @param {Blob} file
 * @param {string} name
 * @param {number} quarters
 * @returns {Promise<Blob>} the file itself where it is not turned
 */
export async function turnedPicture(file, name, quarters) {
  if (quarters === 0) return file;
  const last = made.get(file);
  if (last?.quarters === quarters) return last.picture;
  const picture = turn(file, name, quarters);
  made.set(file, { quarters, picture });
  return picture;
}

/** @param {Blob} file @param {string} name @param {number} quarters @returns {Promise<Blob>} */
async function turn(file, name, quarters) {
  const bitmap = await createImageBitmap(file).catch((cause) => {
    throw new PageLensError("image-decode", `${name} is damaged, or of a kind that this browser does not read.`, { cause });
  });
  const { width, height } = bitmap;
  const canvas = quarters % 2 === 0 ? new OffscreenCanvas(width, height) : new OffscreenCanvas(height, width);
  const context = canvas.getContext("2d");
  context?.translate(canvas.width / 2, canvas.height / 2);
  context?.rotate((quarters * Math.PI) / 2);
  context?.drawImage(bitmap, -width / 2, -height / 2);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/png" });
}

/** A place on a page, after the page was turned. @param {Box} box @param {number} quarters @returns {Box} */
export function turnedBox(box, quarters) {
  if (quarters === 0) return box;
  const { left, top, right, bottom } = turnedBox(box, quarters - 1);
  return { left: 1 - bottom, top: left, right: 1 - top, bottom: right };
}
