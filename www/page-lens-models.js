/** Which model: what each needs, whether it fits, what is kept here. Nothing is contacted before a click that says so. */

import { deleteModel, listModels, modelBytes, weighModel } from "./pagelens.js";
import { choices, hostOf } from "./choices.js";
import { roomHere } from "./room.js";
import { nameOf } from "./sources.js";
import { within } from "./within.js";
import { h, icon } from "./dom.js";

/** @typedef {import("./words.js").Voice} Voice */
/** @typedef {import("./words.js").Say} Say */
/** @typedef {import("./choices.js").Choice} Choice */
/** @typedef {import("./sources.js").Model} Model */
/** @typedef {"auto" | "gpu" | "cpu"} Device */
/**
 * What the element knows, and does.
 * @typedef {object} ModelsActions
 * @property {() => { own: string | null, used: Model | null, device: Device }} state
 * @property {(model: Model) => void} use
 * @property {(say: Say) => void} say
 */

export class ModelsView {
  /** @type {Voice} */ #voice;
  /** @type {ModelsActions} */ #actions;
  /** @type {import("./room.js").Room} */ #room = { bytes: 0, gpu: false };
  #close = h("button", { type: "button", class: "plain act", part: "models-close" }, icon("remove"));
  #about = h("p", { class: "hint" });
  #kept = h("p", { class: "hint", part: "models-kept" });
  #list = h("ul", { class: "models", part: "models-list", tabIndex: 0 });
  #name = h("input", { type: "text", part: "models-name", autocomplete: "off", autocapitalize: "off", spellcheck: false, placeholder: "OpenGVLab/InternVL2_5-1B" });
  #ask = h("button", { type: "submit", part: "models-ask" });
  #found = h("div", { class: "found", role: "status" });
  #folder = h("input", { type: "file", hidden: true, tabIndex: -1, webkitdirectory: true });
  #files = h("input", { type: "file", hidden: true, tabIndex: -1, multiple: true });
  node = h("dialog", { class: "choosing", part: "models-dialog", "aria-labelledby": "models-title" });

