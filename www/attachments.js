/** What is read of a file: the picture itself, what the browser makes of it, or the pages of a document that the user picks. */

import { PageLensError } from "./error.js";
import { PdfFile, isPdf, isTiff } from "./pdf.js";

/** @typedef {{ blob: Blob, missing: string[], page: number | null }} Attachment `page` of a document; `missing` names what it lacks */

/** Kinds that the engine does not read, but most browsers do. */
const FOREIGN = /^image\/(avif|hei[cf])|\.(avif|hei[cf])$/i;

/** Whether the engine reads the file as it is. @param {Blob} file */
export function isPlain(file) {
  return !isPdf(file) && !isTiff(file) && !FOREIGN.test(file.type) && !(file instanceof File && FOREIGN.test(file.name));
}

/**
 * @param {Blob} file
 * @param {string} name
 * @param {import("./page-lens-pdf.js").PdfView} dialog asks for pages and passwords
 * @param {() => Promise<boolean>} findFont once, where text cannot be drawn for want of a font; whether there is one now
 * @returns {AsyncGenerator<Attachment>} none where the user gave up
 */
export async function* picturesOf(file, name, dialog, findFont) {
  const tiff = isTiff(file);
  if (!tiff && !isPdf(file)) {
    yield { blob: await throughBrowser(file, name), missing: [], page: null };
    return;
  }
  const pdf = new PdfFile(file);
  try {
    if (tiff) await pdf.open().catch(() => {}); // where something is wrong with the picture, the engine says it
    else if (!(await unlock(pdf, name, dialog))) return;
    if (tiff && pdf.pages <= 1) {
      yield { blob: file, missing: pdf.pages === 1 ? [] : ["further pages, if there are any"], page: null };
      return;
    }
    const wanted = pdf.pages === 1 ? [1] : await dialog.pages(name, pdf.pages, async (page, longest) => (await pdf.draw(page, longest)).picture);
    let looked = false;
    for (const page of wanted ?? []) {
      let drawn = await pdf.draw(page);
      if (drawn.needsFont && !looked && (await findFont())) drawn = await pdf.draw(page);
      looked ||= drawn.needsFont;
      yield { blob: drawn.picture, missing: drawn.missing, page };
    }
  } finally {
    pdf.close();
  }
}

/**
 * Opens a document, with a password where it needs one.
 * @param {PdfFile} pdf @param {string} name @param {import("./page-lens-pdf.js").PdfView} dialog
 * @returns {Promise<boolean>} whether it is open
 */
async function unlock(pdf, name, dialog) {
  for (let password = /** @type {string | null} */ (""); password !== null; ) {
    try {
      await pdf.open(password);
      return true;
    } catch (error) {
      if (!(error instanceof PageLensError) || error.code !== "pdf-password") throw error;
      password = await dialog.password(name, password !== "");
    }
  }
  return false;
}

/**
 * A picture of a kind that only the browser reads, as a PNG.
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<Blob>}
 */
async function throughBrowser(file, name) {
  const bitmap = await createImageBitmap(file).catch((cause) => {
    throw new PageLensError("image-decode", `${name} is damaged, or of a kind that this browser does not read.`, { cause });
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
