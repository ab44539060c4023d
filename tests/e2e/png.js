/** A plain PNG of a given size, to tell pictures apart by. */

import { crc32, deflateSync } from "node:zlib";

/** @param {number} width @param {number} height @returns {Buffer} */
export function png(width, height) {
  return marked(width, height, { left: 0, top: 0, right: 0, bottom: 0 });
}

/** One with a black mark at a place. @param {number} width @param {number} height @param {import("../../www/boxes.js").Box} mark */
export function marked(width, height, { left, top, right, bottom }) {
  const rows = Buffer.alloc(height * (width + 1), 0xee);
  for (let row = 0; row < height; row++) {
    const start = row * (width + 1);
    rows[start] = 0; // no filter
    if (row >= top * height && row < bottom * height) rows.fill(0, start + 1 + left * width, start + 1 + right * width);
  }
  return claiming(width, height, rows);
}

/** A PNG that says it is so large. @param {number} width @param {number} height @param {Buffer} [rows] of its pixels, not compressed */
export function claiming(width, height, rows = Buffer.alloc(16)) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8); // 8-bit grey
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

/** @param {string} type @param {Buffer} data */
export function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  const check = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
