/** The pages that are asked about: where they are dropped, shown large with what the model sees of them, and chosen from. */

import { plan } from "./tiles.js";
import { between, turnedBox } from "./turned.js";
import { drawn, h, icon } from "./dom.js";

/** @typedef {import("./words.js").Voice} Voice */
/** @typedef {import("./conversation.js").Picture} Picture */
/** @typedef {import("./page-lens-turn.js").Named} Named */
/**
 * @typedef {object} PagesActions
 * @property {() => void} choose
 * @property {() => void} photograph
 * @property {(picture: Picture) => void} remove
 * @property {(picture: Picture) => void} turn
 * @property {() => void} clear
 */

/** Tiles a page may be cut into, and what the control begins with. */
const MOST_TILES = 40;

export class PagesView {
  /** @type {Voice} */ #voice;
  /** @type {PagesActions} */ #actions;
  /** @type {Picture[]} */ #pictures = [];
  /** @type {Picture | null} the one that is shown large */ #picked = null;
  /** @type {Set<string>} ids of pictures that have been asked about */ #sent = new Set();
  /** @type {Map<string, string>} object URLs by id */ #urls = new Map();
  /** @type {Named[]} */ #places = [];
  /** How far the page was turned when they were named. */ #turned = 0;
  /** @type {HTMLElement | null} */ #pointed = null;
  #tile = 448;
  /** @type {number | null} milliseconds a tile took */ #perTile = null;

