/** The nodes of <page-lens> and how they change. Text from the model or the user only ever becomes text nodes. */

import { style } from "./page-lens-style.js";

/**
 * What a user can do; the element does it.
 * @typedef {object} Actions
 * @property {(question: string) => void} ask
 * @property {() => void} stop
 * @property {() => void} clear
 * @property {() => void} load
 * @property {() => void} sample
 * @property {(files: Iterable<File>) => void} attach
 * @property {(picture: Shown) => void} remove
 */
/** @typedef {{ name: string, url: string, sent: boolean }} Shown a picture of the conversation; `url` is an object URL */
/** @typedef {{ title: string, advice: string, detail: string, action?: { label: string, run: () => void } }} Trouble */

/** Paths of 24 x 24 line icons. */
const ICONS = {
  page: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zM14 3v5h5M9 13h6M9 17h4",
  attach: "M20 11.5 12.2 19.3a5 5 0 0 1-7.1-7.1l8.2-8.2a3.4 3.4 0 0 1 4.8 4.8l-8.2 8.2a1.7 1.7 0 0 1-2.4-2.4l7.3-7.3",
  remove: "M6 6l12 12M18 6 6 18",
  go: "M5 12h14M13 6l6 6-6 6",
};

export class View {
  /** @type {Actions} */ #actions;
  /** @type {Shown | null} the picture in the preview */ #picked = null;
  /** @type {Shown[]} */ #pictures = [];

  #file = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, tabIndex: -1 });
  #choose = h("button", { type: "button", part: "choose" }, "Choose a picture");
  #drop = h("div", { class: "drop", part: "drop" }, icon("page"), h("p", {}, "Drop a picture here"), h("p", {}, "or paste it from the clipboard"), this.#choose);
  #image = h("img", { part: "preview", alt: "" });
  #caption = h("figcaption", { hidden: true });
  #preview = h("figure", { class: "preview", hidden: true }, this.#image, this.#caption);
  #thumbnails = h("ul", { class: "thumbnails", part: "thumbnails" });
  #clear = h("button", { type: "button", part: "clear" }, "New conversation");
  #tray = h("div", { class: "tray", hidden: true }, this.#thumbnails, this.#clear);

  #sampleImage = h("img", { alt: "", width: 104, height: 52 });
  #sampleQuestion = h("span", {});
  #sample = h("button", { type: "button", class: "sample", part: "sample" }, this.#sampleImage, h("span", {}, h("span", { class: "hint" }, "Try a sample"), this.#sampleQuestion), icon("go"));
  #hint = h("p", {});
  #start = h("div", { class: "start" }, this.#hint, this.#sample);
  #turns = h("ol", { class: "turns", part: "conversation", hidden: true, tabIndex: 0, "aria-label": "Conversation" });
  #error = h("div", { class: "error", part: "error", hidden: true });
  #field = h("textarea", { id: "question", part: "field", rows: 1, enterKeyHint: "send", autocomplete: "off" });
  #attach = h("button", { type: "button", class: "attach", part: "attach", "aria-label": "Add a picture", title: "Add a picture" }, icon("attach"));
  #ask = h("button", { type: "submit", class: "ask primary", part: "ask" }, "Ask");
  #composer = h("form", { class: "composer", part: "composer" }, this.#attach, h("label", { class: "unseen", htmlFor: "question" }, "Question"), this.#field, this.#ask);

  #device = h("span", { class: "device", part: "device" });
  #bar = h("progress", { part: "progress", hidden: true, "aria-label": "Loading the model" });
  #load = h("button", { type: "button", part: "load" });
  #status = h("div", { class: "status", part: "status" }, this.#bar, this.#device, this.#load);
  #spoken = h("div", { class: "unseen", role: "status" });

  #page = h("div", { class: "page", part: "page" }, this.#drop, this.#preview, this.#tray);
  #talk = h("div", { class: "talk" }, this.#start, this.#turns, this.#error, this.#composer);
  #frame = h("div", { class: "frame", part: "frame" }, this.#page, this.#talk, this.#status, this.#file, this.#spoken);
  #running = false;
  #sampleless = true;

