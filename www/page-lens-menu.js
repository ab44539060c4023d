/** What is needed now and then: export, import, the other language, and clearing everything. */

import { h, icon } from "./dom.js";

/** @typedef {import("./words.js").Voice} Voice */
/**
 * @typedef {object} MenuActions
 * @property {() => void} exportChat
 * @property {() => void} importChat
 * @property {() => void} language
 * @property {() => void} clearAll
 */

export class MenuView {
  #button = h("button", { type: "button", class: "plain act", part: "menu", ariaExpanded: "false" }, icon("more"));
  #list = h("div", { class: "menu", part: "menu-list", hidden: true });
  #export = h("button", { type: "button" });
  #clear = h("button", { type: "button", class: "danger" });
  #sure = false;
  /** @type {Voice} */ #voice;
  node = h("div", { class: "more" }, this.#button, this.#list);

  /** @param {Voice} voice @param {MenuActions} actions */
  constructor(voice, actions) {
    this.#voice = voice;
    voice.put(this.#button, (words) => words.menu, "aria-label");
    voice.put(this.#button, (words) => words.menu, "title");
    this.#button.onclick = () => this.#open(this.#list.hidden === true);
    this.node.onkeydown = (event) => {
      if (event.key !== "Escape" || this.#list.hidden) return;
      this.#open(false);
      this.#button.focus();
    };
    this.node.addEventListener("focusout", (event) => {
      if (!(event.relatedTarget instanceof Node && this.node.contains(event.relatedTarget))) this.#open(false);
    });
    const item = (/** @type {HTMLButtonElement} */ button, /** @type {import("./words.js").Say} */ say, /** @type {() => void} */ run) => {
      voice.put(button, say);
      button.onclick = () => {
        this.#button.focus();
        this.#open(false);
        run();
      };
      return button;
    };
    this.#clear.onclick = () => {
      if (!this.#sure) return this.#ask(true);
      this.#button.focus();
      this.#open(false);
      actions.clearAll();
    };
    this.#list.append(
      item(this.#export, (words) => words.exportChat, actions.exportChat),
      item(h("button", { type: "button" }), (words) => words.importChat, actions.importChat),
      item(h("button", { type: "button", part: "language" }), (words) => words.language, actions.language),
      this.#clear,
    );
    this.#ask(false);
  }

  /** @param {boolean} anything whether there is something to export */
  set exportable(anything) {
    this.#export.disabled = !anything;
  }

  /** @param {boolean} open */
  #open(open) {
    this.#list.hidden = !open;
    this.#button.ariaExpanded = String(open);
    this.#ask(false);
  }

  /** @param {boolean} sure whether the next click clears */
  #ask(sure) {
    this.#sure = sure;
    this.#voice.put(this.#clear, (words) => (sure ? words.clearAllSure : words.clearAll));
  }
}
