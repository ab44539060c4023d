/**
 * Every host that this page, or a worker of it, has heard from, and how many bytes came. Of this site's own answers the
 * browser's timeline tells the bytes; those of other sites hide them from it, and are counted where they are read
 * (sources.js). A worker has a list of its own, and tells its page.
 */

export class Contacts extends EventTarget {
  /** @type {Map<string, number>} bytes by host */ #bytes = new Map();
  /** @type {PerformanceObserver | null} */ #timeline = null;
  /** The host that was heard from last. */ latest = "";

  /** Begins to read the timeline, from its beginning. */
  watch() {
    if (this.#timeline || !globalThis.location) return;
    this.#timeline = new PerformanceObserver((entries) => this.#read(entries.getEntries()));
    for (const type of ["navigation", "resource"]) {
      if (PerformanceObserver.supportedEntryTypes.includes(type)) this.#timeline.observe({ type, buffered: true });
    }
  }

  /** Reads what the timeline would only tell in a moment. */
  flush() {
    this.#read(this.#timeline?.takeRecords() ?? []);
  }

  /** @param {PerformanceEntryList} entries */
  #read(entries) {
    for (const entry of /** @type {PerformanceResourceTiming[]} */ (entries)) {
      const { protocol, host, origin } = new URL(entry.name);
      if (/^https?:$/.test(protocol) && entry.responseStatus !== 0) this.add(host, origin === location.origin ? entry.transferSize : 0);
    }
  }

  /** @param {string} host @param {number} bytes */
  add(host, bytes) {
    this.#bytes.set(host, (this.#bytes.get(host) ?? 0) + bytes);
    this.latest = host;
    this.dispatchEvent(new CustomEvent("contact", { detail: { host, bytes } }));
  }

  /** @returns {{ host: string, bytes: number }[]} most bytes first */
  list() {
    return [...this.#bytes].map(([host, bytes]) => ({ host, bytes })).sort((a, b) => b.bytes - a.bytes);
  }
}

/** Those of this page, or of this worker. */
export const contacts = new Contacts();
