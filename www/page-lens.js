/**
 * <page-lens>: ask about a picture or a PDF, in any page.
 *
 *   <script type="module" src="page-lens.js"></script>
 *   <page-lens model="models/tiny/"></page-lens>
 *
 * Attributes: model (URL of a model folder), device (auto, gpu, cpu), max-tiles, max-tokens, placeholder, lang (en, zh; the
 * page's own where it has none), sample and sample-question (a picture and a question one click away), eager (load at once;
 * otherwise with the first thing a user does), history (keep conversations on this device), lock (take the network away from
 * the page once the model is there, and open documents only then).
 * Methods: attach(file), ask(question), stop(), clear(), load(), exportConversation(), importConversation(file),
 * use(model).
 * Property: ready. Slot: intro, what stands there before the first question.
 * Events, all bubbling and composed: ready {info}, progress {phase, done, total}, token {text}, answer {question, text, usage},
 * error {code, message}, languagechange {lang}.
 */

import { isPlain, picturesOf } from "./attachments.js";
import { Conversation, newId } from "./conversation.js";
import { facts, perTile } from "./facts.js";
import { fetchFont } from "./font.js";
import { forget, forgetAll, keep, kept } from "./history.js";
import { Pace } from "./pace.js";
import { PageLensError, contacts, lock, modelBytes } from "./pagelens.js";
import { View } from "./page-lens-view.js";
import { PdfView } from "./page-lens-pdf.js";
import { prepareAnswers } from "./page-lens-turn.js";
import { isPdf } from "./pdf.js";
import { fontIsWanted, leave, left } from "./reload.js";
import { borrow } from "./shared.js";
import { nameOf } from "./sources.js";
import { languageOf } from "./words.js";

/** @typedef {import("./pagelens.js").EngineInfo} EngineInfo */
/** @typedef {import("./pagelens.js").Progress} Progress */
/** @typedef {import("./conversation.js").Picture} Picture */
/** @typedef {import("./conversation.js").Turn} Turn */
/** @typedef {import("./page-lens-turn.js").TurnView} TurnView */
/** @typedef {import("./words.js").Say} Say */
/** @typedef {import("./words.js").Words} Words */

const HTMLElement = /** @type {typeof globalThis.HTMLElement} */ (globalThis.HTMLElement ?? class {}); // importable without a browser

export class PageLensElement extends HTMLElement {
  static observedAttributes = ["model", "device", "placeholder", "sample", "sample-question", "lang", "max-tiles"];

