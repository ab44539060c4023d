/**
 * Answers as nodes. What a model says may be hostile, since a document can tell it what to say: HTML stays text, pictures
 * are not shown, links are words with their address beside them and lead nowhere, formulas become MathML. Nothing passes
 * through innerHTML: markdown-it's tokens are turned into nodes here, and DOMPurify goes over them once more with a list of
 * what may be there.
 */

import DOMPurify from "./vendor/dompurify.js";
import MarkdownIt from "./vendor/markdown-it.js";
import temml from "./vendor/temml.js";
import { placeAt, settled } from "./boxes.js";
import { h } from "./dom.js";

/** @typedef {import("./vendor/markdown-it.js").Token} Token */
/** @typedef {import("./vendor/markdown-it.js").StateInline} StateInline */
/** @typedef {import("./vendor/markdown-it.js").StateBlock} StateBlock */

// Without references: a definition at the end would change what has been read long ago.
const parser = new MarkdownIt({ html: false, linkify: false, breaks: true, maxNesting: 40 }).disable(["image", "reference"]);
parser.inline.ruler.before("escape", "formula", formula);
parser.inline.ruler.before("link", "place", place);
parser.block.ruler.before("fence", "formula", formulaBlock, { alt: ["paragraph"] });

/** What may be in an answer. */
const TAGS = "div p h2 h3 h4 h5 h6 ul ol li blockquote table thead tbody tr th td em strong s code pre hr br span button".split(" ");
const MATHML = "math mrow mi mo mn ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd mstyle mpadded mphantom menclose merror".split(" ");
const ATTRIBUTES = "class dir start type aria-label title data-address data-boxes tabindex role display mathvariant stretchy fence separator lspace rspace accent accentunder minsize maxsize symmetric largeop movablelimits form scriptlevel displaystyle linethickness columnalign rowspacing columnspacing width height depth voffset notation".split(" ");

/**
 * The second line: removes what is not on the list.
 * @param {HTMLElement} node
 */
export function sanitise(node) {
  if (!DOMPurify.isSupported) return;
  DOMPurify.sanitize(node, { IN_PLACE: true, ALLOWED_TAGS: ["#text", ...TAGS, ...MATHML], ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false });
}

/** An answer in a node, which grows with it. Blocks that are complete are not touched again. */
export class Answer {
  /** @type {HTMLElement} */ #node;
  /** @type {{ source: string, line: number, node: HTMLElement }[]} */ #blocks = [];
  #second = true;

  /** @param {HTMLElement} node @param {{ sanitiser?: boolean }} [options] `sanitiser: false` leaves the second line out, for tests of the first */
  constructor(node, { sanitiser = true } = {}) {
    this.#node = node;
    this.#second = sanitiser;
  }

