/** A light that says what the page's network is like, and, one click away, what that means and which hosts were heard from. */

import { contacts } from "./contacts.js";
import { h, icon } from "./dom.js";

/** @typedef {import("./words.js").Voice} Voice */
/** @typedef {{ state: "idle" | "loading" | "locked" | "unlocked", host: string, reason: import("./lock.js").Refusal | "unasked" }} Light */

export class LightView {
  #label = h("span", {});
  #title = h("h2", { class: "title", id: "light-title" });
  #meaning = h("p", {});
  #reload = h("button", { type: "button" });
  #caption = h("caption", {});
  #rows = h("tbody", {});
  /** @type {Light | null} */ #light = null;
  /** @type {Voice} */ #voice;
  button = h("button", { type: "button", class: "plain light", part: "light" }, icon("lock"), this.#label);
  dialog = h("dialog", { class: "lights", part: "light-dialog" });

  /** @param {Voice} voice @param {() => void} reload opens the page's lock */
  constructor(voice, reload) {
    this.#voice = voice;
    const close = voice.put(h("button", { type: "button", class: "primary" }), (words) => words.close);
    const heads = [voice.put(h("th", { scope: "col" }), (words) => words.host), voice.put(h("th", { scope: "col" }), (words) => words.received)];
    const hosts = h("table", { part: "hosts" }, this.#caption, h("thead", {}, h("tr", {}, ...heads)), this.#rows);
    const limits = voice.put(h("p", { class: "hint" }), (words) => words.lockLimits);
    this.button.setAttribute("aria-haspopup", "dialog");
    this.dialog.setAttribute("aria-labelledby", this.#title.id);
    this.dialog.append(this.#title, this.#meaning, hosts, limits, h("div", { class: "buttons" }, this.#reload, close));
    voice.put(this.#caption, (words) => words.hosts);
    voice.put(this.#reload, (words) => words.reload);
    close.onclick = () => this.dialog.close();
    this.#reload.onclick = reload;
    this.button.onclick = () => {
      this.#list();
      this.dialog.showModal();
    };
  }

  /** @param {Light} light */
  show(light) {
    if (this.dialog.open) this.#list();
    const { state, host, reason } = light;
    if (this.#light?.state === state && this.#light.host === host && this.#light.reason === reason) return;
    this.#light = light;
    this.button.dataset.state = state;
    this.#reload.hidden = state !== "locked";
    for (const node of [this.#label, this.#title]) this.#voice.put(node, (words) => words.lights[state](host));
    this.#voice.put(this.#meaning, (words) => (state === "unlocked" ? words.unlockedBecause[reason] : words.lightMeans[state]));
  }

  #list() {
    this.#rows.replaceChildren(...contacts.list().map(({ host, bytes }) => h("tr", {}, h("td", {}, host), this.#voice.put(h("td", {}), (words) => words.bytes(bytes)))));
  }
}
