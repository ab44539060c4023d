/**
 * <page-lens>: ask about a picture, in any page.
 *
 *   <script type="module" src="page-lens.js"></script>
 *   <page-lens model="models/tiny/"></page-lens>
 *
 * Attributes: model (URL of a model folder), device (auto, gpu, cpu), max-tiles, max-tokens, placeholder, sample and
 * sample-question (a picture and a question one click away), eager (load at once; otherwise with the first thing a user does).
 * Methods: attach(file), ask(question), stop(), clear(), load(). Property: ready.
 * Events, all bubbling and composed: ready {info}, progress {phase, done, total}, token {text}, answer {question, text, usage},
 * error {code, message}.
 */

import { PageLensError, createEngine, modelBytes } from "./pagelens.js";
import { View } from "./page-lens-view.js";

/** @typedef {import("./pagelens.js").EngineInfo} EngineInfo */
/** @typedef {import("./pagelens.js").Progress} Progress */
/** @typedef {import("./page-lens-view.js").Shown & { blob: Blob }} Attached */

const HTMLElement = /** @type {typeof globalThis.HTMLElement} */ (globalThis.HTMLElement ?? class {}); // importable without a browser

export class PageLensElement extends HTMLElement {
  static observedAttributes = ["model", "device", "placeholder", "sample", "sample-question"];

