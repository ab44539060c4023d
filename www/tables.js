/** Tables of an answer as text that spreadsheets read. */

/**
 * RFC 4180. A cell that a spreadsheet would run as a formula is kept as text by an apostrophe, since it comes from a model.
 * @param {HTMLTableElement} table
 * @returns {string}
 */
export function csv(table) {
  return [...table.rows].map((row) => [...row.cells].map((cell) => field(cell.textContent ?? "")).join(",")).join("\r\n") + "\r\n";
}

/** @param {string} text */
function field(text) {
  const plain = /^[-+]?[\d.,\s]*%?$/.test(text) ? text : text.replace(/^(?=[=+\-@\t\r])/, "'");
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
