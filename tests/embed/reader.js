/** What a visitor does with an element, wherever it is: on a page, in a frame, in an extension. */

import assert from "node:assert/strict";
import { pages } from "../e2e/pdf.js";

/** @param {import("playwright-core").Page | import("playwright-core").FrameLocator} place */
export function reader(place) {
  const part = (/** @type {string} */ name) => place.locator(`page-lens [part=${name}]`);
  return {
    element: place.locator("page-lens"),
    light: part("light"),
    /** Has the sample read, and a page of a PDF. */
    read: async () => {
      await part("sample").click();
      await place.locator("page-lens [part=timing]:not([hidden])").waitFor();
      assert.equal(await part("answer").textContent(), "INVOICE");
      const buffer = pages(["INVOICE"], { media: "0 0 460 230", y: 92 });
      await place.locator("page-lens input[type=file][multiple]").setInputFiles({ name: "word.pdf", mimeType: "application/pdf", buffer });
      await place.getByRole("button", { name: "Remove word.pdf, page 1" }).waitFor();
    },
    /** Has the list of models fetched and shown. */
    openModels: async () => {
      await part("models").click();
      await place.locator("page-lens [part=models-dialog]").waitFor();
    },
  };
}
