/** Browsers leave some questions unanswered: how much they let a site keep, which GPU there is. */

/**
 * What is answered in time, or `otherwise`.
 * @template T
 * @param {Promise<T>} answer
 * @param {T} otherwise
 * @param {number} [ms] time enough for a driver to start
 * @returns {Promise<T>}
 */
export function within(answer, otherwise, ms = 5000) {
  return Promise.race([answer, new Promise((/** @type {(value: T) => void} */ resolve) => setTimeout(resolve, ms, otherwise))]);
}