  /** @param {Voice} voice @param {ModelsActions} actions */
  constructor(voice, actions) {
    this.#voice = voice;
    this.#actions = actions;
    const title = voice.put(h("h2", { id: "models-title", class: "title" }), (words) => words.chooseModel);
    voice.put(this.#close, (words) => words.close, "aria-label");
    voice.put(this.#list, (words) => words.chooseModel, "aria-label");
    voice.put(this.#ask, (words) => words.askModel);
    const label = h("label", {}, voice.put(h("span", {}), (words) => words.anotherField), this.#name);
    const another = h("form", { class: "another" }, voice.put(h("strong", {}), (words) => words.another), label, h("div", { class: "row" },
      this.#ask, this.#picker(this.#folder, (words) => words.modelFolder), this.#picker(this.#files, (words) => words.modelFiles)), this.#found);
    this.node.append(h("header", {}, title, this.#close), voice.put(h("p", {}), (words) => words.modelsPromise), this.#about, this.#list, this.#kept, another, this.#folder, this.#files);
    this.#close.onclick = () => this.node.close();
    another.onsubmit = (event) => {
      event.preventDefault();
      void this.#weigh(this.#name.value.trim());
    };
    this.#name.oninput = () => this.#found.replaceChildren();
  }

  /** Opens the list; it is drawn by then unless the browser takes its time to tell what is kept here. */
  async open() {
    this.#found.replaceChildren();
    this.#list.replaceChildren();
    const drawn = this.#show();
    await within(drawn, undefined, 300);
    this.node.showModal();
    this.#close.focus();
    await drawn;
  }

  /** @param {HTMLInputElement} input @param {Say} say */
  #picker(input, say) {
    const button = this.#voice.put(h("button", { type: "button" }), say);
    button.onclick = () => input.click();
    input.onchange = () => {
      const files = [...(input.files ?? [])];
      input.value = "";
      if (files.length > 0) this.#use(files);
    };
    return button;
  }

  /** @param {Model} model */
  #use(model) {
    this.node.close();
    this.#actions.use(model);
  }

  /** Draws everything anew. */
  async #show() {
    const { own, used, device } = this.#actions.state();
    const [ownBytes, kept, room, storage] = await Promise.all([own === null ? null : modelBytes(own), listModels(), roomHere(device), within(navigator.storage?.estimate?.().catch(() => null) ?? null, null)]);
    this.#room = room;
    this.#voice.put(this.#about, (words) => words.modelsRoom(room));
    const bytes = kept.reduce((sum, model) => sum + model.bytes, 0);
    const free = storage?.quota === undefined ? null : Math.max(0, storage.quota - (storage.usage ?? 0));
    this.#voice.put(this.#kept, (words) => words.keptModels({ count: kept.length, bytes, free }));
    this.#list.replaceChildren(...choices(own, kept).map((choice) => this.#row(choice, used !== null && choice.model === used, choice.own ? ownBytes : null)));
  }

  /** @param {Choice} choice @param {boolean} used @param {number | null} size of the page's own */
  #row({ model, name, own, host, published, kept }, used, size) {
    const put = this.#voice.put.bind(this.#voice);
    const text = h("div", { class: "about" }, h("strong", { dir: "auto" }, name));
    if (own) text.append(put(h("span", {}), (words) => words.ownModel(size)));
    if (published) {
      text.append(put(h("span", {}), (words) => words.modelFacts(published)), put(h("span", {}), (words) => words.licence(published.licence)));
      text.append(this.#verdict(published.memory <= this.#room.bytes, published.memory));
    }
    if (kept) text.append(put(h("span", { class: "here" }), (words) => (kept.complete ? words.keptHere : words.keptPart)(kept.bytes)));
    const acts = h("div", { class: "row" });
    if (used) acts.append(put(h("span", { class: "used" }), (words) => words.inUse));
    else if (model !== null) acts.append(this.#button(model, host, kept?.complete ? 0 : published?.bytes ?? null, kept !== null));
    if (kept) {
      const bin = put(h("button", { type: "button", class: "plain act", part: "models-delete" }, icon("bin")), (words) => words.forget(name), "aria-label");
      bin.onclick = () => void this.#delete(kept.id, name);
      acts.append(bin);
    }
    return h("li", { part: "models-item" }, text, acts);
  }

  /**
   * What a click does: use what is here, or download so much from there.
   * @param {string} model @param {string} host @param {number | null} bytes null where they are not known @param {boolean} begun
   */
  #button(model, host, bytes, begun) {
    const button = h("button", { type: "button", part: "models-use" });
    this.#voice.put(button, (words) => (bytes === 0 || host === "" ? words.use : begun ? words.goOnFrom({ bytes, host }) : words.downloadFrom({ bytes, host })));
    button.onclick = () => this.#use(model);
    return button;
  }

  /** @param {boolean} fits @param {number} memory */
  #verdict(fits, memory) {
    return this.#voice.put(h("span", { class: fits ? "fits" : "large" }), (words) => (fits ? words.fitsHere : words.tooLargeHere({ memory, room: this.#room.bytes })));
  }

  /** @param {string} id @param {string} name */
  async #delete(id, name) {
    const gone = await deleteModel(id);
    this.#actions.say((words) => (gone ? words.modelDeleted(name) : words.modelBusy(name)));
    if (!gone) this.#say((words) => words.modelBusy(name));
    await this.#show();
    this.#list.focus();
  }

  /** Asks the model's host for its headers, and says what the engine makes of them. @param {string} model */
  async #weigh(model) {
    if (model === "") return this.#name.focus();
    try {
      const host = hostOf(model);
      this.#say((words) => words.askingHost(host));
      this.#ask.disabled = true;
      const fit = await weighModel({ model, device: this.#actions.state().device });
      const verdict = this.#verdict(fit.verdict !== "no", fit.memory);
      if (fit.reason !== "") verdict.append(` ${fit.reason}${fit.advice ? `: ${fit.advice}` : ""}`);
      const facts = { bytes: fit.download, memory: fit.memory, context: fit.context };
      this.#found.replaceChildren(h("strong", { dir: "auto" }, nameOf(model)), this.#voice.put(h("span", {}), (words) => words.modelFacts(facts)), verdict);
      if (fit.verdict !== "no") this.#found.append(this.#button(model, host, fit.download, false));
    } catch (error) {
      const { message, code } = /** @type {{ message: string, code?: string }} */ (error);
      this.#say((words) => `${words.errors[code ?? ""]?.[0] ?? words.errors.load?.[0]} ${message}`);
    } finally {
      this.#ask.disabled = false;
    }
  }

  /** @param {Say} say */
  #say(say) {
    this.#found.replaceChildren(this.#voice.put(h("span", {}), say));
  }
}
