/** The nodes of <page-lens> and how they change. Text from the model or the user only ever becomes text nodes. */

import { LightView } from "./page-lens-light.js";
import { MenuView } from "./page-lens-menu.js";
import { PagesView } from "./page-lens-pages.js";
import { style } from "./page-lens-style.js";
import { TurnView } from "./page-lens-turn.js";
import { Spoken } from "./spoken.js";
import { Voice } from "./words.js";
import { h, icon } from "./dom.js";

/** @typedef {import("./words.js").Say} Say */
/** @typedef {import("./conversation.js").Kept} Kept */
/** @typedef {import("./conversation.js").Picture} Picture */
/**
 * What a user can do; the element does it.
 * @typedef {object} Own
 * @property {(question: string) => void} ask
 * @property {() => void} stop
 * @property {() => void} load
 * @property {() => void} models
 * @property {() => void} sample
 * @property {() => void} reload
 * @property {(files: File[]) => void} attach
 * @property {(file: File) => void} importFile
 * @property {(kept: Kept) => void} restore
 * @property {(kept: Kept) => void} forget
 */
/** @typedef {Own & Omit<import("./page-lens-pages.js").PagesActions, "choose" | "photograph"> & Omit<import("./page-lens-menu.js").MenuActions, "importChat">} Actions */
/** @typedef {{ title: Say, advice: Say, detail: string, action?: { label: Say, run: () => void } }} Trouble */

/** What the picker offers. */
const ACCEPTED = "image/*,application/pdf,.pdf,.heic,.heif,.avif,.tif,.tiff";
/** Most earlier conversations that are offered. */
const OFFERED = 4;

export class View {
  /** @type {Actions} */ #actions;
  voice = new Voice();

  #file = h("input", { type: "file", accept: ACCEPTED, multiple: true, hidden: true, tabIndex: -1 });
  #photo = h("input", { type: "file", accept: "image/*", hidden: true, tabIndex: -1 });
  #chat = h("input", { type: "file", accept: "application/json,.json", hidden: true, tabIndex: -1 });

  #sampleImage = h("img", { alt: "", width: 104, height: 52 });
  #sampleQuestion = h("span", {});
  #sampleHint = h("span", { class: "hint" });
  #sample = h("button", { type: "button", class: "sample", part: "sample" }, this.#sampleImage, h("span", {}, this.#sampleHint, this.#sampleQuestion), icon("go"));
  #hint = h("p", {});
  #earlierList = h("ul", {});
  #earlierTitle = h("p", { class: "hint" });
  #earlier = h("div", { class: "earlier", part: "earlier", hidden: true }, this.#earlierTitle, this.#earlierList);
  #start = h("div", { class: "start" }, h("slot", { name: "intro" }, this.#hint), this.#sample, this.#earlier);
  #turns = h("ol", { class: "turns", part: "conversation", hidden: true, tabIndex: 0 });
  #error = h("div", { class: "error", part: "error", hidden: true });
  #tasks = h("div", { class: "tasks", part: "tasks", role: "group", hidden: true });
  #field = h("textarea", { id: "question", part: "field", rows: 1, enterKeyHint: "send", autocomplete: "off", dir: "auto" });
  #attach = h("button", { type: "button", class: "attach", part: "attach" }, icon("attach"));
  #ask = h("button", { type: "submit", class: "ask primary", part: "ask" });
  #label = h("label", { class: "unseen", htmlFor: "question" });
  #composer = h("form", { class: "composer", part: "composer" }, this.#attach, this.#label, this.#field, this.#ask);

  #device = h("span", { class: "device", part: "device" });
  #bar = h("progress", { part: "progress", hidden: true });
  #load = h("button", { type: "button", part: "load" });
  #models = h("button", { type: "button", class: "plain", part: "models", ariaHasPopup: "dialog" });
  #spoken = new Spoken();

  #running = false;
  /** A document that waits for the page's lock. */ #waits = "";
  #sampleless = true;
  /** Whether there are pages to ask about. */ #paged = false;
  /** @type {Say | null} the page author's own words */ #placeholder = null;
  /** @type {PagesView} */ pages;
  /** @type {MenuView} */ menu;
  /** @type {LightView} */ light;
  #status = h("div", { class: "status", part: "status" }, this.#bar, this.#device, this.#load, this.#models);
  #talk = h("div", { class: "talk" }, this.#start, this.#turns, this.#error, this.#tasks, this.#composer);
  #frame = h("div", { class: "frame", part: "frame" });

