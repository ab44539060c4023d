/** Lists of pages as people write them: `1-3,7`. */

/**
 * @param {string} text
 * @param {number} count pages there are
 * @returns {number[] | null} in order, each once; null where the text says something else
 */
export function parsePages(text, count) {
  /** @type {Set<number>} */
  const pages = new Set();
  for (const part of text.split(/[,，、;\s]+/).filter((each) => each !== "")) {
    const found = /^(\d+)(?:[-–—~](\d+))?$/.exec(part);
    const first = Number(found?.[1]);
    const last = Number(found?.[2] ?? first);
    if (!found || first < 1 || last < first || last > count) return null;
    for (let page = first; page <= last; page++) pages.add(page);
  }
  return [...pages].sort((a, b) => a - b);
}

/** @param {number[]} pages in order */
export function formatPages(pages) {
  /** @type {string[]} */
  const parts = [];
  for (let at = 0; at < pages.length; ) {
    let end = at;
    while (pages[end + 1] === (pages[end] ?? 0) + 1) end++;
    parts.push(end === at ? `${pages[at]}` : `${pages[at]}-${pages[end]}`);
    at = end + 1;
  }
  return parts.join(",");
}
