/** A question and its answer in <page-lens>: how it grows, what can be done with it, and the places it names. */

import { csv } from "./tables.js";
import { h, icon } from "./dom.js";

/** @typedef {import("./words.js").Voice} Voice */
/** @typedef {import("./words.js").Say} Say */
/** @typedef {import("./boxes.js").Box} Box */
/** @typedef {{ box: Box, words: HTMLElement }} Named a place on the page, and the words that name it */
/**
 * What a user can do with a turn.
 * @typedef {object} TurnActions
 * @property {() => void} again
 * @property {(question: string) => void} edit asks the changed question in place of this one
 * @property {() => void} erase
 * @property {(grow: () => void) => void} follow grows the answer, and keeps its end in view where it was
 * @property {(places: Named[], pointed: HTMLElement | null) => void} point shows the places, and one of them in particular
 */

/** @type {typeof import("./markdown.js") | null} */
let code = null;

/** Fetches what answers are made with: three libraries, more than the rest of the page, and of no use before there is an answer. */
export async function prepareAnswers() {
  code ??= await import("./markdown.js");
}

/** What was fetched. */
function markdown() {
  if (code === null) throw new Error("answers are shown before they were prepared");
  return code;
}

export class TurnView {
  /** @type {Voice} */ #voice;
  /** @type {TurnActions} */ #actions;
  /** @type {string} */ #question;
  #raw = "";
  #shown = 0;
  #asked = h("div", { class: "asked" });
  #wait = h("p", { class: "wait", part: "wait" });
  #thought = h("div", { class: "text" });
  #thoughts = h("details", { class: "thoughts", part: "thoughts", hidden: true });
  #text = h("div", { class: "answer text", part: "answer" });
  #facts = h("span", {});
  #acts = h("div", { class: "acts", part: "actions" });
  #timing = h("div", { class: "timing", part: "timing", hidden: true }, this.#facts, this.#acts);
  /** @type {import("./markdown.js").Answer | null} */ #answer = null;
  /** @type {import("./markdown.js").Answer | null} */ #thinking = null;
  node = h("li", { class: "turn busy" }, this.#asked, this.#wait, this.#thoughts, this.#text, this.#timing);

  /** @param {Voice} voice @param {string} question @param {TurnActions} actions */
  constructor(voice, question, actions) {
    this.#voice = voice;
    this.#actions = actions;
    this.#question = question;
    this.#thoughts.append(voice.put(h("summary", {}), (words) => words.thought), this.#thought);
    this.#showQuestion();
    this.#text.addEventListener("click", (event) => void this.#click(event));
    for (const type of ["pointerover", "focusin"]) this.#text.addEventListener(type, (event) => this.#point(event));
    for (const type of ["pointerout", "focusout"]) this.#text.addEventListener(type, () => this.#actions.point(this.places, null));
  }

  get question() {
    return this.#question;
  }

  /** The places the answer names so far. @returns {Named[]} */
  get places() {
    const words = [.../** @type {NodeListOf<HTMLElement>} */ (this.#text.querySelectorAll(".place"))];
    return words.flatMap((each) => /** @type {Box[]} */ (JSON.parse(each.dataset.boxes ?? "[]")).map((box) => ({ box, words: each })));
  }

  /** The answer as it is read out: without marks and thoughts. */
  get spoken() {
    return [...this.#text.children].map((block) => block.textContent).join("\n");
  }

  #showQuestion() {
    this.#asked.replaceChildren(h("p", { class: "question", part: "question", dir: "auto" }, this.#question));
  }

  /** @param {Say} say what happens before the first token */
  wait(say) {
    this.#voice.put(this.#wait, say);
  }

  /** @param {string} piece */
  append(piece) {
    this.#raw += piece;
    this.#wait.hidden = true;
    if (this.#shown === 0) this.#shown = requestAnimationFrame(() => this.#actions.follow(() => this.#show(false)));
  }

  /** @param {boolean} done */
  #show(done) {
    cancelAnimationFrame(this.#shown);
    this.#shown = 0;
    const { Answer, thoughtAndAnswer } = markdown();
    const { thought, answer } = thoughtAndAnswer(this.#raw);
    this.#thoughts.hidden = thought === "";
    if (thought !== "") (this.#thinking ??= new Answer(this.#thought)).show(thought, done || answer !== "");
    (this.#answer ??= new Answer(this.#text)).show(answer, done);
    if (this.places.length > 0) this.#actions.point(this.places, null);
  }

  /** @param {Say} facts the line under the answer */
  finish(facts) {
    this.#show(true);
    this.node.classList.remove("busy");
    this.#wait.hidden = true;
    this.#timing.hidden = false;
    this.#voice.put(this.#facts, facts);
    for (const address of /** @type {NodeListOf<HTMLElement>} */ (this.#text.querySelectorAll(".address"))) {
      this.#voice.put(address, (words) => words.copyAddress(address.dataset.address ?? ""), "title");
    }
    const copies = navigator.clipboard ? this.#copies() : [];
    this.#acts.replaceChildren(
      ...copies,
      this.#act("again", (words) => words.again, () => this.#actions.again()),
      this.#act("edit", (words) => words.edit, () => this.#edit()),
      this.#act("bin", (words) => words.erase, () => this.#actions.erase()),
    );
  }

  /** Copies in each form that says something of its own. */
  #copies() {
    const { answer } = markdown().thoughtAndAnswer(this.#raw);
    const plain = this.#text.innerText.trim();
    const tables = /** @type {HTMLTableElement[]} */ ([...this.#text.querySelectorAll("table")]);
    const copies = [this.#copy("copy", (words) => words.copy, answer)];
    if (plain !== answer.trim()) copies.push(this.#copy("copy-plain", (words) => words.copyPlain, plain));
    if (tables.length > 0) copies.push(this.#copy("copy-table", (words) => words.copyTable, tables.map(csv).join("\r\n")));
    return copies;
  }

  /** @param {string} part @param {Say} say @param {string} text */
  #copy(part, say, text) {
    const button = this.#voice.put(h("button", { type: "button", class: "plain", part }), say);
    button.onclick = async () => {
      await navigator.clipboard.writeText(text);
      this.#voice.put(button, (words) => words.copied);
    };
    return button;
  }

  /** @param {Parameters<typeof icon>[0]} name @param {Say} say @param {() => void} run */
  #act(name, say, run) {
    const button = h("button", { type: "button", class: "plain act", part: name }, icon(name));
    this.#voice.put(button, say, "aria-label");
    this.#voice.put(button, say, "title");
    button.onclick = run;
    return button;
  }

  #edit() {
    const field = h("textarea", { rows: 1, part: "edit-field", value: this.#question });
    const form = h("form", { class: "editing" }, field, h("div", {},
      this.#voice.put(h("button", { type: "button" }), (words) => words.cancel),
      this.#voice.put(h("button", { type: "submit", class: "primary" }), (words) => words.save)));
    const leave = () => {
      this.#showQuestion();
      /** @type {HTMLElement | null} */ (this.#acts.querySelector("[part=edit]"))?.focus();
    };
    this.#voice.put(field, (words) => words.editField, "aria-label");
    form.onsubmit = (event) => {
      event.preventDefault();
      if (field.value.trim() !== "") this.#actions.edit(field.value.trim());
    };
    field.onkeydown = (event) => {
      if (event.key === "Escape") leave();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    };
    form.querySelector("button")?.addEventListener("click", leave);
    this.#asked.replaceChildren(form);
    field.focus();
  }

  /** @param {Event} event */
  async #click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const address = target?.closest(".address");
    if (address instanceof HTMLElement && navigator.clipboard) {
      await navigator.clipboard.writeText(address.dataset.address ?? "");
      address.classList.add("copied");
    }
    this.#point(event);
  }

  /** @param {Event} event */
  #point(event) {
    const words = event.target instanceof Element ? event.target.closest(".place") : null;
    if (words instanceof HTMLElement) this.#actions.point(this.places, words);
  }
}
