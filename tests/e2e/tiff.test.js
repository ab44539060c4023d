/** TIFF files of several pages on the demo page: the built module (www/pdf) in its worker, in front of a mock engine. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, visit } from "./browser.js";
import { serve } from "./server.js";

/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve({ mock: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** See make_pages.py. */
const document = () => readFile(new URL("fixtures/pages.tif", import.meta.url));

/**
 * A little-endian file of directories, one behind the other; each value is a number of 32 bits.
 * @param {Record<number, number>[]} directories
 * @param {number} [after] where the last one points
 */
function tiff(directories, after = 0) {
  const parts = [Buffer.from("II*\0\x08\0\0\0", "latin1")];
  let at = 8;
  for (const [index, tags] of directories.entries()) {
    const entries = Object.entries(tags);
    const directory = Buffer.alloc(6 + 12 * entries.length);
    directory.writeUInt16LE(entries.length);
    for (const [each, [tag, value]] of entries.entries()) {
      directory.writeUInt16LE(Number(tag), 2 + 12 * each);
      directory.writeUInt16LE(4, 4 + 12 * each);
      directory.writeUInt32LE(1, 6 + 12 * each);
      directory.writeUInt32LE(value, 10 + 12 * each);
    }
    at += directory.length;
    directory.writeUInt32LE(index + 1 < directories.length ? at : after, directory.length - 4);
    parts.push(directory);
  }
  return Buffer.concat(parts);
}

/** What a page says of itself: by tags, a grey picture of one strip. @param {number} width @param {number} height @param {Record<number, number>} [more] */
const page = (width, height, more = {}) => ({ 256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 278: height, 279: 100, ...more });

/**
 * Opens a file as the page does; of small pages the pixels come along.
 * @param {import("playwright-core").Page} tab
 * @param {Buffer} file
 * @param {number[]} [wanted] all where none are given
 * @returns {Promise<{ pages: number, drawn: { code: string, width: number, height: number, missing: string[], pixels: number[] }[], took: number }>}
 */
function drawn(tab, file, wanted) {
  return tab.evaluate(
    async ({ data, wanted }) => {
      const { PdfFile } = await import(/** @type {string} */ ("/pdf.js"));
      const file = new PdfFile(new Blob([Uint8Array.from(atob(data), (character) => character.charCodeAt(0))]));
      const began = performance.now();
      const pictures = [];
      const nothing = { width: 0, height: 0, missing: [], pixels: [] };
      try {
        await file.open();
        for (const page of wanted ?? Array.from({ length: file.pages }, (_, at) => at + 1)) {
          try {
            const { picture, missing } = await file.draw(page);
            const bitmap = await createImageBitmap(picture);
            const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
            context?.drawImage(bitmap, 0, 0);
            const pixels = bitmap.width < 100 ? [...(context?.getImageData(0, 0, bitmap.width, bitmap.height).data ?? [])] : [];
            pictures.push({ code: "drawn", width: bitmap.width, height: bitmap.height, missing, pixels });
          } catch (error) {
            pictures.push({ ...nothing, code: /** @type {any} */ (error).code });
          }
        }
      } catch (error) {
        pictures.push({ ...nothing, code: /** @type {any} */ (error).code });
      }
      file.close();
      return { pages: file.pages, drawn: pictures, took: performance.now() - began };
    },
    { data: file.toString("base64"), wanted },
  );
}

test("a page comes out the same from every compression, and upright, its pixels square", () =>
  visit(browser.context, `${server.url}fixtures/blank.html`, async (tab) => {
    const { pages, drawn: pictures } = await drawn(tab, await document());
    assert.equal(pages, 14, "a smaller copy is no page");
    assert.deepEqual([...new Set(pictures.map(({ code, width, height }) => `${code} ${width} ${height}`))], ["drawn 85 120"]);
    assert.ok(pictures.every(({ missing }) => missing.length === 0));
    const pixels = pictures.map((picture) => picture.pixels);
    const at = (/** @type {number} */ number, /** @type {number} */ x, /** @type {number} */ y) => pixels[number - 1]?.slice(4 * (y * 85 + x), 4 * (y * 85 + x) + 3);
    assert.deepEqual([at(1, 0, 0), at(1, 5, 60), at(1, 47, 80)], [[0, 0, 0], [255, 255, 255], [0, 0, 0]]);
    assert.deepEqual([at(8, 15, 18), at(8, 5, 60), at(8, 85 / 2 | 0, 60)], [[200, 30, 30], [255, 255, 255], [20, 40, 160]]);
    for (const number of [2, 3, 4, 5, 6, 7]) assert.deepEqual(pixels[number - 1], pixels[0], `black and white, page ${number}`);
    for (const number of [9, 10, 11, 14]) assert.deepEqual(pixels[number - 1], pixels[7], `colour, page ${number}`);
    const apart = (/** @type {number} */ one, /** @type {number} */ other) => (pixels[one - 1] ?? []).reduce((sum, level, at) => sum + Math.abs(level - (pixels[other - 1]?.[at] ?? 0)), 0) / (85 * 120 * 3);
    assert.ok(apart(12, 8) < 8, `JPEG is ${apart(12, 8)} levels away`);
    assert.ok(apart(13, 1) < 20, `half as many rows are ${apart(13, 1)} levels away`);
  }));

