/**
 * What can go wrong, with a stable `code` and a message in words. Codes of the page side:
 * `invalid-request`, `remote-image`, `image-source`, `no-picture`, `busy`, `disposed`, `engine-missing`, `engine-crashed`, `device-lost`, `locked`, `schema-missing`;
 * of loading `model-name`, `network`, `missing-file`, `no-ranges`, `source-changed`, `unverified`, `storage-full`. Of a schema `schema`, `schema-vocabulary`, `schema-too-complex`. All others come from the engine as they are (`image-decode`, `context-full`, `missing-file`, ...).
 */
export class PageLensError extends Error {
  /** @param {string} code @param {string} message @param {ErrorOptions} [options] */
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
  /** @override */
  name = "PageLensError";
}

/**
 * The rejection of everything that an AbortSignal, or leaving a stream early, has ended.
 * @returns {DOMException}
 */
export function abortError() {
  return new DOMException("The request was aborted.", "AbortError");
}