  /** @param {ShadowRoot} root @param {Actions} actions */
  constructor(root, actions) {
    this.#actions = actions;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    root.append(this.#frame);

    this.#choose.onclick = this.#attach.onclick = () => this.#file.click();
    this.#file.onchange = () => {
      actions.attach([...(this.#file.files ?? [])]);
      this.#file.value = "";
      this.#field.focus();
    };
    this.#sample.onclick = () => {
      this.#ask.focus(); // the sample's button goes away; the same spot then stops the answer
      actions.sample();
    };
    this.#load.onclick = () => actions.load();
    this.#clear.onclick = () => {
      actions.clear();
      this.#field.focus();
    };
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
    this.showPictures([]);
    this.#image.onerror = () => this.#noPreview();
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

  #submit() {
    const question = this.#field.value.trim();
    if (question === "") this.#field.focus();
    else this.#actions.ask(question);
  }

  /** @param {string} text */
  set placeholder(text) {
    this.#field.placeholder = text;
  }

  /** @param {string | null} url @param {string} question */
  offerSample(url, question) {
    this.#sampleless = url === null;
    this.#sample.hidden = this.#sampleless || this.#pictures.length > 0;
    if (url !== null) this.#sampleImage.src = url;
    this.#sampleQuestion.textContent = question;
  }

  /** @param {Shown[]} pictures @param {Shown} [picked] the one to show large */
  showPictures(pictures, picked) {
    this.#pictures = pictures;
    this.#picked = picked ?? (this.#picked && pictures.includes(this.#picked) ? this.#picked : (pictures.at(-1) ?? null));
    this.#drop.hidden = pictures.length > 0;
    this.#preview.hidden = this.#tray.hidden = pictures.length === 0;
    this.#sample.hidden = this.#sampleless || pictures.length > 0;
    this.#hint.textContent = pictures.length > 0 ? "Now ask about it in your own words." : "Add a picture, then ask about it in your own words.";
    this.#thumbnails.replaceChildren(...pictures.map((picture) => this.#thumbnail(picture)));
    this.#caption.hidden = true;
    this.#image.hidden = this.#picked === null;
    if (this.#picked === null) {
      this.#image.removeAttribute("src");
    } else {
      this.#image.src = this.#picked.url;
      this.#image.alt = `The page that is asked about: ${this.#picked.name}`;
    }
  }