test("pages are chosen as those of a PDF; a TIFF of one page asks nothing, and stays the file it is", () =>
  visit(browser.context, server.url, async (tab) => {
    const part = (/** @type {string} */ name) => tab.locator(`page-lens [part=${name}]`);
    const choose = async (/** @type {string} */ name, /** @type {Buffer} */ buffer) => tab.locator("page-lens input[type=file][multiple][accept]").setInputFiles({ name, mimeType: "image/tiff", buffer });
    await choose("fax.tif", await document());
    await part("pdf").locator("img").nth(13).waitFor();
    await part("pdf-pages").fill("2-3,13");
    await tab.keyboard.press("Enter");
    await part("thumbnails").locator("li").nth(2).waitFor();
    await part("field").fill("?");
    await part("field").press("Enter");
    await part("answer").filter({ hasText: "the last of 3 pictures is 85 by 120 pixels" }).waitFor();
    await choose("one.tif", await readFile(new URL("../golden/pictures/rgb_lzw.tif", import.meta.url)));
    await part("thumbnails").locator("li").nth(3).waitFor();
    assert.deepEqual(await tab.locator("page-lens .pick").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("aria-label"))), ["Show fax.tif, page 2", "Show fax.tif, page 3", "Show fax.tif, page 13", "Show one.tif"]);
    assert.equal(await part("missing").isVisible(), false);
  }));

test("hostile TIFF files: a typed error or a page within the time", () =>
  visit(browser.context, `${server.url}fixtures/blank.html`, async (tab) => {
    const whole = await document();
    /** @type {Record<string, { file: Buffer, codes: RegExp }>} */
    const hostile = {
      "nothing but its first bytes": { file: whole.subarray(0, 8), codes: /^pdf-damaged$/ },
      "cut in the middle": { file: whole.subarray(0, whole.length / 2), codes: /^(drawn|pdf-page|pdf-damaged)$/ },
      "directories that lead back to the first": { file: tiff([page(10, 10), page(10, 10)], 8), codes: /^(drawn|pdf-page)$/ },
      "ten gigapixels": { file: tiff([page(10, 10), page(100_000, 100_000)]), codes: /^(drawn|pdf-page)$/ },
      "a fax of 64 megapixels without rows": { file: tiff([page(8000, 8000, { 258: 1, 259: 4, 262: 0 })]), codes: /^drawn$/ },
      "a strip beyond the end": { file: tiff([page(10, 10, { 273: 0xffff_fff0 }), page(10, 10, { 259: 3, 258: 1, 273: 0xffff_fff0 })]), codes: /^(drawn|pdf-page)$/ },
      "a fax whose rows are of another page": { file: tiff([page(1000, 10, { 258: 1, 259: 4 }), page(10, 1000, { 258: 1, 259: 2 })]), codes: /^drawn$/ },
      "three thousand pages": { file: tiff(Array.from({ length: 3000 }, () => page(1, 1))), codes: /^pdf-too-long$/ },
      "only masks": { file: tiff([page(10, 10, { 254: 4 })]), codes: /^pdf-empty$/ },
      "no pixels": { file: tiff([page(0, 0), page(10, 0)]), codes: /^pdf-damaged$/ },
      "an unknown compression": { file: tiff([page(10, 10, { 259: 34_661 }), page(10, 10)]), codes: /^(drawn|pdf-page)$/ },
      "a pixel stretched a billion times": { file: tiff([page(1, 10, { 282: 1, 283: 1_000_000_000 })]), codes: /^drawn$/ },
    };
    for (const [name, { file, codes }] of Object.entries(hostile)) {
      const { drawn: pictures, took } = await drawn(tab, file);
      assert.ok(pictures.length > 0 && pictures.every(({ code }) => codes.test(code)), `${name}: ${JSON.stringify(pictures.map(({ code }) => code))}`);
      assert.ok(took < 21_000, `${name}: ${took} ms`);
    }
    const { drawn: fax } = await drawn(tab, hostile["a strip beyond the end"]?.file ?? whole, [2]);
    assert.deepEqual(fax.map(({ missing }) => missing), [["damaged rows"]], "what is not there is named");
  }));
