/** The bench's page: starts a worker with the engine, and shows each measurement as it comes. */

import { start } from "./workers.js";

/** @typedef {{ name: string, ms: number, rate: number, unit: string, share: number }} Measurement */
/** @typedef {{ measured: Measurement } | { device: string } | { error: string }} Report */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const state = /** @type {HTMLElement} */ (document.querySelector("#state"));
const table = /** @type {HTMLTableElement} */ (document.querySelector("table"));
const body = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const choices = Object.fromEntries(new FormData(form));
  button.disabled = true;
  table.hidden = true;
  body.replaceChildren();
  state.textContent = "Measuring. A large model without a GPU takes minutes.";
  const worker = start(() => new Worker(new URL("bench-worker.js", import.meta.url), { type: "module" }));
  const end = (/** @type {string} */ text) => {
    state.textContent = text;
    button.disabled = false;
    worker.terminate();
  };
  worker.addEventListener("message", ({ data }) => {
    const report = /** @type {Report} */ (data);
    if ("error" in report) end(report.error);
    else if ("device" in report) end(`Done, on the ${report.device}.`);
    else row(report.measured);
  });
  worker.addEventListener("error", (event) => end(event.message || "The engine stopped unexpectedly."));
  worker.postMessage({ repeats: 5, ...choices, model: new URL("models/tiny/", document.baseURI).href });
});

/** @param {Measurement} measured */
function row({ name, ms, rate, unit, share }) {
  const time = ms === 0 ? "" : ms < 1000 ? `${ms.toFixed(ms < 10 ? 3 : 1)} ms` : `${(ms / 1000).toFixed(2)} s`;
  const cells = [name, time, unit === "" ? "" : `${rate.toFixed(1)} ${unit}`, share === 0 ? "" : `${(share * 100).toFixed(0)} %`];
  const line = body.insertRow();
  for (const text of cells) line.insertCell().textContent = text;
  table.hidden = false;
}
