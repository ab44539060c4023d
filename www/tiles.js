/**
 * What the model makes of a page, known from its size alone: the grid of tiles that the engine will cut it into
 * (src/vision/tiles.rs; the tests hold the two to the same grids).
 */

/** @typedef {{ cols: number, rows: number, thumbnail: boolean, tokens: number }} Plan `tokens` are those of all tiles */

/** Patches of 14 pixels, four of which become one token. */
const PIXELS_PER_TOKEN = 28;

/**
 * @param {number} width of the page, in pixels
 * @param {number} height
 * @param {number} most tiles, the thumbnail not counted
 * @param {number} side of a tile, in pixels
 * @returns {Plan}
 */
export function plan(width, height, most, side) {
  const { cols, rows } = grid(width, height, most, side);
  const thumbnail = cols * rows > 1;
  return { cols, rows, thumbnail, tokens: (cols * rows + Number(thumbnail)) * (side / PIXELS_PER_TOKEN) ** 2 };
}

/**
 * The grid whose ratio is the closest to the page's; an exact tie goes to more tiles only where the page has more than half
 * of their pixels.
 * @param {number} width @param {number} height @param {number} most @param {number} side
 */
function grid(width, height, most, side) {
  const candidates = [];
  for (let cols = 1; cols <= most; cols++) {
    for (let rows = 1; rows <= Math.floor(most / cols); rows++) candidates.push({ cols, rows });
  }
  candidates.sort((a, b) => a.cols * a.rows - b.cols * b.rows);
  let best = { cols: 1, rows: 1 };
  let least = Infinity;
  for (const candidate of candidates) {
    const { cols, rows } = candidate;
    const difference = Math.abs(width / height - cols / rows);
    if (difference < least || (difference === least && width * height > 0.5 * side * side * cols * rows)) {
      least = difference;
      best = candidate;
    }
  }
  return best;
}