  /** @param {Shown} picture */
  #thumbnail(picture) {
    const image = h("img", { src: picture.url, alt: "" });
    const pick = h("button", { type: "button", class: "pick", "aria-label": `Show ${picture.name}`, "aria-pressed": String(picture === this.#picked) }, image);
    image.onerror = () => image.replaceWith(icon("page"));
    pick.onclick = () => {
      const at = this.#pictures.indexOf(picture);
      this.showPictures(this.#pictures, picture);
      /** @type {HTMLElement | null} */ (this.#thumbnails.children[at]?.querySelector(".pick") ?? null)?.focus();
    };
    if (picture.sent) return h("li", {}, pick);
    const remove = h("button", { type: "button", class: "remove", part: "remove", "aria-label": `Remove ${picture.name}`, title: "Remove" }, icon("remove"));
    remove.onclick = () => {
      this.#actions.remove(picture);
      this.#field.focus();
    };
    return h("li", {}, pick, remove);
  }

  #noPreview() {
    this.#image.hidden = true;
    this.#caption.hidden = false;
    this.#caption.textContent = `This browser shows no preview of ${this.#picked?.name ?? "this picture"}.`;
  }

  /** Adds a question, and the place where its answer grows. @param {string} question */
  addTurn(question) {
    const answer = h("div", { class: "answer", part: "answer" });
    const wait = h("p", { class: "wait", part: "wait" });
    const timing = h("div", { class: "timing", part: "timing", hidden: true });
    const item = h("li", { class: "turn busy" }, h("p", { class: "question", part: "question" }, question), wait, answer, timing);
    this.#start.hidden = true;
    this.#turns.hidden = false;
    this.#turns.append(item);
    this.#scroll(true);
    return {
      /** @param {string} doing before the first token */
      wait: (doing) => {
        wait.textContent = doing;
      },
      /** @param {string} text */
      append: (text) => {
        const follow = this.#atEnd();
        wait.hidden = true;
        answer.append(text);
        if (follow) this.#scroll(false);
      },
      /** @param {string} facts the line under the answer */
      finish: (facts) => {
        const follow = this.#atEnd();
        const copy = h("button", { type: "button", class: "plain", part: "copy", hidden: !navigator.clipboard }, "Copy");
        copy.onclick = async () => {
          await navigator.clipboard.writeText(answer.textContent ?? "");
          copy.textContent = "Copied";
        };
        item.classList.remove("busy");
        wait.hidden = true;
        timing.hidden = false;
        timing.replaceChildren(h("span", {}, facts), copy);
        if (follow) this.#scroll(false);
      },
      /** Takes the turn back, and gives the question back to the field. */
      undo: () => {
        if (!item.isConnected) return; // cleared meanwhile
        item.remove();
        this.#turns.hidden = this.#turns.childElementCount === 0;
        this.#start.hidden = !this.#turns.hidden;
        if (this.#field.value === "") this.#field.value = question;
      },
    };
  }

  #atEnd() {
    return this.#turns.scrollHeight - this.#turns.scrollTop - this.#turns.clientHeight < 48;
  }

  /** @param {boolean} always */
  #scroll(always) {
    this.#turns.scrollTop = this.#turns.scrollHeight;
    if (always) this.#turns.lastElementChild?.scrollIntoView?.({ block: "nearest" });
  }

  /** @param {boolean} running */
  set running(running) {
    this.#running = running;
    if (running) this.#field.value = "";
    this.#ask.textContent = running ? "Stop" : "Ask";
    this.#ask.classList.toggle("stop", running);
  }

  clear() {
    this.#turns.replaceChildren();
    this.#turns.hidden = true;
    this.#start.hidden = false;
    this.#field.value = "";
  }

  /**
   * @param {"idle" | "loading" | "ready"} state
   * @param {string} text
   * @param {{ fraction?: number, button?: string }} [more] `fraction` below 0 is an unknown length; no `button`, none shown
   */
  status(state, text, { fraction, button } = {}) {
    this.#status.classList.toggle("loading", state === "loading");
    this.#status.classList.toggle("ready", state === "ready");
    this.#device.textContent = text;
    this.#bar.hidden = fraction === undefined;
    if (fraction === undefined || fraction < 0) this.#bar.removeAttribute("value");
    else this.#bar.value = fraction;
    if (button === undefined && this.#load.matches(":focus")) this.#field.focus();
    this.#load.hidden = button === undefined;
    this.#load.textContent = button ?? "";
  }

  /** Says something to a screen reader, when it has finished what it is saying. @param {string} text */
  say(text) {
    this.#spoken.textContent = text;
  }

  /** @param {Trouble | null} trouble */
  trouble(trouble) {
    this.#error.hidden = trouble === null;
    this.#error.replaceChildren();
    if (trouble === null) return;
    const { title, advice, detail, action } = trouble;
    this.#error.append(h("div", {}, h("strong", {}, title), ` ${advice}`, ...(detail ? [h("small", {}, detail)] : [])));
    if (action) {
      const button = h("button", { type: "button" }, action.label);
      button.onclick = () => {
        this.#field.focus();
        action.run();
      };
      this.#error.append(button);
    }
    this.say(`${title} ${advice}`);
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number | boolean>} settings properties where the node has them, attributes otherwise
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function h(tag, settings, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(settings)) {
    if (key in node && key !== "part" && key !== "role") Reflect.set(node, key, value);
    else node.setAttribute(key, String(value));
  }
  node.append(...children);
  return node;
}

/** @param {keyof typeof ICONS} name */
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