  #choose = h("button", { type: "button", part: "choose" });
  #camera = h("button", { type: "button", part: "camera", class: "camera" });
  #drop = h("div", { class: "drop", part: "drop" });
  #image = h("img", { part: "preview", alt: "" });
  #overlay = drawn("svg", { class: "overlay", part: "overlay", "aria-hidden": "true" });
  #sheet = h("div", { class: "sheet" }, this.#image);
  #caption = h("figcaption", { hidden: true });
  #preview = h("figure", { class: "preview", hidden: true }, this.#sheet, this.#caption);
  #missing = h("p", { class: "missing", part: "missing", hidden: true });
  #seen = h("button", { type: "button", class: "plain", part: "seen", ariaPressed: "false" }, icon("grid"));
  #zoom = h("button", { type: "button", class: "plain", part: "zoom", ariaPressed: "false" }, icon("zoom"));
  #turn = h("button", { type: "button", class: "plain", part: "turn" }, icon("turn"));
  #detail = h("input", { type: "range", id: "detail", part: "detail", min: "1", max: String(MOST_TILES), step: "1" });
  #detailOut = h("output", {});
  /** Whether a user has moved the control. */ chosen = false;
  #facts = h("p", { class: "facts", part: "seen-facts" });
  #control = h("div", { class: "control", hidden: true });
  #look = h("div", { class: "look", hidden: true });
  #thumbnails = h("ul", { class: "thumbnails", part: "thumbnails" });
  #clear = h("button", { type: "button", part: "clear" });
  #tray = h("div", { class: "tray", hidden: true }, this.#thumbnails, this.#clear);
  node = h("div", { class: "page", part: "page" }, this.#drop, this.#preview, this.#missing, this.#look, this.#tray);

  /** @param {Voice} voice @param {PagesActions} actions */
  constructor(voice, actions) {
    this.#voice = voice;
    this.#actions = actions;
    const span = () => h("span", {});
    this.#drop.append(icon("page"), voice.put(h("p", {}), (words) => words.drop), voice.put(h("p", {}), (words) => words.orPaste),
      h("div", {}, voice.put(this.#choose, (words) => words.choose), this.#camera));
    this.#camera.append(icon("camera"), voice.put(span(), (words) => words.camera));
    this.#seen.append(voice.put(span(), (words) => words.seen));
    this.#zoom.append(voice.put(span(), (words) => words.zoom));
    this.#turn.append(voice.put(span(), (words) => words.turn));
    this.#control.append(h("label", {}, voice.put(span(), (words) => words.detail), this.#detail, this.#detailOut), this.#facts);
    this.#look.append(h("div", {}, this.#seen, this.#zoom, this.#turn), this.#control);
    this.#sheet.append(this.#overlay);
    voice.put(this.#clear, (words) => words.anew);

    this.#choose.onclick = () => actions.choose();
    this.#camera.onclick = () => actions.photograph();
    this.#clear.onclick = () => actions.clear();
    this.#turn.onclick = () => {
      if (this.#picked) actions.turn(this.#picked);
    };
    this.#image.onload = () => this.#draw();
    this.#image.onerror = () => this.#noPreview();
    this.#detail.oninput = () => {
      this.chosen = true;
      this.#draw();
    };
    this.#seen.onclick = () => this.#toggle(this.#seen, !this.seeing);
    this.#zoom.onclick = () => {
      const zoomed = this.#preview.classList.toggle("zoomed");
      this.#zoom.ariaPressed = String(zoomed);
      if (zoomed) this.#preview.tabIndex = 0;
      else this.#preview.removeAttribute("tabindex");
    };
    this.detail = 12;
  }

  /** Whether it is shown what the model sees. */
  get seeing() {
    return this.#seen.ariaPressed === "true";
  }

  /** @param {HTMLElement} button @param {boolean} on */
  #toggle(button, on) {
    button.ariaPressed = String(on);
    this.#control.hidden = !on;
    this.#draw();
  }

  /** Most tiles of a page, as the control says. */
  get detail() {
    return Number(this.#detail.value);
  }

  set detail(tiles) {
    this.#detail.value = String(tiles);
    this.#draw();
  }

  /** What is known of the model: the side of its tiles, and how long one takes. @param {number} tile @param {number | null} perTile */
  know(tile, perTile) {
    this.#tile = tile;
    this.#perTile = perTile ?? this.#perTile;
    this.#draw();
  }

  /**
   * @param {Picture[]} pictures
   * @param {Picture[]} fresh those that can still be removed
   * @param {Picture} [picked] the one to show large
   */
  show(pictures, fresh, picked) {
    for (const [id, url] of this.#urls) {
      if (pictures.some((picture) => picture.id === id)) continue;
      URL.revokeObjectURL(url);
      this.#urls.delete(id);
    }
    for (const { id, blob } of pictures) if (!this.#urls.has(id)) this.#urls.set(id, URL.createObjectURL(blob));
    const before = this.#picked;
    this.#pictures = pictures;
    this.#sent = new Set(pictures.filter((picture) => !fresh.includes(picture)).map(({ id }) => id));
    this.#picked = picked ?? pictures.find(({ id }) => id === before?.id) ?? pictures.at(-1) ?? null;
    if (this.#picked?.id !== before?.id) this.#places = [];
    this.#drop.hidden = pictures.length > 0;
    this.#preview.hidden = this.#look.hidden = this.#tray.hidden = pictures.length === 0;
    this.#thumbnails.replaceChildren(...pictures.map((picture) => this.#thumbnail(picture)));
    const item = this.#thumbnails.querySelector("[aria-pressed=true]")?.parentElement;
    if (item) this.#thumbnails.scrollLeft = item.offsetLeft - (this.#thumbnails.clientWidth - item.offsetWidth) / 2;
    this.#showPicked();
  }

  #showPicked() {
    const picture = this.#picked;
    this.#caption.hidden = true;
    this.#sheet.hidden = picture === null;
    this.#missing.hidden = !picture || picture.missing.length === 0;
    if (picture === null) {
      this.#image.removeAttribute("src");
      this.#overlay.replaceChildren();
      return;
    }
    const { id, name, missing, turned } = picture;
    this.#image.src = this.#urls.get(id) ?? "";
    this.#image.dataset.turned = String(turned);
    this.#voice.put(this.#image, (words) => words.pagePicture(name), "alt");
    this.#voice.put(this.#missing, (words) => words.missing({ name, what: missing.join(", ") }));
    this.#draw();
  }

  #noPreview() {
    const name = this.#picked?.name ?? "";
    this.#sheet.hidden = true;
    this.#look.hidden = true;
    this.#caption.hidden = false;
    this.#voice.put(this.#caption, (words) => words.noPreview(name));
  }

  /** @param {Picture} picture */
  #thumbnail(picture) {
    const { name } = picture;
    const image = h("img", { src: this.#urls.get(picture.id) ?? "", alt: "", "data-turned": picture.turned });
    const pick = h("button", { type: "button", class: "pick", ariaPressed: String(picture === this.#picked) }, image);
    this.#voice.put(pick, (words) => words.showPicture(name), "aria-label");
    image.onerror = () => image.replaceWith(icon("page"));
    pick.onclick = () => {
      const at = this.#pictures.indexOf(picture);
      this.show(this.#pictures, this.#pictures.filter(({ id }) => !this.#sent.has(id)), picture);
      /** @type {HTMLElement | null} */ (this.#thumbnails.children[at]?.querySelector(".pick") ?? null)?.focus();
    };
    if (this.#sent.has(picture.id)) return h("li", {}, pick);
    const remove = h("button", { type: "button", class: "remove", part: "remove" }, icon("remove"));
    this.#voice.put(remove, (words) => words.removePicture(name), "aria-label");
    this.#voice.put(remove, (words) => words.remove, "title");
    remove.onclick = () => this.#actions.remove(picture);
    return h("li", {}, pick, remove);
  }

  /**
   * Draws the places that an answer names.
   * @param {Picture | undefined} picture the page they are on
   * @param {number} turned how far it was turned when they were named
   * @param {Named[]} places
   * @param {HTMLElement | null} pointed the words of one of them in particular
   */
  point(picture, turned, places, pointed) {
    if (!picture || !this.#pictures.includes(picture)) return;
    if (picture !== this.#picked && pointed) this.show(this.#pictures, this.#pictures.filter(({ id }) => !this.#sent.has(id)), picture);
    if (picture !== this.#picked) return;
    this.#places = places;
    this.#turned = turned;
    this.#pointed = pointed;
    this.#draw();
  }

  /** Draws over the page what stands for it: in the page's own pixels, so that it fits at any size. */
  #draw() {
    const { naturalWidth, naturalHeight } = this.#image;
    const turned = this.#picked?.turned ?? 0;
    const [width, height] = turned % 2 === 0 ? [naturalWidth, naturalHeight] : [naturalHeight, naturalWidth];
    const tiles = this.detail;
    this.#voice.put(this.#detailOut, (words) => words.detailTiles(tiles));
    this.#overlay.replaceChildren();
    if (this.#picked === null || width === 0) return;
    this.#sheet.style.setProperty("--ratio", String(width / height));
    this.#overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const { cols, rows, thumbnail, tokens } = plan(width, height, tiles, this.#tile);
    const ms = this.#perTile === null ? null : this.#perTile * (cols * rows + Number(thumbnail));
    this.#voice.put(this.#facts, (words) => words.seenFacts({ cols, rows, thumbnail, tokens, ms }));
    if (this.seeing) {
      for (let col = 1; col < cols; col++) this.#overlay.append(drawn("line", { x1: (width * col) / cols, x2: (width * col) / cols, y1: 0, y2: height }));
      for (let row = 1; row < rows; row++) this.#overlay.append(drawn("line", { y1: (height * row) / rows, y2: (height * row) / rows, x1: 0, x2: width }));
      this.#overlay.append(drawn("rect", { class: "edge", width, height }));
    }
    for (const { box, words } of this.#places) {
      const { left, top, right, bottom } = turnedBox(box, between(this.#turned, turned));
      const rect = drawn("rect", { class: words === this.#pointed ? "place pointed" : "place", x: left * width, y: top * height, width: (right - left) * width, height: (bottom - top) * height });
      rect.addEventListener("pointerenter", () => words.classList.add("pointed"));
      rect.addEventListener("pointerleave", () => words.classList.remove("pointed"));
      rect.addEventListener("click", () => words.focus());
      this.#overlay.append(rect);
    }
  }
}