  #view = new View(this.attachShadow({ mode: "open" }), {
    ask: (question) => void this.ask(question).catch(shown),
    stop: () => this.stop(),
    clear: () => this.clear(),
    load: () => (this.#loading ? this.stop() : void this.load().catch(shown)),
    models: () => void this.#chooseModel().catch((error) => this.#fail(error)),
    sample: () => void this.#trySample().catch(shown),
    attach: (files) => void this.#attachAll(files),
    remove: (picture) => this.#remove(picture),
    turn: (picture) => this.#turn(picture),
    exportChat: () => void this.#download(),
    importFile: (file) => void this.importConversation(file).catch(shown),
    reload: () => void this.#reload(),
    language: () => this.#switchLanguage(),
    clearAll: () => void this.#clearAll(),
    restore: (kept) => void this.#open(() => new Conversation(kept)).catch(shown),
    forget: (kept) => void forget(kept.id).then(() => this.#offerEarlier(), (error) => this.#fail(error)),
  });
  #pdf = new PdfView(this.#view.voice);
  /** Whether text may be left out for want of a font, without asking again. */ #fontless = false;
  /** @type {import("./pagelens.js").Engine | null} */ #engine = null;
  /** Lets the engine go, which other elements may go on using. */ #giveBack = () => {};
  /** @type {{ promise: Promise<EngineInfo>, abort: AbortController } | null} */ #loading = null;
  /** @type {AbortController | null} the question that is being answered */ #run = null;
  #conversation = new Conversation();
  /** @type {Map<Turn, TurnView>} */ #turns = new Map();
  /** @type {number | null} bytes of the model, when known */ #bytes = null;
  /** @type {Promise<File> | null} */ #fetchedSample = null;
  /** @type {Promise<unknown> | null} documents that wait for the lock */ #arriving = null;
  /** @type {Blob[]} documents that waited for it in vain */ #unopened = [];
  /** When a growing answer was last kept. */ #kept = -Infinity;
  /** Whether this browser has kept what it was given. */ #keeps = true;
  /** @type {WeakSet<object>} errors that are on view */ #reported = new WeakSet();
  #fetched = { done: 0, total: 0 };
  #pace = new Pace();
  /** Whether a download was stopped on the way. */ #paused = false;
  /** @type {import("./sources.js").Model | null} what a user has chosen in place of the attribute's */ #chosen = null;
  /** @type {Promise<import("./page-lens-models.js").ModelsView> | null} made when it is first wanted */ #models = null;
  /** Share of the weights that are on the device. */ #placed = 0;
  /** @type {(info: EngineInfo) => void} */ #resolveReady = () => {};
  /** Resolves with what was loaded, once it has been; does not load by itself. @type {Promise<EngineInfo>} */
  ready = new Promise((resolve) => (this.#resolveReady = resolve));

  connectedCallback() {
    this.shadowRoot?.append(this.#pdf.node);
    document.addEventListener("paste", this.#paste);
    lock.addEventListener("change", this.#shine);
    contacts.addEventListener("contact", this.#shine);
    contacts.watch();
    this.#speak();
    this.#view.placeholder = this.getAttribute("placeholder");
    this.#view.pages.detail = this.#number("max-tiles") ?? this.#engine?.info.max_tiles ?? 12;
    this.#offerSample();
    this.#showPictures();
    this.#idle();
    void this.#offerEarlier();
    void this.#comeBack();
    if (this.hasAttribute("eager")) void this.load().catch(shown);
    else void this.#weigh();
  }

  disconnectedCallback() {
    document.removeEventListener("paste", this.#paste);
    lock.removeEventListener("change", this.#shine);
    contacts.removeEventListener("contact", this.#shine);
    queueMicrotask(() => {
      if (!this.isConnected) this.#unload(); // and not when it was only moved
    });
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (!this.isConnected || before === after) return;
    if (name === "model" || name === "device") {
      if (name === "model") this.#chosen = null;
      this.#unload();
      void this.#weigh();
    } else if (name === "placeholder") {
      this.#view.placeholder = after;
    } else if (name === "lang") {
      this.#speak();
    } else if (name === "max-tiles") {
      this.#view.pages.detail = this.#number("max-tiles") ?? 12;
    } else {
      if (name === "sample") this.#fetchedSample = null;
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
      this.#loading = { abort, promise: this.#load(abort.signal) };
      const { promise } = this.#loading;
      const over = () => {
        if (this.#loading?.promise === promise) this.#loading = null;
        this.#shine();
      };
      promise.then(over, over);
    }
    return this.#loading.promise;
  }

  /**
   * Loads another model in place of the attribute's; the conversation stays.
   * @param {import("./sources.js").Model} model URL of a folder or a GGUF file, owner/name[@revision][/file.gguf], picked files, or a directory handle
   * @returns {Promise<EngineInfo>}
   */
  use(model) {
    this.#unload();
    this.#chosen = model === this.getAttribute("model") ? null : model;
    this.#view.trouble(null);
    this.#idle();
    void this.#weigh();
    return this.load();
  }

  /**
   * Adds a picture, or pages of a PDF, for the next question. A PDF of several pages asks which ones.
   * @param {Blob} file
   * @returns {Promise<void>} it has been added when this resolves; not before the page is locked, where it is to be
   */
  attach(file) {
    return this.#arrive(this.#attach(file));
  }

  /** Lets questions wait for documents that wait for the lock. @template T @param {Promise<T>} documents @returns {Promise<T>} */
  #arrive(documents) {
    if (!this.hasAttribute("lock") || this.#engine) return documents;
    const all = Promise.allSettled([this.#arriving, documents]).then(() => {
      if (this.#arriving === all) this.#arriving = null;
    });
    this.#arriving = all;
    return documents;
  }

  /** @param {Blob} file */
  async #attach(file) {
    this.#view.trouble(null);
    const name = file instanceof File ? file.name : this.#words.pictureName(this.#conversation.pictures.length + 1);
    const opening = this.#opening(name);
    if (opening) await opening;
    if (isPlain(file)) return this.#add({ name, blob: file, missing: [] });
    try {
      this.#view.status("loading", (words) => words.opening(name), { fraction: -1 });
      for await (const { page, ...picture } of picturesOf(file, name, this.#pdf, () => this.#findFont(file, name))) {
        this.#add({ ...picture, name: page === null ? name : this.#words.pageName({ file: name, page }) });
      }
    } catch (error) {
      throw this.#fail(error);
    } finally {
      if (!this.#loading) this.#idle();
    }
  }

  /** A font for a document that needs one, if the user wants it. @param {Blob} file @param {string} name @returns {Promise<boolean>} whether it is here now */
  async #findFont(file, name) {
    if (this.#fontless) return false;
    this.#fontless = !(await this.#pdf.font(name, lock.locked));
    if (this.#fontless) return false;
    if (lock.locked) {
      await this.#reload(file);
      return new Promise(() => {}); // the page is on its way out
    }
    return fetchFont().then(() => true, (error) => {
      this.#fail(error);
      return false;
    });
  }

  /**
   * Asks about the pictures, and streams the answer into view.
   * @param {string} question
   * @returns {Promise<string>} the whole answer; rejects with an AbortError when stopped
   */
  async ask(question) {
    if (this.#unopened.length > 0) void this.#attachAll(this.#unopened.splice(0));
    if (this.#arriving) {
      this.#view.running = true;
      await this.#arriving.finally(() => (this.#view.running = this.#run !== null));
      if (this.#conversation.pictures.length === 0) {
        this.#view.giveBack(question);
        throw new DOMException("The document could not be opened.", "AbortError");
      }
    }
    return this.#ask(question, {});
  }

  /** @param {string} question @param {{ temperature?: number, seed?: number }} sampling @returns {Promise<string>} */
  async #ask(question, sampling) {
    if (this.#run) throw new PageLensError("busy", "The last question is still being answered; stop it first.");
    if (this.#conversation.pictures.length === 0) throw this.#fail(new PageLensError("no-picture", "There is no picture to ask about."));
    const run = (this.#run = new AbortController());
    const conversation = this.#conversation;
    const fresh = conversation.fresh;
    const messages = conversation.messages(question);
    messages.catch(shown); // awaited when the model is there
    const { counted } = conversation;
    /** @type {Turn} */
    const turn = { id: newId(), question, pictures: fresh.map(({ id }) => id), turned: 0, answer: "", ending: "interrupted", usage: null, device: "" };
    turn.turned = conversation.pageOf(turn)?.turned ?? 0;
    this.#view.trouble(null);
    this.#view.running = true;
    const view = this.#addTurn(turn);
    const finish = () => {
      conversation.turns.push(turn);
      view.finish(facts(turn, this.#engine?.info.context ?? 0));
      if (conversation !== this.#conversation) return; // cleared meanwhile
      this.#showPictures();
      void this.#keep();
    };
    try {
      view.wait((words) => words.loading);
      const { device } = await this.load();
      if (run.signal.aborted || !this.#engine) throw new DOMException("The question was stopped.", "AbortError");
      turn.device = device;
      view.wait((words) => words.looking);
      const stream = await this.#engine.chat.completions.create({
        ...sampling,
        messages: await messages,
        stream: true,
        signal: run.signal,
        max_tiles: this.#view.pages.detail,
        max_tokens: this.#number("max-tokens"),
        onProgress: ({ done, total }) => view.wait((words) => (total > 1 ? words.lookingAt({ done: Math.min(done + 1, total), total }) : words.looking)),
      });
      for await (const chunk of stream) {
        const piece = chunk.choices[0].delta.content ?? "";
        turn.usage = chunk.usage ?? null;
        turn.ending = chunk.choices[0].finish_reason === "length" ? "length" : "done";
        if (piece === "") continue;
        turn.answer += piece;
        this.#keepGrowing(turn);
        view.append(piece);
        this.#view.read(view.spoken, false);
        this.#tell("token", { text: piece });
      }
      turn.device = this.#engine.info.device; // another one than at first, where the GPU was lost for good
      this.#view.following(finish);
      this.#view.read(view.spoken, true);
      if (turn.usage) this.#view.pages.know(this.#engine?.info.image_size ?? 448, perTile(turn.usage));
      this.#tell("answer", { question, text: turn.answer, usage: turn.usage ?? undefined });
      return turn.answer;
    } catch (cause) {
      const error = named(cause, counted);
      if (turn.answer === "") {
        this.#view.undo(view);
        this.#turns.delete(turn);
      } else {
        turn.ending = aborted(error) ? "stopped" : "interrupted";
        finish();
      }
      if (aborted(error)) this.#view.say((words) => words.saidStopped);
      else this.#fail(error, "answer");
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
    this.#restore(new Conversation());
    this.#view.say((words) => words.newConversation);
  }

  /** The whole conversation, pictures included, as a JSON file. @returns {Promise<Blob>} */
  exportConversation() {
    return this.#conversation.exported();
  }

  /** Shows a conversation that was exported, and goes on with it. @param {Blob} file @returns {Promise<void>} */
  async importConversation(file) {
    await this.#open(() => Conversation.imported(file).catch((error) => { throw this.#fail(error); }));
    await this.#keep();
  }

  // ------------------------------------------------------------------------------------------------------------ model

  /** @param {AbortSignal} signal @returns {Promise<EngineInfo>} */
  async #load(signal) {
    this.#view.say((words) => words.saidLoading);
    this.#placed = 0;
    this.#paused = false;
    this.#pace = new Pace();
    const model = this.#model;
    this.#progress({ phase: "download", done: 0, total: this.#bytes ?? 0 });
    try {
      if (!model) throw new PageLensError("invalid-request", "The page-lens element needs a model attribute.");
      const answers = lock.before(prepareAnswers());
      answers.catch(shown); // awaited when the model is there
      const locking = this.hasAttribute("lock");
      if (locking) void lock.before(listOfModels()).catch(shown);
      if (locking && this.hasAttribute("sample")) void lock.before(this.#sampleFile()).catch(shown);
      const { engine, giveBack } = await borrow({ model, device: this.#device, lock: locking, signal, onProgress: (progress) => this.#progress(progress) });
      this.#engine = engine;
      this.#giveBack = giveBack;
      await answers;
      this.#idle();
      if (!this.hasAttribute("max-tiles") && !this.#view.pages.chosen) this.#view.pages.detail = engine.info.max_tiles;
      this.#view.pages.know(engine.info.image_size, null);
      this.#view.say((words) => words.loaded(this.#where(engine.info)(words)));
      this.#resolveReady(engine.info);
      queueMicrotask(() => void this.#attachAll(this.#unopened.splice(0)));
      this.#tell("ready", engine.info);
      return engine.info;
    } catch (error) {
      if (!this.#loading || this.#loading.abort.signal === signal) {
        this.#paused = aborted(error) && this.#fetched.done > 0 && this.#fetched.done < this.#fetched.total;
        this.#idle();
      }
      if (!aborted(error)) this.#fail(error, "load");
      throw error;
    }
  }

  /** What is loaded: the user's choice, or the page's. */
  get #model() {
    return this.#chosen ?? this.getAttribute("model");
  }

  get #device() {
    return /** @type {"auto" | "gpu" | "cpu"} */ (this.getAttribute("device") ?? "auto");
  }

  /** The list of models, made with the first look at it. */
  async #chooseModel() {
    this.#models ??= listOfModels().then(({ ModelsView }) => {
      const view = new ModelsView(this.#view.voice, {
        state: () => ({ own: this.getAttribute("model"), used: this.#model, device: this.#device }),
        use: (model) => void this.use(model).catch(shown),
        say: (say) => this.#view.say(say),
      });
      this.shadowRoot?.append(view.node);
      return view;
    }).catch((error) => {
      this.#models = null; // asked for again the next time
      throw error;
    });
    await (await this.#models).open();
  }

  /** Loads the model again, on the CPU. */
  #withoutGpu() {
    this.#view.trouble(null);
    this.setAttribute("device", "cpu");
    void this.load().catch(shown);
  }

  #unload() {
    this.stop();
    this.#loading = null;
    this.#giveBack();
    this.#giveBack = () => {};
    this.#paused = false;
    this.#fetched = { done: 0, total: 0 };
    if (this.#engine) this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
    this.#engine = null;
    this.#bytes = null;
    this.#idle();
  }

  /** Learns the size of the model, to say it before anyone decides to load it. */
  async #weigh() {
    const model = this.#model;
    const bytes = typeof model === "string" ? await modelBytes(model) : null;
    if (model !== this.#model) return;
    this.#bytes = bytes;
    if (!this.#loading) this.#idle();
  }

  /** @param {Progress} progress */
  #progress(progress) {
    const { phase, done, total } = progress;
    if (phase === "ready") return this.#idle();
    this.#shine();
    if (phase === "restart") {
      this.#fetched = { done: 0, total: 0 };
      this.#placed = 0;
      this.#pace = new Pace();
      this.#view.say((words) => words.restarting);
    } else if (phase === "download" || phase === "cache") {
      this.#fetched = { done, total };
      this.#pace.add(done, performance.now());
    } else this.#placed = total > 0 ? done / total : 0;
    const { done: bytes, total: all } = this.#fetched;
    // One bar over both: fetching is most of the time on a network, placing on the device the rest.
    const fraction = all > 0 ? 0.8 * (bytes / all) + 0.2 * this.#placed : this.#placed || -1;
    const rate = this.#pace.rate;
    const say = (/** @type {Words} */ words) => {
      if (phase === "restart") return words.restarting;
      if (phase === "waiting") return words.waitingForTab;
      if (all > 0 && bytes >= all) return words.preparing;
      return phase === "cache" ? words.readingBytes({ done: bytes, total: all }) : words.loadingBytes({ done: bytes, total: all, rate });
    };
    const button = (/** @type {Words} */ words) => (phase === "download" && bytes > 0 && bytes < all ? words.pause : words.cancel);
    this.#view.status("loading", say, { fraction, button: this.#run ? undefined : button });
    this.#tell("progress", progress);
  }

  /** Before a document is opened: where the page is to be locked, it has to be, or has to be unable to. @param {string} name @returns {Promise<unknown> | null} */
  #opening(name) {
    if (!this.hasAttribute("lock") || this.#engine) return null;
    this.#view.waits = name;
    return this.load().finally(() => (this.#view.waits = ""));
  }

  /** Shows what the page's network is like at this moment. */
  #shine = () => {
    const state = lock.locked ? "locked" : this.#loading ? "loading" : this.#engine ? "unlocked" : "idle";
    this.#view.light.show({ state, host: contacts.latest, reason: lock.refusal ?? "unasked" });
  };

  /** Loads the page again, which opens its lock, and goes on with the conversation. @param {Blob | null} [document] to be opened then, with a font that is fetched first */
  async #reload(document = null) {
    await leave(this.#conversation, typeof this.#model === "string" ? this.#model : "", document).catch((error) => this.#fail(error));
    location.reload();
  }

  /** Goes on with the conversation that the page was loaded again with. */
  async #comeBack() {
    const font = fontIsWanted() ? fetchFont().catch((error) => void this.#fail(error)) : null;
    const { conversation, model, document } = await left().catch(() => ({ conversation: null, model: "", document: null }));
    if (conversation === null) return;
    if (model !== "" && model !== this.getAttribute("model")) this.#chosen = model;
    await this.#open(() => new Conversation(conversation)).catch(shown);
    await font;
    if (document) await this.attach(document).catch(shown);
  }

  /** Shows the state between two things. */
  #idle() {
    this.#shine();
    const bytes = this.#bytes;
    const { done, total } = this.#fetched;
    const model = this.#model;
    this.#view.model = typeof model === "string" ? nameOf(model) : null;
    if (this.#engine) this.#view.status("ready", this.#where(this.#engine.info));
    else if (this.#paused) this.#view.status("idle", (words) => words.paused({ done, total }), { fraction: total > 0 ? 0.8 * (done / total) : undefined, button: (words) => words.resume(total - done) });
    else this.#view.status("idle", (words) => words.idle, { button: (words) => (bytes === null ? words.load : words.loadSize(bytes)) });
  }

  /** @param {EngineInfo} info @returns {Say} */
  #where({ device, adapter }) {
    if (device === "gpu") return (words) => words.onGpu(adapter);
    if (this.getAttribute("device") === "cpu") return (words) => words.onCpu;
    return (words) => (adapter ? words.onCpuSoftware(adapter) : words.onCpuNoAdapter);
  }

  // ------------------------------------------------------------------------------------------------------------- pages

  /** @param {Omit<Picture, "id" | "turned">} it */
  #add(it) {
    /** @type {Picture} */
    const picture = { id: newId(), turned: 0, ...it };
    this.#conversation.pictures.push(picture);
    this.#showPictures(picture);
    this.#view.say((words) => words.added(it.name));
    void this.load().catch(shown);
  }

  /** @param {Iterable<Blob>} files */
  #attachAll(files) {
    return this.#arrive(this.#attachEach(files));
  }

  /** @param {Iterable<Blob>} files */
  async #attachEach(files) {
    const [first] = files;
    try {
      if (first) await this.#opening(first instanceof File ? first.name : "");
    } catch {
      this.#unopened.push(...files); // the next question, or the next loading, tries again
      return;
    }
    for (const file of files) {
      if (file.type === "" || file.type.startsWith("image/") || isPdf(file)) await this.attach(file).catch(shown);
      else this.#fail(new PageLensError("not-a-picture", `${file instanceof File ? file.name : "A file"} is of type ${file.type}.`));
    }
  }

  /** @param {Picture} picture */
  #remove(picture) {
    this.#conversation.pictures = this.#conversation.pictures.filter((other) => other !== picture);
    this.#view.trouble(null);
    this.#showPictures();
    this.#view.say((words) => words.removed(picture.name));
  }

  /** Turns a page a quarter further. @param {Picture} picture */
  #turn(picture) {
    picture.turned = (picture.turned + 1) % 4;
    this.#showPictures();
    this.#view.say((words) => words.turned({ name: picture.name, degrees: 90 * picture.turned }));
    if (this.#run === null) void this.#keep();
  }

  /** @param {Picture} [picked] the one to show large */
  #showPictures(picked) {
    this.#view.showPictures(this.#conversation.pictures, this.#conversation.fresh, picked);
    this.#view.menu.exportable = this.#conversation.pictures.length > 0;
  }

  #paste = (/** @type {ClipboardEvent} */ event) => {
    const here = event.composedPath().includes(this) || event.target === document.body;
    const files = [...(event.clipboardData?.files ?? [])];
    if (!here || files.length === 0) return;
    event.preventDefault();
    void this.#attachAll(files);
  };

  #offerSample() {
    const offered = this.hasAttribute("sample") && !(lock.locked && this.#fetchedSample === null);
    this.#view.offerSample(offered, (words) => this.getAttribute("sample-question") ?? words.siteSample);
    if (offered) this.#sampleFile().then((file) => this.#view.showSample(file), () => this.#view.showSample(null));
  }

  /** The sample, fetched once, since a locked page could not; shown as a blob, since policies may allow no other pictures. @returns {Promise<File>} */
  #sampleFile() {
    this.#fetchedSample ??= (async () => {
      const url = this.getAttribute("sample") ?? "";
      const response = lock.locked ? null : await fetch(url).catch(() => null);
      if (!response?.ok) throw new PageLensError("sample", `${url} could not be fetched.`);
      return new File([await response.blob()], url.split("/").at(-1) ?? "sample");
    })();
    this.#fetchedSample.catch(() => (this.#fetchedSample = null));
    return this.#fetchedSample;
  }

  async #trySample() {
    void this.load().catch(shown);
    await this.attach(await this.#sampleFile().catch((error) => { throw this.#fail(error); }));
    await this.ask(this.getAttribute("sample-question") ?? this.#words.siteSample);
  }

  // ------------------------------------------------------------------------------------------------------------- turns

  /** @param {Turn} turn @returns {TurnView} */
  #addTurn(turn) {
    const page = this.#conversation.pageOf(turn);
    const view = this.#view.addTurn(turn.question, {
      again: () => void this.#askInPlace(turn, turn.question, { temperature: OTHERWISE, seed: crypto.getRandomValues(new Uint32Array(1))[0] }),
      edit: (question) => void this.#askInPlace(turn, question, {}),
      erase: () => this.#erase(turn),
      follow: (grow) => this.#view.following(grow),
      point: (places, pointed) => this.#view.pages.point(page, turn.turned, places, pointed),
    });
    this.#turns.set(turn, view);
    return view;
  }

  /** Asks in place of a turn; what came after it is taken back. Comes to nothing: all is as before. @param {Turn} turn @param {string} question @param {{ temperature?: number, seed?: number }} sampling */
  async #askInPlace(turn, question, sampling) {
    if (this.#run) return;
    const conversation = this.#conversation;
    const taken = conversation.cut(turn);
    this.#view.remove(this.#forgetTurns(taken));
    this.#view.focus();
    const before = conversation.turns.length;
    await this.#ask(question, sampling).catch(shown);
    if (conversation !== this.#conversation || conversation.turns.length > before) return;
    conversation.turns.push(...taken);
    for (const each of taken) this.#showTurn(each);
    this.#showPictures();
  }

  /** @param {Turn} turn */
  #erase(turn) {
    if (this.#run) return;
    this.#conversation.turns = this.#conversation.turns.filter((other) => other !== turn);
    this.#view.remove(this.#forgetTurns([turn]));
    this.#showPictures();
    this.#view.focus();
    this.#view.say((words) => words.erased);
    void this.#keep();
  }

  /** @param {Turn[]} turns @returns {TurnView[]} their views */
  #forgetTurns(turns) {
    return turns.flatMap((turn) => {
      const view = this.#turns.get(turn);
      this.#turns.delete(turn);
      return view ?? [];
    });
  }

  /** @param {Turn} turn that is over */
  #showTurn(turn) {
    const view = this.#addTurn(turn);
    view.append(turn.answer);
    view.finish(facts(turn, this.#engine?.info.context ?? 0));
  }

  // ----------------------------------------------------------------------------------------------------------- keeping

  /** Shows a conversation that holds documents. @param {() => Conversation | Promise<Conversation>} read */
  async #open(read) {
    await this.#opening("");
    await prepareAnswers();
    this.#restore(await read());
  }

  /** Shows a conversation in place of the one that is on view. @param {Conversation} conversation */
  #restore(conversation) {
    this.#run?.abort();
    this.#run = null;
    this.#view.running = false;
    this.#conversation = conversation;
    this.#turns.clear();
    this.#view.clear();
    this.#view.trouble(null);
    this.#showPictures();
    for (const turn of conversation.turns) this.#showTurn(turn);
    void this.#offerEarlier();
  }

  async #keep() {
    if (!this.hasAttribute("history")) return;
    try {
      if (this.#conversation.turns.length === 0) await forget(this.#conversation.id);
      else await keep(this.#conversation.keep());
    } catch (error) {
      if (this.#keeps) this.#fail(error); // once is enough
      this.#keeps = false;
    }
  }

  /** Keeps an answer that is still being made, so that a closed tab loses no more than its last second. @param {Turn} turn */
  #keepGrowing(turn) {
    if (!this.hasAttribute("history") || performance.now() - this.#kept < 1000) return;
    this.#kept = performance.now();
    const conversation = this.#conversation.keep();
    void keep({ ...conversation, turns: [...conversation.turns, { ...turn, ending: "interrupted" }] }).catch(shown);
  }

  async #offerEarlier() {
    const all = this.hasAttribute("history") ? await kept().catch(() => []) : [];
    this.#view.offerEarlier(all.filter(({ id }) => id !== this.#conversation.id));
  }

  async #clearAll() {
    this.clear();
    await forgetAll().catch((error) => this.#fail(error));
    await this.#offerEarlier();
    this.#view.say((words) => words.clearedAll);
  }

  async #download() {
    const url = URL.createObjectURL(await this.exportConversation());
    const link = document.createElement("a");
    link.href = url;
    link.download = `${this.#conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "pagelens"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  // ---------------------------------------------------------------------------------------------------------- language

  get #words() {
    return this.#view.voice.words;
  }

  /** Takes the element's language, or the page's. */
  #speak() {
    const lang = this.getAttribute("lang") ?? this.closest("[lang]")?.getAttribute("lang") ?? globalThis.navigator.language;
    this.#view.voice.language = languageOf(lang);
  }

  #switchLanguage() {
    const lang = this.#view.voice.language === "zh" ? "en" : "zh";
    this.lang = lang;
    this.#tell("languagechange", { lang });
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
   * @param {"answer" | "load"} [otherwise] what could not be done, where the error has no words of its own
   * @returns {unknown} the same error, to be thrown
   */
  #fail(error, otherwise = "answer") {
    if (typeof error !== "object" || error === null || this.#reported.has(error)) return error;
    this.#reported.add(error);
    const code = error instanceof PageLensError ? error.code : "unexpected";
    const message = error instanceof Error ? error.message : String(error);
    const key = SAME[code] ?? code;
    const again = { label: (/** @type {Words} */ words) => words.tryAgain, run: () => void this.load().catch(shown) };
    const reload = { label: (/** @type {Words} */ words) => words.reload, run: () => void this.#reload() };
    const anew = { label: (/** @type {Words} */ words) => words.anew, run: () => this.clear() };
    const without = { label: (/** @type {Words} */ words) => words.withoutGpu, run: () => this.#withoutGpu() };
    const of = (/** @type {0 | 1} */ which) => (/** @type {Words} */ words) => (words.errors[key] ?? words.errors[otherwise])?.[which] ?? "";
    this.#view.trouble({ title: of(0), advice: of(1), detail: `${message} (${code})`, action: { "context-full": anew, locked: reload, "device-lost": without }[code] ?? (this.#engine || otherwise === "answer" ? undefined : again) });
    this.#tell("error", { code, message });
    return error;
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** The temperature of an answer that is asked for once more: the same one again would help nobody. */
const OTHERWISE = 0.7;

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
  "pdf-no-page": "pdf-page",
  "pdf-page-size": "pdf-page",
};

/** The code of the list of models, which is fetched when it is first wanted, or before the page is locked. */
function listOfModels() {
  return import("./page-lens-models.js");
}

/** For promises whose failure is already on view. */
function shown() {}

/** An error of the engine's with the name of the picture that it counts. @param {unknown} error @param {Picture[]} pictures */
function named(error, pictures) {
  if (!(error instanceof PageLensError)) return error;
  const message = error.message.replace(/^picture (\d+)\b/, (all, count) => pictures[count - 1]?.name ?? all);
  return message === error.message ? error : new PageLensError(error.code, message, { cause: error });
}

/** @param {unknown} error */
function aborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

if (globalThis.customElements && !customElements.get("page-lens")) customElements.define("page-lens", PageLensElement);