  #view = new View(this.attachShadow({ mode: "open" }), {
    ask: (question) => void this.ask(question).catch(shown),
    stop: () => this.stop(),
    clear: () => this.clear(),
    load: () => (this.#loading ? this.stop() : void this.load().catch(shown)),
    sample: () => void this.#trySample().catch(shown),
    attach: (files) => this.#attachAll(files),
    remove: (picture) => this.#remove(picture),
  });
  /** @type {import("./pagelens.js").Engine | null} */ #engine = null;
  /** @type {{ promise: Promise<EngineInfo>, abort: AbortController } | null} */ #loading = null;
  /** @type {AbortController | null} the question that is being answered */ #run = null;
  /** @type {Attached[]} */ #pictures = [];
  /** @type {import("./pagelens.js").ChatMessage[]} */ #history = [];
  /** @type {number | null} bytes of the model, when known */ #bytes = null;
  /** @type {WeakSet<object>} errors that are on view */ #reported = new WeakSet();
  #fetched = { done: 0, total: 0 };
  /** Share of the weights that are on the device. */ #placed = 0;
  /** @type {(info: EngineInfo) => void} */ #resolveReady = () => {};
  /** Resolves with what was loaded, once it has been; does not load by itself. @type {Promise<EngineInfo>} */
  ready = new Promise((resolve) => (this.#resolveReady = resolve));

  connectedCallback() {
    document.addEventListener("paste", this.#paste);
    this.#view.placeholder = this.getAttribute("placeholder") ?? "Ask a question";
    this.#offerSample();
    this.#idle();
    if (this.hasAttribute("eager")) void this.load().catch(shown);
    else void this.#weigh();
  }

  disconnectedCallback() {
    document.removeEventListener("paste", this.#paste);
    queueMicrotask(() => {
      if (!this.isConnected) this.#unload(); // and not when it was only moved
    });
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (!this.isConnected || before === after) return;
    if (name === "model" || name === "device") {
      this.#unload();
      void this.#weigh();
    } else if (name === "placeholder") {
      this.#view.placeholder = after ?? "";
    } else {
      this.#offerSample();
    }
  }

  /**
   * Loads the model, once. Happens by itself with the first picture or question.
   * @returns {Promise<EngineInfo>}
   */
  load() {
    if (this.#engine) return Promise.resolve(this.#engine.info);
    if (this.#loading === null) {
      const abort = new AbortController();
      this.#loading = { abort, promise: this.#load(abort.signal).finally(() => (this.#loading = null)) };
    }
    return this.#loading.promise;
  }

  /** Adds a picture for the next question. @param {Blob} file */
  attach(file) {
    this.#view.trouble(null);
    const name = file instanceof File ? file.name : `picture ${this.#pictures.length + 1}`;
    /** @type {Attached} */
    const picture = { blob: file, name, url: URL.createObjectURL(file), sent: false };
    this.#pictures.push(picture);
    this.#view.showPictures(this.#pictures, picture);
    this.#view.say(`Added ${name}.`);
    void this.load().catch(shown);
  }

  /**
   * Asks about the pictures, and streams the answer into view.
   * @param {string} question
   * @returns {Promise<string>} the whole answer; rejects with an AbortError when stopped
   */
  async ask(question) {
    if (this.#run) throw new PageLensError("busy", "The last question is still being answered; stop it first.");
    if (this.#pictures.length === 0) throw this.#fail(new PageLensError("no-picture", "There is no picture to ask about."));
    const run = (this.#run = new AbortController());
    const fresh = this.#pictures.filter((picture) => !picture.sent);
    /** @type {import("./pagelens.js").ChatMessage} */
    const message = { role: "user", content: [...fresh.map(({ blob }) => ({ type: /** @type {const} */ ("image"), image: blob })), { type: "text", text: question }] };
    let text = "";
    this.#view.trouble(null);
    this.#view.running = true;
    const turn = this.#view.addTurn(question);
    const history = this.#history;
    const keep = () => {
      history.push(message, { role: "assistant", content: text });
      for (const picture of fresh) picture.sent = true;
      this.#view.showPictures(this.#pictures);
    };
    try {
      turn.wait("Loading the model");
      const { device } = await this.load();
      if (run.signal.aborted || !this.#engine) throw new DOMException("The question was stopped.", "AbortError");
      turn.wait("Looking at the picture");
      const stream = await this.#engine.chat.completions.create({
        messages: [...history, message],
        stream: true,
        signal: run.signal,
        max_tiles: this.#number("max-tiles"),
        max_tokens: this.#number("max-tokens"),
        onProgress: ({ done, total }) => turn.wait(total > 1 ? `Looking at the picture: ${Math.min(done + 1, total)} of ${total}` : "Looking at the picture"),
      });
      /** @type {import("./pagelens.js").Usage | undefined} */
      let usage;
      for await (const chunk of stream) {
        const piece = chunk.choices[0].delta.content ?? "";
        usage = chunk.usage;
        if (piece === "") continue;
        text += piece;
        turn.append(piece);
        this.#tell("token", { text: piece });
      }
      keep();
      turn.finish(usage ? facts(usage, device) : "");
      this.#view.say(`Answer: ${text}`);
      this.#tell("answer", { question, text, usage });
      return text;
    } catch (error) {
      if (text === "") {
        turn.undo();
      } else {
        keep();
        turn.finish(aborted(error) ? "Stopped" : "Interrupted");
      }
      if (aborted(error)) this.#view.say("Stopped.");
      else this.#fail(error);
      throw error;
    } finally {
      if (this.#run === run) {
        this.#run = null;
        this.#view.running = false;
      }
      if (!this.#loading) this.#idle();
    }
  }

  /** Stops the answer, or the loading. What has been said stays. */
  stop() {
    this.#run?.abort();
    this.#loading?.abort.abort();
  }

  /** Starts a new conversation, without pictures. The model stays loaded. */
  clear() {
    this.#run?.abort();
    this.#run = null;
    this.#view.running = false;
    for (const { url } of this.#pictures) URL.revokeObjectURL(url);
    this.#pictures = [];
    this.#history = [];
    this.#view.clear();
    this.#view.showPictures([]);
    this.#view.trouble(null);
    this.#view.say("New conversation.");
  }

  // ------------------------------------------------------------------------------------------------------------ model

  /** @param {AbortSignal} signal @returns {Promise<EngineInfo>} */
  async #load(signal) {
    this.#view.say("Loading the model.");
    this.#placed = 0;
    this.#progress({ phase: "download", done: 0, total: this.#bytes ?? 0 });
    try {
      const model = this.getAttribute("model");
      if (!model) throw new PageLensError("invalid-request", "The page-lens element needs a model attribute.");
      const device = /** @type {"auto" | "gpu" | "cpu"} */ (this.getAttribute("device") ?? "auto");
      const engine = await createEngine({ model, device, signal, onProgress: (progress) => this.#progress(progress) });
      this.#engine = engine;
      this.#idle();
      this.#view.say(`The model is loaded. ${this.#where(engine.info)}.`);
      this.#resolveReady(engine.info);
      this.#tell("ready", engine.info);
      return engine.info;
    } catch (error) {
      this.#idle();
      if (!aborted(error)) this.#fail(error);
      throw error;
    }
  }

  #unload() {
    this.stop();
    void this.#engine?.dispose();
    if (this.#engine) this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
    this.#engine = null;
    this.#bytes = null;
    this.#idle();
  }

  /** Learns the size of the model, to say it before anyone decides to load it. */
  async #weigh() {
    const model = this.getAttribute("model");
    const bytes = model ? await modelBytes(model) : null;
    if (model !== this.getAttribute("model")) return;
    this.#bytes = bytes;
    if (!this.#loading) this.#idle();
  }

  /** @param {Progress} progress */
  #progress(progress) {
    const { phase, done, total } = progress;
    if (phase === "download" || phase === "cache") this.#fetched = { done, total };
    else this.#placed = total > 0 ? done / total : 0;
    const { done: bytes, total: all } = this.#fetched;
    // One bar over both: fetching is most of the time on a network, placing on the device the rest.
    const fraction = all > 0 ? 0.8 * (bytes / all) + 0.2 * this.#placed : this.#placed || -1;
    const text = all > 0 && bytes >= all ? "Preparing the model" : `Loading the model: ${all > 0 ? `${megabytes(bytes)} of ${megabytes(all)}` : megabytes(bytes)}`;
    this.#view.status("loading", text, { fraction, button: this.#run ? undefined : "Cancel" });
    this.#tell("progress", progress);
  }

  /** Shows the state between two things. */
  #idle() {
    if (this.#engine) this.#view.status("ready", this.#where(this.#engine.info));
    else this.#view.status("idle", "Runs in this tab. Nothing is sent anywhere.", { button: this.#bytes === null ? "Load model" : `Load model (${megabytes(this.#bytes)})` });
  }

  /** @param {EngineInfo} info */
  #where({ device, adapter }) {
    if (device === "gpu") return `Running on your GPU${adapter ? ` (${adapter})` : ""}`;
    if (this.getAttribute("device") === "cpu") return "Running on the CPU";
    return `Running on the CPU: ${adapter ? `the WebGPU adapter here is software (${adapter})` : "no WebGPU adapter here"}`;
  }

  // ------------------------------------------------------------------------------------------------------- what users do

  /** @param {Iterable<File>} files */
  #attachAll(files) {
    for (const file of files) {
      if (file.type === "" || file.type.startsWith("image/")) this.attach(file);
      else this.#fail(new PageLensError("not-a-picture", `${file.name} is of type ${file.type}.`));
    }
  }

  /** @param {import("./page-lens-view.js").Shown} picture */
  #remove(picture) {
    URL.revokeObjectURL(picture.url);
    this.#pictures = this.#pictures.filter((other) => other !== picture);
    this.#view.trouble(null);
    this.#view.showPictures(this.#pictures);
    this.#view.say(`Removed ${picture.name}.`);
  }

  #paste = (/** @type {ClipboardEvent} */ event) => {
    const here = event.composedPath().includes(this) || event.target === document.body;
    const files = [...(event.clipboardData?.files ?? [])];
    if (!here || files.length === 0) return;
    event.preventDefault();
    this.#attachAll(files);
  };

  #offerSample() {
    this.#view.offerSample(this.getAttribute("sample"), this.getAttribute("sample-question") ?? "What does it say?");
  }

  async #trySample() {
    const url = this.getAttribute("sample") ?? "";
    void this.load().catch(shown);
    const response = await fetch(url).catch(() => null);
    if (!response?.ok) throw this.#fail(new PageLensError("sample", `${url} could not be fetched.`));
    this.attach(new File([await response.blob()], url.split("/").at(-1) ?? "sample"));
    await this.ask(this.getAttribute("sample-question") ?? "What does it say?");
  }

  // -------------------------------------------------------------------------------------------------------------- rest

  /** @param {string} attribute */
  #number(attribute) {
    const text = this.getAttribute(attribute);
    return text === null ? undefined : Number(text);
  }

  /**
   * Shows an error in words and tells the page, once.
   * @param {unknown} error
   * @returns {unknown} the same error, to be thrown
   */
  #fail(error) {
    if (typeof error !== "object" || error === null || this.#reported.has(error)) return error;
    this.#reported.add(error);
    const code = error instanceof PageLensError ? error.code : "unexpected";
    const message = error instanceof Error ? error.message : String(error);
    const [title, advice] = WORDS[SAME[code] ?? code] ?? (this.#engine ? ["The question could not be answered.", ""] : ["The model could not be loaded.", ""]);
    const again = { label: "Try again", run: () => void this.load().catch(shown) };
    const anew = { label: "New conversation", run: () => this.clear() };
    this.#view.trouble({ title, advice, detail: message, action: code === "context-full" ? anew : this.#engine || code === "not-a-picture" || code === "no-picture" ? undefined : again });
    this.#tell("error", { code, message });
    return error;
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** What went wrong, and what to do. @type {Record<string, [string, string]>} */
const WORDS = {
  "image-decode": ["This picture cannot be read.", "Remove it and add a PNG, JPEG, WebP, GIF, BMP or TIFF file."],
  "image-too-large": ["This picture is too large.", "Remove it and add a smaller one."],
  "not-a-picture": ["This file is not a picture.", "Add a PNG, JPEG, WebP, GIF, BMP or TIFF file; of a document, take a screenshot."],
  "no-picture": ["There is no picture yet.", "Drop one on the page area, paste it, or choose it."],
  "context-full": ["This conversation has become too long for the model.", "Start a new one, or use fewer pictures."],
  sample: ["The sample could not be fetched.", "Check the connection, or use a picture of your own."],
  network: ["The model could not be fetched.", "Check the connection, then try again."],
  "missing-file": ["The model is not where this page looks for it.", "The site’s owner has to put it there."],
  "does-not-fit": ["This model is too large for this device.", "Take a smaller one."],
  "storage-full": ["There is no room to keep this model.", "Delete another one, or load it without keeping it."],
  damaged: ["The model’s files are damaged.", "The site’s owner has to put them there again."],
  "engine-missing": ["The engine could not be started.", "Reload the page. If that does not help, try a current version of your browser."],
  "engine-crashed": ["The engine stopped unexpectedly.", "Ask again: it starts afresh. If that happens again, try a smaller picture."],
  "device-lost": ["The GPU was lost.", "Ask again: it starts afresh."],
  device: ["The GPU cannot be used here.", "A browser with WebGPU is needed, or the CPU."],
};

/** Codes that need no words of their own. @type {Record<string, string>} */
const SAME = {
  "image-empty": "image-decode",
  "image-format": "image-decode",
  "image-truncated": "image-decode",
  "malformed-pack": "damaged",
  "malformed-shard": "damaged",
  "malformed-tensor": "damaged",
  "missing-tensor": "damaged",
  unverified: "damaged",
};

/** For promises whose failure is already on view. */
function shown() {}

/** @param {unknown} error */
function aborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${bytes < 99.5e6 ? (bytes / 1e6).toFixed(1) : Math.round(bytes / 1e6)} MB`;
}

/**
 * The line under an answer.
 * @param {import("./pagelens.js").Usage} usage
 * @param {string} device
 */
function facts({ ttft_ms, tokens_per_s, tiles }, device) {
  const count = tiles.reduce((sum, each) => sum + each, 0);
  const parts = [`First token ${ttft_ms < 1000 ? `${Math.round(ttft_ms)} ms` : `${(ttft_ms / 1000).toFixed(1)} s`}`];
  if (Number.isFinite(tokens_per_s) && tokens_per_s > 0) parts.push(`${tokens_per_s < 9.95 ? tokens_per_s.toFixed(1) : Math.round(tokens_per_s)} tokens/s`);
  if (count > 0) parts.push(`${count} ${count === 1 ? "tile" : "tiles"}`);
  return [...parts, device.toUpperCase()].join(" · ");
}

if (globalThis.customElements && !customElements.get("page-lens")) customElements.define("page-lens", PageLensElement);
