/**
 * For a page with `require-trusted-types-for 'script'`: what this folder's own files ask of the browser is allowed, by the
 * address they ask for, and nothing else is. No HTML and no script is ever made from text. Comes before the others.
 */

const files = ["worker.js", "pdf-worker.js", "bench-worker.js"].map((file) => new URL(file, import.meta.url).href);

/** @type {{ createPolicy: (name: string, rules: { createScriptURL: (url: string) => string | null }) => unknown } | undefined} */
const trustedTypes = Reflect.get(globalThis, "trustedTypes");

trustedTypes?.createPolicy("default", {
  createScriptURL(url) {
    const { href, protocol } = new URL(url, document.baseURI);
    const own = [...files, new URL("sw.js", document.baseURI).href].includes(href);
    return own || (protocol === "blob:" && href.startsWith(`blob:${location.origin}/`)) ? url : null;
  },
});