  /** @param {ShadowRoot} root @param {Actions} actions */
  constructor(root, actions) {
    this.#actions = actions;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    this.pages = new PagesView(this.voice, {
      ...actions,
      choose: () => this.#file.click(),
      photograph: () => this.#photo.click(),
      remove: (picture) => {
        actions.remove(picture);
        this.#field.focus();
      },
      clear: () => {
        actions.clear();
        this.#field.focus();
      },
    });
    this.menu = new MenuView(this.voice, { ...actions, importChat: () => this.#chat.click() });
    this.light = new LightView(this.voice, () => actions.reload());
    this.#status.append(this.light.button, this.menu.node);
    this.#frame.append(this.pages.node, this.#talk, this.#status, this.#file, this.#photo, this.#chat, this.#spoken.node, this.light.dialog);
    root.append(this.#frame);
    this.#photo.setAttribute("capture", "environment");
    this.#write();

    this.#attach.onclick = () => this.#file.click();
    for (const input of [this.#file, this.#photo]) {
      input.onchange = () => {
        actions.attach([...(input.files ?? [])]);
        input.value = "";
        this.#field.focus();
      };
    }
    this.#chat.onchange = () => {
      const file = this.#chat.files?.[0];
      this.#chat.value = "";
      if (file) actions.importFile(file);
    };
    this.#sample.onclick = () => {
      this.#ask.focus(); // the sample's button goes away; the same spot then stops the answer
      actions.sample();
    };
    this.#load.onclick = () => actions.load();
    this.#models.onclick = () => actions.models();
    this.#composer.onsubmit = (event) => {
      event.preventDefault();
      if (this.#running) actions.stop();
      else this.#submit();
    };
    this.#field.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#running) this.#submit();
    };
    this.#sampleImage.onerror = () => (this.#sampleImage.hidden = true);
    this.#frame.ondragover = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.#frame.classList.add("over");
    };
    this.#frame.ondragleave = (event) => {
      if (!(event.relatedTarget instanceof Node && this.#frame.contains(event.relatedTarget))) this.#frame.classList.remove("over");
    };
    this.#frame.ondrop = (event) => {
      this.#frame.classList.remove("over");
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      actions.attach([...event.dataTransfer.files]);
    };
  }

  /** The words that depend on the language alone. */
  #write() {
    const { voice } = this;
    voice.put(this.#sampleHint, (words) => words.sample);
    voice.put(this.#earlierTitle, (words) => words.earlier);
    voice.put(this.#turns, (words) => words.conversation, "aria-label");
    voice.put(this.#tasks, (words) => words.tasks, "aria-label");
    voice.put(this.#attach, (words) => words.addPicture, "aria-label");
    voice.put(this.#attach, (words) => words.addPicture, "title");
    voice.put(this.#label, (words) => words.question);
    voice.put(this.#bar, (words) => words.loading, "aria-label");
    this.#tasks.replaceChildren(...voice.words.taskNames.map((_, at) => {
      const task = voice.put(h("button", { type: "button", part: "task" }), (words) => words.taskNames[at] ?? "");
      task.onclick = () => {
        this.#ask.focus(); // the tasks go away while an answer is made
        this.#actions.ask(voice.words.taskQuestions[at] ?? "");
      };
      return task;
    }));
    this.#refresh();
  }

  /** The words, and what is shown, that depend on the state. */
  #refresh() {
    this.voice.put(this.#ask, (words) => (this.#running ? words.stop : words.ask));
    this.voice.put(this.#hint, (words) => (this.#waits ? words.waits(this.#waits) : this.#paged ? words.hintReady : words.hint));
    this.voice.put(this.#field, (words) => this.#placeholder?.(words) ?? words.placeholder, "placeholder");
    this.#sample.hidden = this.#sampleless || this.#paged;
    this.#tasks.hidden = !this.#paged || this.#running;
  }

  #submit() {
    const question = this.#field.value.trim();
    if (question === "") this.#field.focus();
    else this.#actions.ask(question);
  }

  /** @param {string} name of a document that is opened when the page is locked, or nothing */
  set waits(name) {
    this.#waits = name;
    this.#refresh();
    if (name !== "") this.say((words) => words.waits(name));
  }

  /** @param {string | null} text of the page's author */
  set placeholder(text) {
    this.#placeholder = text === null ? null : () => text;
    this.#refresh();
  }

  /** @param {boolean} offered @param {Say} question */
  offerSample(offered, question) {
    this.#sampleless = !offered;
    this.#refresh();
    this.voice.put(this.#sampleQuestion, question);
  }

  /** @param {File | null} file null where it could not be fetched */
  showSample(file) {
    this.#sampleImage.hidden = file === null;
    URL.revokeObjectURL(this.#sampleImage.src);
    if (file) this.#sampleImage.src = URL.createObjectURL(file);
  }

  /** @param {Kept[]} conversations kept on this device */
  offerEarlier(conversations) {
    this.#earlier.hidden = conversations.length === 0;
    this.#earlierList.replaceChildren(...conversations.slice(0, OFFERED).map((kept) => {
      const title = kept.turns[0]?.question.split("\n")[0] ?? "";
      const date = new Date(kept.updated);
      const open = h("button", { type: "button", class: "open" }, h("span", { dir: "auto" }, title));
      const when = this.voice.put(h("span", { class: "hint" }), () => new Intl.DateTimeFormat(this.voice.language, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }).format(date));
      const forget = h("button", { type: "button", class: "plain act" }, icon("remove"));
      open.append(when);
      this.voice.put(forget, (words) => words.forget(title), "aria-label");
      open.onclick = () => {
        this.#field.focus();
        this.#actions.restore(kept);
      };
      forget.onclick = () => {
        this.#field.focus();
        this.#actions.forget(kept);
      };
      return h("li", {}, open, forget);
    }));
  }

  /** @param {Picture[]} pictures @param {Picture[]} fresh @param {Picture} [picked] */
  showPictures(pictures, fresh, picked) {
    this.#paged = pictures.length > 0;
    this.pages.show(pictures, fresh, picked);
    this.#refresh();
  }

  /**
   * Adds a question, and the place where its answer grows.
   * @param {string} question
   * @param {import("./page-lens-turn.js").TurnActions} actions
   * @returns {TurnView}
   */
  addTurn(question, actions) {
    const turn = new TurnView(this.voice, question, actions);
    this.#start.hidden = true;
    this.#turns.hidden = false;
    this.#turns.append(turn.node);
    this.#turns.scrollTop = this.#turns.scrollHeight;
    turn.node.scrollIntoView?.({ block: "nearest" });
    return turn;
  }

  /** Lets the conversation grow, or what is around it, and keeps its end in view where it was. @param {() => void} grow */
  following(grow) {
    const { scrollHeight, scrollTop, clientHeight } = this.#turns;
    grow();
    if (scrollHeight - scrollTop - clientHeight < 48) this.#turns.scrollTop = this.#turns.scrollHeight;
  }

  /** Takes a turn away that came to nothing, and gives the question back to the field. @param {TurnView} turn */
  undo(turn) {
    if (!turn.node.isConnected) return; // cleared meanwhile
    this.remove([turn]);
    this.giveBack(turn.question);
  }

  /** @param {string} question that was not answered */
  giveBack(question) {
    if (this.#field.value === "") this.#field.value = question;
  }

  /** @param {TurnView[]} turns */
  remove(turns) {
    for (const { node } of turns) node.remove();
    this.#turns.hidden = this.#turns.childElementCount === 0;
    this.#start.hidden = !this.#turns.hidden;
  }

  /** Puts the focus where one can go on. */
  focus() {
    this.#field.focus();
  }

  /** @param {boolean} running */
  set running(running) {
    this.#running = running;
    if (running) this.#field.value = "";
    this.#ask.classList.toggle("stop", running);
    this.following(() => this.#refresh()); // the tasks take room away from it
  }

  clear() {
    this.#turns.replaceChildren();
    this.#turns.hidden = true;
    this.#start.hidden = false;
    this.#field.value = "";
  }

  /**
   * @param {"idle" | "loading" | "ready"} state
   * @param {Say} say
   * @param {{ fraction?: number, button?: Say }} [more] `fraction` below 0 is an unknown length; no `button`, none shown
   */
  status(state, say, { fraction, button } = {}) {
    this.#status.classList.toggle("loading", state === "loading");
    this.#status.classList.toggle("ready", state === "ready");
    this.voice.put(this.#device, say);
    this.#bar.hidden = fraction === undefined;
    if (fraction === undefined || fraction < 0) this.#bar.removeAttribute("value");
    else this.#bar.value = fraction;
    if (button === undefined && this.#load.matches(":focus")) this.#field.focus();
    this.#load.hidden = button === undefined;
    this.voice.put(this.#load, button ?? (() => ""));
  }

  /** @param {string | null} name of the model that is used; none where it was picked */
  set model(name) {
    this.voice.put(this.#models, (words) => words.model(name ?? words.pickedModel));
    this.voice.put(this.#models, (words) => words.chooseModel, "title");
  }

  /** Says something to a screen reader, when it has finished what it is saying. @param {Say} say */
  say(say) {
    this.#spoken.say(say(this.voice.words));
  }

  /** Reads a growing answer out, a few sentences at a time. @param {string} text @param {boolean} done */
  read(text, done) {
    this.#spoken.read(this.voice.words.answer(text), done);
  }

  /** @param {Trouble | null} trouble */
  trouble(trouble) {
    this.#error.hidden = trouble === null;
    this.#error.replaceChildren();
    if (trouble === null) return;
    const { title, advice, detail, action } = trouble;
    this.#error.append(h("div", {}, this.voice.put(h("strong", {}), title), " ", this.voice.put(h("span", {}), advice), ...(detail ? [h("small", {}, detail)] : [])));
    if (action) {
      const button = this.voice.put(h("button", { type: "button" }), action.label);
      button.onclick = () => {
        this.#field.focus();
        action.run();
      };
      this.#error.append(button);
    }
    this.say((words) => `${title(words)} ${advice(words)}`);
  }
}
