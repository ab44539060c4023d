/** The demo page's own words, in the language that was chosen last, or the browser's. */

import { languageOf, wordsOf } from "./words.js";

const CHOSEN = "pagelens-language";
const button = /** @type {HTMLElement} */ (document.querySelector("#language"));

/** @param {import("./words.js").Language} language */
function speak(language) {
  const words = wordsOf(language);
  const of = (/** @type {string | undefined} */ key) => String(Reflect.get(words, key ?? ""));
  document.documentElement.lang = language;
  document.title = words.siteTitle;
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-words]"))) node.textContent = of(node.dataset.words);
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-label]"))) node.ariaLabel = of(node.dataset.label);
  for (const lens of document.querySelectorAll("page-lens")) lens.setAttribute("lang", language);
  button.textContent = words.language;
  button.lang = language === "zh" ? "en" : "zh";
}

/** @param {import("./words.js").Language} language */
function choose(language) {
  speak(language);
  try {
    localStorage.setItem(CHOSEN, language);
  } catch {
    // asked again the next time
  }
}

function chosen() {
  try {
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

speak(languageOf(chosen() ?? navigator.language));
button.onclick = () => choose(document.documentElement.lang === "zh" ? "en" : "zh");
document.addEventListener("languagechange", (event) => choose(languageOf(/** @type {CustomEvent<{ lang: string }>} */ (event).detail.lang)));
