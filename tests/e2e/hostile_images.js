/** Files that claim to be pictures: made by script from small sound ones, each wrong or strange in its own way. */

import { readFile } from "node:fs/promises";
import { deflateSync } from "node:zlib";
import { chunk, claiming, png } from "./png.js";

const sound = (/** @type {string} */ name) => readFile(new URL(`../golden/pictures/${name}`, import.meta.url));

/** A copy with some bytes in place of others. @param {Buffer} file @param {number} at @param {number[]} bytes */
function patched(file, at, bytes) {
  const copy = Buffer.from(file);
  copy.set(bytes, at);
  return copy;
}

/** With a chunk behind the header. @param {Buffer} file a PNG @param {Buffer} added */
const behindHeader = (file, added) => Buffer.concat([file.subarray(0, 33), added, file.subarray(33)]);

/** A box of AVIF and HEIC. @param {string} type @param {Buffer} data */
function box(type, data) {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length + 8);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, data]);
}

/**
 * @param {string} elsewhere a server that nothing may be asked of
 * @returns {Promise<{ name: string, type: string, bytes: Buffer }[]>}
 */
export async function hostileImages(elsewhere) {
  /** @type {[string, Buffer][]} */
  const files = [];
  const whole = {
    png: png(64, 48),
    jpg: await sound("colour.jpg"),
    gif: await sound("animated.gif"),
    webp: await sound("lossless_alpha.webp"),
    bmp: await sound("rgb.bmp"),
    tif: await sound("rgb_lzw.tif"),
    avif: await readFile(new URL("fixtures/photo.avif", import.meta.url)),
  };
  for (const [kind, file] of Object.entries(whole)) {
    for (const share of [0.02, 0.3, 0.7, 0.98]) files.push([`cut-${share}.${kind}`, file.subarray(0, Math.max(3, Math.floor(file.length * share)))]);
    files.push([`magic.${kind}`, patched(file, 0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]);
    files.push([`rubbish.${kind}`, patched(file, Math.floor(file.length / 2), Array.from({ length: 16 }, (_, at) => (at * 83 + 7) % 256))]);
  }
  const frame = whole.jpg.findIndex((byte, at) => byte === 0xff && [0xc0, 0xc2].includes(whole.jpg[at + 1] ?? 0)) + 5;
  const riff = Buffer.from("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", "latin1");
  const sizes = { zero: [0, 0, 0, 0], huge: [255, 255, 255, 255] };
  for (const [name, size] of Object.entries(sizes)) {
    files.push([`${name}.jpg`, patched(whole.jpg, frame, size)], [`${name}.gif`, patched(whole.gif, 6, size)]);
    files.push([`${name}.bmp`, patched(whole.bmp, 18, [...size.map((byte) => byte && 127), ...size.map((byte) => byte && 127)])]);
  }
  files.push(["huge.webp", riff], ["zero.png", claiming(0, 0)], ["huge.png", claiming(2 ** 31 - 1, 2 ** 31 - 1)], ["no-width.png", claiming(0, 9)]);
  files.push(["bomb.png", claiming(50_000, 50_000, Buffer.alloc(50_000_000))], ["short.png", claiming(4000, 4000)], ["long.png", claiming(1, 60_000, Buffer.alloc(120_000))]);
  files.push(["directory-loop.tif", Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 0])], ["directory-far.tif", Buffer.from([0x49, 0x49, 42, 0, 255, 255, 255, 127])]);
  files.push(["profile.png", behindHeader(whole.png, chunk("iCCP", Buffer.concat([Buffer.from("x\0\0"), deflateSync(Buffer.alloc(4096, 0xa5))])))]);
  files.push(["profile-bomb.png", behindHeader(whole.png, chunk("iCCP", Buffer.concat([Buffer.from("x\0\0"), deflateSync(Buffer.alloc(60_000_000))])))]);
  files.push(["profile.jpg", Buffer.concat([whole.jpg.subarray(0, 2), Buffer.from([0xff, 0xe2, 0, 20]), Buffer.from("ICC_PROFILE\0\x09\x01\xff\xff\xff\xff", "latin1"), whole.jpg.subarray(2)])]);
  files.push(["exif.jpg", Buffer.concat([whole.jpg.subarray(0, 2), Buffer.from([0xff, 0xe1, 0, 18]), Buffer.from("Exif\0\0MM\0*\xff\xff\xff\xff\0\0", "latin1"), whole.jpg.subarray(2)])]);
  for (const name of ["cmyk.jpg", "grey16.png", "rgba16.png", "fax4.tif", "animated.gif", "progressive.jpg", "orientation6.webp"]) files.push([name, await sound(name)]);
  for (let turn = 1; turn <= 8; turn++) files.push([`orientation${turn}.png`, await sound(`orientation${turn}.png`)]);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="fetch('${elsewhere}onload')"><script href="${elsewhere}script"/><image href="${elsewhere}image" width="9" height="9"/><foreignObject><iframe src="${elsewhere}frame"/></foreignObject></svg>`;
  files.push(["script.svg", Buffer.from(svg)], ["svg.png", Buffer.from(svg)], ["page.png", Buffer.from(`<!doctype html><script src="${elsewhere}page"></script>`)]);
  files.push(["archive.png", Buffer.concat([whole.png, Buffer.from("PK\x03\x04"), Buffer.alloc(64)])], ["script.gif", Buffer.concat([whole.gif, Buffer.from(`<script>fetch("${elsewhere}gif")</script>`)])]);
  files.push(["document.jpg", Buffer.concat([Buffer.from("%PDF-1.7\n"), whole.jpg])], ["empty.png", Buffer.alloc(0)], ["one.png", Buffer.from([0x89])], ["zeros.png", Buffer.alloc(100_000_000)]);
  files.push(["nested.heic", box("ftyp", Buffer.from("heic\0\0\0\0heic"))], ["huge.heic", Buffer.concat([box("ftyp", Buffer.from("heic\0\0\0\0heic")), Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from("meta")])]);
  files.push(["huge.avif", Buffer.concat([box("ftyp", Buffer.from("avif\0\0\0\0avif")), Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from("meta")])]);
  const types = { png: "image/png", jpg: "image/jpeg", gif: "image/gif", webp: "image/webp", bmp: "image/bmp", tif: "image/tiff", avif: "image/avif", heic: "image/heic", svg: "image/svg+xml" };
  return files.map(([name, bytes]) => ({ name, bytes, type: types[/** @type {keyof typeof types} */ (name.split(".").at(-1))] }));
}
