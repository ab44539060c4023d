/** What the page side reads of a pack's manifest.json: which files there are, and how long. The engine reads all of it. */

/**
 * @param {Uint8Array} manifest
 * @returns {Map<string, number>} bytes of each file of the pack, or none where this is no manifest
 */
export function packFiles(manifest) {
  try {
    const { tokenizer, shards } = JSON.parse(new TextDecoder().decode(manifest));
    const files = [tokenizer, ...shards.map((/** @type {{ file: object }} */ shard) => shard.file)];
    if (files.every(({ name, size }) => typeof name === "string" && Number.isSafeInteger(size) && size >= 0)) return new Map(files.map(({ name, size }) => [name, size]));
  } catch {
    // the engine says what is wrong with it
  }
  return new Map();
}

/** @param {Map<string, number>} files @returns {number} */
export function totalBytes(files) {
  return [...files.values()].reduce((sum, size) => sum + size, 0);
}
