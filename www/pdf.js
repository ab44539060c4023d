/** A document of pages, PDF or TIFF, drawn page by page in a worker of its own (pdf-worker.js) that is ended when a page takes too long. */

import { PageLensError } from "./error.js";
import { keptFont } from "./font.js";
import { lock } from "./lock.js";
import { startWorker } from "./workers.js";

/** The longest that opening a document, or drawing one page, may take. */
const PATIENCE = 10_000;

/** @typedef {{ picture: Blob, missing: string[], needsFont: boolean }} Page a PNG, the names of what it lacks, and whether a font (font.js) would help */

export class PdfFile {
  /** @type {Blob} */ #file;
  #password = "";
  /** @type {Worker | null} */ #worker = null;
  #released = () => {};
  #ids = 0;
  /** How many pages there are. */ pages = 0;

  /** @param {Blob} file */
  constructor(file) {
    this.#file = file;
  }

  /**
   * @param {string} [password]
   * @returns {Promise<void>} rejects with the code `pdf-password` where one is needed, or another one
   */
  async open(password = "") {
    this.close();
    this.#password = password;
    const { worker, module } = lock.locked ? lock.start("pdf") : this.#unlocked();
    this.#worker = worker;
    const bytes = await this.#file.arrayBuffer();
    const { pages } = /** @type {{ pages: number }} */ (await this.#call({ type: "open", bytes, password, module }, [bytes]));
    this.pages = pages;
  }

  /**
   * @param {number} page counted from 1
   * @param {number} [longest] pixels of its longer side; where it is left out, what a model looks at
   * @returns {Promise<Page>}
   */
  async draw(page, longest = 0) {
    if (this.#worker === null) await this.open(this.#password);
    const drawn = /** @type {Page} */ (await this.#call({ type: "draw", page, longest }));
    const font = drawn.needsFont ? await keptFont() : null;
    if (font === null) return drawn;
    await this.#call({ type: "font", font }, [font]);
    return /** @type {Page} */ (await this.#call({ type: "draw", page, longest }));
  }

  /** A worker of a page that is not locked. @returns {{ worker: Worker, module?: undefined }} */
  #unlocked() {
    this.#released = lock.watch(() => this.close());
    return { worker: startWorker("pdf") };
  }

  /** Ends the worker; the next page starts another. */
  close() {
    this.#released();
    this.#worker?.terminate();
    this.#worker = null;
  }

  /**
   * One call, until its answer or the end of our patience. A worker that broke is not used again.
   * @param {{ type: string, [field: string]: unknown }} message
   * @param {Transferable[]} [transfer]
   * @returns {Promise<unknown>}
   */
  #call(message, transfer = []) {
    const worker = this.#worker;
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ code, /** @type {string} */ words) => {
        if (code !== "pdf-password") this.close();
        reject(new PageLensError(code, words));
      };
      const timer = setTimeout(() => fail("pdf-timeout", `${message.type === "open" ? "The document" : `Page ${message.page}`} was not ready after ${PATIENCE / 1000} seconds.`), PATIENCE);
      worker?.addEventListener("message", function heard({ data }) {
        if (data.id !== id) return;
        clearTimeout(timer);
        worker.removeEventListener("message", heard);
        if (data.type === "done") resolve(data.result);
        else fail(data.code, data.message);
      });
      worker?.addEventListener("error", (event) => {
        event.preventDefault();
        clearTimeout(timer);
        fail("pdf-missing", `The PDF worker could not be started: ${event.message ?? ""}`);
      });
      worker?.postMessage({ id, ...message }, transfer);
    });
  }
}

/** Whether a file is a PDF, by its type or its name. @param {Blob} file */
export function isPdf(file) {
  return file.type === "application/pdf" || (file instanceof File && /\.pdf$/i.test(file.name));
}

/** Whether a file is a TIFF, which may have several pages, by its type or its name. @param {Blob} file */
export function isTiff(file) {
  return file.type === "image/tiff" || (file instanceof File && /\.tiff?$/i.test(file.name));
}
