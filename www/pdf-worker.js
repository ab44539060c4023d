/**
 * The worker that draws the pages of one document, PDF or TIFF. It has an engine of its own (pdf/src/web.rs), apart from the model's:
 * a document that hangs or breaks it takes nothing else along. pdf.js starts it, and ends it when a page takes too long.
 *
 * Page to worker, each with an `id`: open { bytes, password, module }, once, `module` being the engine where it is compiled already;
 * font { font }, for text whose own font the document does not carry; draw { page, longest }.
 * Instead of open: part { module }, which worker.js has too.
 * Worker to page, one for each: done { result } or error { code, message }. open: { pages }; font: {}; draw: { picture, missing,
 * needsFont }, a PNG, the names of what it lacks, and whether a font would help; part: what part.js says.
 */

import { compiled, partOf } from "./part.js";

/**
 * The built module, www/pdf/pdf.js.
 * @typedef {{ pages: () => number, setFont: (font: Uint8Array) => void, draw: (page: number, longest: number) => { width: number, height: number, rgba: Uint8ClampedArray<ArrayBuffer>, missing: string[], needsFont: boolean } }} PdfDocument
 * @typedef {{ default: (from: { module_or_path: WebAssembly.Module | URL }) => Promise<unknown>, PdfDocument: { open: (bytes: Uint8Array, password: string) => PdfDocument } }} PdfModule
 */
/** @typedef {{ id: number, type: "open", bytes: ArrayBuffer, password: string, module?: WebAssembly.Module } | { id: number, type: "part", module?: WebAssembly.Module } | { id: number, type: "font", font: ArrayBuffer } | { id: number, type: "draw", page: number, longest: number }} ToPdfWorker */

const post = /** @type {(message: object) => void} */ (self.postMessage.bind(self));

/** @type {PdfDocument | null} */
let opened = null;
/** @type {Promise<unknown>} */
let queue = Promise.resolve();

self.addEventListener("message", (event) => {
  const message = /** @type {ToPdfWorker} */ (event.data);
  queue = queue.then(async () => {
    try {
      post({ id: message.id, type: "done", result: await answer(message) });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      post({ id: message.id, type: "error", code: typeof code === "string" ? code : message.type === "open" ? "pdf-damaged" : "pdf-page", message: error instanceof Error ? error.message : String(error) });
    }
  });
});

/** @param {ToPdfWorker} message @returns {Promise<object>} */
async function answer(message) {
  if (message.type === "part") {
    if (message.module) await pdfModule(message.module);
    return partOf(message.module ?? (await compiled(pdfUrl())));
  }
  if (message.type === "open") {
    const { PdfDocument } = await pdfModule(message.module);
    opened = PdfDocument.open(new Uint8Array(message.bytes), message.password);
    return { pages: opened.pages() };
  }
  if (opened === null) throw new Error("no document is open");
  if (message.type === "font") {
    opened.setFont(new Uint8Array(message.font));
    return {};
  }
  const { width, height, rgba, missing: lacks, needsFont } = opened.draw(message.page, message.longest);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return { picture: await canvas.convertToBlob({ type: "image/png" }), missing: lacks, needsFont };
}

/** Where the engine is: in a worker from a file. */
const pdfUrl = () => new URL("./pdf/pdf_bg.wasm", import.meta.url);

/** @param {WebAssembly.Module} [module] @returns {Promise<PdfModule>} */
async function pdfModule(module) {
  /** @type {PdfModule} */
  const pdf = await import(/* webpackMode: "eager" */ /** @type {string} */ ("./pdf/pdf.js")).catch(missing);
  await pdf.default({ module_or_path: module ?? pdfUrl() }).catch(missing);
  return pdf;
}

/** @param {Error} error @returns {never} */
function missing(error) {
  throw Object.assign(new Error(`The PDF module (pdf/pdf.js) could not be started: ${error.message}`), { code: "pdf-missing" });
}