  /** @param {string} text the whole answer so far @param {boolean} done */
  show(text, done) {
    // What grows can change the last block, and the one before it at most; all is looked at again when nothing follows.
    let same = done ? 0 : Math.max(0, this.#blocks.length - 2);
    const blocks = cut(done ? text : settled(text), this.#blocks[same]?.line ?? 0);
    while (blocks.length > 0 && blocks[0]?.source === this.#blocks[same]?.source) {
      blocks.shift();
      same++;
    }
    for (const { node } of this.#blocks.splice(same)) node.remove();
    for (const { source, line, tokens } of blocks) {
      const node = h("div", { class: "block", dir: "auto" });
      build(node, tokens);
      if (this.#second) sanitise(node);
      this.#blocks.push({ source, line, node });
      this.#node.append(node);
    }
  }
}

/**
 * The top-level blocks of a text from a line on, each with what it was made of.
 * @param {string} text
 * @param {number} first line
 * @returns {{ source: string, line: number, tokens: Token[] }[]}
 */
function cut(text, first) {
  const lines = text.split("\n").slice(first);
  /** @type {{ source: string, line: number, tokens: Token[] }[]} */
  const blocks = [];
  /** @type {Token[]} */
  let tokens = [];
  for (const token of parser.parse(lines.join("\n"), {})) {
    tokens.push(token);
    if (token.level > 0 || token.nesting > 0) continue;
    const [from, to] = tokens[0]?.map ?? [0, 0];
    blocks.push({ source: `${token.type} ${lines.slice(from, to).join("\n")}`, line: first + from, tokens });
    tokens = [];
  }
  return blocks;
}

/** @param {HTMLElement} root @param {Token[]} tokens */
function build(root, tokens) {
  /** @type {HTMLElement[]} */
  const open = [];
  let node = root;
  const enter = (/** @type {HTMLElement} */ child) => {
    node.append(child);
    open.push(node);
    node = child;
  };
  for (const token of tokens) {
    if (token.type === "inline") {
      build(node, token.children ?? []);
    } else if (token.type === "link_open") {
      enter(h("span", { class: "link" }));
      node.dataset.address = String(token.attrGet("href") ?? "");
    } else if (token.type === "link_close") {
      const { address = "" } = node.dataset;
      delete node.dataset.address;
      node.after(addressOf(address));
      node = open.pop() ?? root;
    } else if (token.nesting > 0) {
      if (!token.hidden) enter(block(token));
    } else if (token.nesting < 0) {
      if (!token.hidden) node = open.pop() ?? root;
    } else {
      node.append(leaf(token));
    }
  }
}

/** @param {Token} token @returns {HTMLElement} */
function block(token) {
  const heading = /^h([1-6])$/.exec(token.tag);
  const tag = heading ? `h${Math.min(6, Number(heading[1]) + 1)}` : token.tag;
  if (heading) return h("p", { class: `heading ${tag}` }); // an outline of its own would tear the page's
  if (!TAGS.includes(tag)) return h("span", {});
  const node = document.createElement(tag);
  const align = /text-align:(left|center|right)/.exec(String(token.attrGet("style") ?? ""))?.[1];
  if (align) node.className = align;
  if (node instanceof HTMLOListElement) node.start = Number(token.attrGet("start") ?? 1);
  if (tag === "table") node.tabIndex = 0; // it can be wider than the answer
  return node;
}

/** @param {Token} token @returns {Node} */
function leaf(token) {
  switch (token.type) {
    case "softbreak":
    case "hardbreak":
      return h("br", {});
    case "hr":
      return h("hr", {});
    case "code_inline":
      return h("code", {}, visible(token.content));
    case "code_block":
    case "fence":
      return h("pre", { tabIndex: 0 }, h("code", {}, visible(token.content.replace(/\n$/, ""))));
    case "formula":
      return formulaNode(token.content, token.block || token.markup === "$$" || token.markup === "\\[");
    case "place":
      return placeNode(/** @type {import("./boxes.js").Place} */ (token.meta));
    default:
      return document.createTextNode(visible(token.content));
  }
}

/** The address of a link, to be read and copied. @param {string} address */
function addressOf(address) {
  const button = h("button", { type: "button", class: "address" }, visible(address));
  button.dataset.address = address;
  return button;
}

/** @param {import("./boxes.js").Place} place */
function placeNode({ label, boxes }) {
  const words = visible(label) || "▢";
  if (boxes.length === 0) return h("span", {}, words);
  const button = h("button", { type: "button", class: "place" }, words);
  button.dataset.boxes = JSON.stringify(boxes);
  return button;
}

/** @param {string} source @param {boolean} display */
function formulaNode(source, display) {
  const node = h("span", { class: display ? "formula display" : "formula" });
  try {
    temml.render(source, node, { displayMode: display, throwOnError: true, trust: false, maxExpand: 200, maxSize: [20, 200], colorIsTextColor: true });
    for (const each of node.querySelectorAll("[style]")) each.removeAttribute("style");
  } catch {
    node.replaceChildren(h("code", {}, visible(source)));
  }
  return node;
}

/** Signs that turn the direction of what follows around are shown, not obeyed. @param {string} text */
function visible(text) {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `[U+${sign.charCodeAt(0).toString(16).toUpperCase()}]`);
}

// ---------------------------------------------------------------------------------------------------- additions to Markdown

/** @type {[string, string][]} */
const FENCES = [["$$", "$$"], ["\\[", "\\]"], ["\\(", "\\)"], ["$", "$"]];

/** `$x$`, `$$x$$`, `\(x\)` and `\[x\]` within a line. @param {StateInline} state @param {boolean} silent */
function formula(state, silent) {
  for (const [begin, end] of FENCES) {
    if (!state.src.startsWith(begin, state.pos)) continue;
    const from = state.pos + begin.length;
    const to = state.src.indexOf(end, from);
    const content = state.src.slice(from, to);
    // A dollar sign alone is money more often than not.
    if (to < 0 || content.trim() === "" || (begin === "$" && (/^\s|\s$|\n/.test(content) || /\d/.test(state.src[to + 1] ?? "")))) continue;
    if (!silent) Object.assign(state.push("formula", "", 0), { content: content.trim(), markup: begin });
    state.pos = to + end.length;
    return true;
  }
  return false;
}

/** `$$` or `\[` on a line of its own, up to its end. @param {StateBlock} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function formulaBlock(state, startLine, endLine, silent) {
  const line = (/** @type {number} */ at) => state.src.slice((state.bMarks[at] ?? 0) + (state.tShift[at] ?? 0), state.eMarks[at]).trim();
  const fence = FENCES.slice(0, 2).find(([begin]) => line(startLine) === begin);
  if (!fence) return false;
  let last = startLine + 1;
  while (last < endLine && line(last) !== fence[1]) last++;
  if (last >= endLine) return false;
  if (silent) return true;
  Object.assign(state.push("formula", "", 0), { block: true, content: state.getLines(startLine + 1, last, 0, false).trim(), markup: fence[0], map: [startLine, last + 1] });
  state.line = last + 1;
  return true;
}

/** Words with boxes. @param {StateInline} state @param {boolean} silent */
function place(state, silent) {
  const found = "<[".includes(state.src[state.pos] ?? " ") ? placeAt(state.src, state.pos) : null;
  if (!found) return false;
  if (!silent) Object.assign(state.push("place", "", 0), { meta: found });
  state.pos += found.length;
  return true;
}

/**
 * Takes apart what a model thought and what it answers.
 * @param {string} text
 * @returns {{ thought: string, answer: string }}
 */
export function thoughtAndAnswer(text) {
  const found = /^\s*<think>([\s\S]*?)(?:<\/think>\s*|$)/.exec(text);
  return found ? { thought: (found[1] ?? "").trim(), answer: text.slice(found[0].length) } : { thought: "", answer: text };
}
