/** Asks which pages of a document to add, for its password, and whether to fetch a font that it needs. */

import { formatPages, parsePages } from "./pages.js";
import { h } from "./dom.js";
import { FONT_BYTES } from "./font.js";

/** @typedef {import("./words.js").Voice} Voice */
/** @typedef {import("./words.js").Say} Say */

/** Longer side of a small picture of a page, in pixels. */
const SMALL = 200;
/** Most small pictures that are drawn; pages beyond are chosen by number. */
const MOST_SMALL = 200;

export class PdfView {
  /** @type {Voice} */ #voice;
  node = h("dialog", { class: "pdf", part: "pdf" });

  /** @param {Voice} voice */
  constructor(voice) {
    this.#voice = voice;
  }

  /**
   * @param {string} file its name
   * @param {boolean} wrong whether one was given that does not open it
   * @returns {Promise<string | null>} null where the user gave up
   */
  password(file, wrong) {
    const field = h("input", { type: "password", part: "pdf-password", autocomplete: "off", required: true });
    const problem = this.#voice.put(h("p", { class: "problem", role: "alert", hidden: !wrong }), (words) => words.passwordWrong);
    const form = this.#form((words) => words.password(file), this.#labelled((words) => words.passwordField, field), problem);
    const submit = this.#voice.put(h("button", { type: "submit", class: "primary" }), (words) => words.unlock);
    return this.#ask(form, submit, () => field.value, field);
  }

  /**
   * @param {string} file its name
   * @param {boolean} locked whether the page has to be loaded again for it
   * @returns {Promise<boolean>} whether the font is to be fetched
   */
  async font(file, locked) {
    const about = this.#voice.put(h("p", { class: "about" }), (words) => (locked ? words.fontAboutLocked(file) : words.fontAbout));
    const form = this.#form((words) => words.fontNeeded(file), about);
    const submit = this.#voice.put(h("button", { type: "submit", class: "primary", part: "pdf-font" }), (words) => (locked ? words.fontReload : words.fontFetch)(FONT_BYTES));
    return (await this.#ask(form, submit, () => true, submit, (words) => words.fontLeave)) === true;
  }

  /**
   * @param {string} file its name
   * @param {number} count pages there are
   * @param {(page: number, longest: number) => Promise<Blob>} draw
   * @returns {Promise<number[] | null>} null where the user gave up
   */
  async pages(file, count, draw) {
    /** @type {Set<number>} */
    let chosen = new Set([1]);
    let last = 1;
    const field = h("input", { type: "text", part: "pdf-pages", autocomplete: "off", inputMode: "text", value: "1" });
    const submit = h("button", { type: "submit", class: "primary", part: "pdf-add" });
    const grid = h("div", { class: "grid" });
    const buttons = Array.from({ length: Math.min(count, MOST_SMALL) }, (_, at) => {
      const button = h("button", { type: "button", class: "small" }, h("span", { class: "blank" }), h("span", {}, String(at + 1)));
      this.#voice.put(button, (words) => words.pageOf(at + 1), "aria-label");
      button.onclick = (event) => {
        const page = at + 1;
        if (event.shiftKey) for (let each = Math.min(last, page); each <= Math.max(last, page); each++) chosen.add(each);
        else if (!chosen.delete(page)) chosen.add(page);
        last = page;
        field.value = formatPages([...chosen].sort((a, b) => a - b));
        show();
      };
      return button;
    });
    const show = () => {
      const parsed = parsePages(field.value, count);
      if (parsed !== null) chosen = new Set(parsed);
      for (const [at, button] of buttons.entries()) button.ariaPressed = String(chosen.has(at + 1));
      field.ariaInvalid = String(parsed === null);
      submit.disabled = parsed === null || parsed.length === 0;
      this.#voice.put(submit, (words) => words.addPages(chosen.size));
    };
    field.oninput = show;
    grid.append(...buttons);
    show();
    const form = this.#form((words) => words.whichPages({ file, pages: count }), this.#labelled((words) => words.pageRange, field), grid);
    /** @type {string[]} */
    const urls = [];
    const drawing = this.#drawAll(buttons, draw, urls);
    const answer = await this.#ask(form, submit, () => parsePages(field.value, count), field);
    await drawing;
    for (const url of urls) URL.revokeObjectURL(url);
    return answer;
  }

  /**
   * One page after the other, while the question is open. A page that cannot be drawn keeps its number.
   * @param {HTMLElement[]} buttons @param {(page: number, longest: number) => Promise<Blob>} draw @param {string[]} urls
   */
  async #drawAll(buttons, draw, urls) {
    await Promise.resolve();
    for (const [at, button] of buttons.entries()) {
      if (!this.node.open) return;
      const picture = await draw(at + 1, SMALL).catch(() => null);
      if (picture === null) continue;
      const url = URL.createObjectURL(picture);
      urls.push(url);
      button.querySelector(".blank")?.replaceWith(h("img", { src: url, alt: "" }));
    }
  }

  /** @param {Say} title @param {...HTMLElement} children */
  #form(title, ...children) {
    const id = "pdf-title";
    this.node.setAttribute("aria-labelledby", id);
    return h("form", { method: "dialog" }, this.#voice.put(h("p", { id, class: "title", dir: "auto" }), title), ...children);
  }

  /** @param {Say} say @param {HTMLElement} field */
  #labelled(say, field) {
    return h("label", {}, this.#voice.put(h("span", {}), say), field);
  }

  /**
   * @template T
   * @param {HTMLFormElement} form @param {HTMLButtonElement} submit @param {() => T} value @param {HTMLElement} first @param {Say} [otherwise]
   * @returns {Promise<T | null>}
   */
  #ask(form, submit, value, first, otherwise = (words) => words.cancel) {
    const cancel = this.#voice.put(h("button", { type: "button" }), otherwise);
    form.append(h("div", { class: "buttons" }, cancel, submit));
    this.node.replaceChildren(form);
    this.node.showModal();
    first.focus();
    return new Promise((resolve) => {
      let answer = /** @type {T | null} */ (null);
      cancel.onclick = () => this.node.close();
      form.onsubmit = (event) => {
        event.preventDefault();
        answer = value();
        this.node.close();
      };
      this.node.onclose = () => resolve(answer);
    });
  }
}
