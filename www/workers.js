/**
 * The workers, each started here and nowhere else: in the form that bundlers look for, and in a way that trusted.js knows.
 */

/** @typedef {"engine" | "pdf"} Kind */

let starting = false;

/** Whether one of PageLens's own workers is being started at this moment. */
export const isStarting = () => starting;

/** Runs what starts a worker. @template T @param {() => T} run @returns {T} */
export function start(run) {
  starting = true;
  try {
    return run();
  } finally {
    starting = false;
  }
}

/** A worker from its own file: it has the network that its answer's headers leave it. @param {Kind} kind @returns {Worker} */
export function startWorker(kind) {
  return start(() =>
    kind === "pdf"
      ? new Worker(new URL("./pdf-worker.js", import.meta.url), { type: "module", name: "pagelens-pdf" })
      : new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "pagelens" }),
  );
}

/** A worker from a blob: it has its page's policy. @param {Kind} kind @param {string} url @returns {Worker} */
export function startLinked(kind, url) {
  return start(() => new Worker(url, { type: "module", name: kind === "pdf" ? "pagelens-pdf" : "pagelens" }));
}
