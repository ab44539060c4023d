/** PDF documents for the tests, written by hand: good ones, and every kind of bad one that we could think of. */

import { deflateSync } from "node:zlib";

/** @typedef {string | Buffer} Body */

/**
 * A document of numbered objects; object 1 is the catalog.
 * @param {Body[]} objects
 * @param {string} [trailer] more of the trailer
 */
export function document(objects, trailer = "") {
  const parts = [Buffer.from("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "latin1")];
  const offsets = objects.map((body, at) => {
    const offset = parts.reduce((sum, part) => sum + part.length, 0);
    parts.push(Buffer.from(`${at + 1} 0 obj\n`), Buffer.from(body), Buffer.from("\nendobj\n"));
    return offset;
  });
  const start = parts.reduce((sum, part) => sum + part.length, 0);
  const lines = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  parts.push(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${lines}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${start}\n%%EOF\n`));
  return Buffer.concat(parts);
}

/** @param {Body} data @param {string} [entries] @returns {Buffer} */
export function stream(data, entries = "") {
  const bytes = Buffer.from(data);
  return Buffer.concat([Buffer.from(`<< /Length ${bytes.length} ${entries} >>\nstream\n`), bytes, Buffer.from("\nendstream")]);
}

/**
 * Pages of A4, each with a word.
 * @param {string[]} words
 * @param {{ font?: string, media?: string, y?: number, show?: (word: string) => string }} [options]
 */
export function pages(words, { font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", media = "0 0 595 842", y = 400, show = (word) => `(${word})` } = {}) {
  const kids = words.map((_, at) => `${4 + 2 * at} 0 R`).join(" ");
  return document([
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Count ${words.length} /Kids [${kids}] >>`,
    font,
    ...words.flatMap((word, at) => [`<< /Type /Page /Parent 2 0 R /MediaBox [${media}] /Resources << /Font << /F 3 0 R >> >> /Contents ${5 + 2 * at} 0 R >>`, stream(`BT /F 64 Tf 60 ${y} Td ${show(word)} Tj ET`)]),
  ]);
}

/** One page with this content, resources and further objects, which begin with number 5. @param {Body} content @param {string} resources @param {Body[]} more @param {string} [page] */
function page(content, resources, more, page = "/MediaBox [0 0 595 842]") {
  return document(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", `<< /Type /Page /Parent 2 0 R ${page} /Resources << ${resources} >> /Contents 4 0 R >>`, stream(content), ...more]);
}

const form = (/** @type {number} */ next) => stream(`${"/X Do ".repeat(10)}`, `/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Resources << /XObject << /X ${next} 0 R >> >>`);
const image = (/** @type {string} */ entries, /** @type {Body} */ data) => page("100 0 0 100 0 0 cm /I Do", "/XObject << /I 5 0 R >>", [stream(data, `/Type /XObject /Subtype /Image ${entries}`)]);

/** Text in a Chinese font that the document does not carry. */
export const chinese = () => pages(["4F60597D"], { font: "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>] >>", show: (hex) => `<${hex}>` });

/** @type {Record<string, () => Buffer>} */
export const hostile = {
  "no document at all": () => Buffer.from("%PDF-1.7\nnothing follows"),
  "an empty file": () => Buffer.alloc(0),
  "cut off in the middle": () => pages(["One", "Two"]).subarray(0, 500),
  "no pages": () => document(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 0 /Kids [] >>"]),
  "a tree of pages that contains itself": () => document(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1000000 /Kids [2 0 R 2 0 R] >>"]),
  "forms within forms, ten to the tenth": () => page("/X Do", "/XObject << /X 5 0 R >>", [...Array.from({ length: 10 }, (_, at) => form(6 + at)), stream("0 0 10 10 re f", "/Type /XObject /Subtype /Form /BBox [0 0 100 100]")]),
  "a form that draws itself": () => page("/X Do", "/XObject << /X 5 0 R >>", [form(5)]),
  "a page as wide as the sky": () => page("0 0 m", "", [], "/MediaBox [0 0 1e30 10]"),
  "a page without a size": () => page("0 0 m", "", [], "/MediaBox [0 0 0 0]"),
  "a picture of ten gigapixels": () => image("/Width 100000 /Height 100000 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /FlateDecode", deflateSync(Buffer.alloc(1000))),
  "a stream that unpacks to a gigabyte": () => image("/Width 1000 /Height 1000 /BitsPerComponent 8 /ColorSpace /DeviceGray /Filter [/FlateDecode /FlateDecode]", deflateSync(deflateSync(Buffer.alloc(200_000_000)))),
  "a damaged JPEG 2000": () => image("/Width 100 /Height 100 /Filter /JPXDecode", Buffer.from("0000000c6a5020200d0a870a00000014667479706a703220ffffffff", "hex")),
  "brackets a hundred thousand deep": () => page("0 0 m", "", ["[".repeat(100_000)]),
  "a state saved a million times": () => page("q ".repeat(1_000_000), "", []),
  "a pattern painted with itself": () => page("/Pattern cs /P scn 0 0 500 500 re f", "/Pattern << /P 5 0 R >>", [stream("/Pattern cs /P scn 0 0 9 9 re f", "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 10 10] /XStep 0.001 /YStep 0.001 /Resources << /Pattern << /P 5 0 R >> >>")]),
  "tables that point at each other": () => Buffer.from("%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 1 /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF\n"),
  "a script, a link and an attachment": () => document(["<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (app.launchURL\\('http://127.0.0.1/'\\)) >> >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Annots [<< /Subtype /Link /Rect [0 0 100 100] /A << /S /URI /URI (http://127.0.0.1/) >> >>] >>"]),
};
