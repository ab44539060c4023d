/** What an answer cost, in a line. */

/** @typedef {import("./pagelens.js").Usage} Usage */
/** @typedef {import("./conversation.js").Turn} Turn */
/** @typedef {import("./words.js").Say} Say */

/** Milliseconds that a tile took, from the question to the first token. @param {Usage} usage */
export function perTile({ ttft_ms, tiles }) {
  const count = tiles.reduce((sum, each) => sum + each, 0);
  return count > 0 ? ttft_ms / count : null;
}

/**
 * The line under an answer.
 * @param {Turn} turn
 * @param {number} context tokens that fit; 0 where that is not known
 * @returns {Say}
 */
export function facts({ ending, usage }, context) {
  return (words) => {
    if (ending === "stopped") return words.stopped;
    if (ending === "interrupted") return words.interrupted;
    if (usage === null) return "";
    const { ttft_ms, tokens_per_s, completion_tokens, total_tokens, tiles } = usage;
    const count = tiles.reduce((sum, each) => sum + each, 0);
    const parts = [words.firstToken(ttft_ms)];
    if (Number.isFinite(tokens_per_s) && tokens_per_s > 0) parts.push(words.rate(tokens_per_s));
    parts.push(words.made(completion_tokens));
    if (count > 0) parts.push(words.tiles(count));
    if (context > 0) parts.push(words.used({ used: total_tokens, context }));
    if (ending === "length") parts.push(words.cutShort);
    return parts.join(" · ");
  };
}
