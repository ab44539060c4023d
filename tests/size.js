// The engine's size as a browser downloads it; fails above the budget. usage: node tests/size.js FILE MAX_BROTLI_BYTES
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [file, budget] = process.argv.slice(2);
const bytes = readFileSync(file);
const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length;
const mb = (/** @type {number} */ n) => `${(n / 1e6).toFixed(2)} MB`;
console.log(`${file}: ${mb(bytes.length)} raw, ${mb(gzipSync(bytes, { level: 9 }).length)} gzip, ${mb(brotli)} brotli (budget ${mb(Number(budget))})`);
if (brotli > Number(budget)) {
  console.error(`${file} is ${mb(brotli - Number(budget))} over its budget`);
  process.exit(1);
}
