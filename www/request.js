/**
 * Turns a chat request in OpenAI's shape into what crosses to the worker: checked options, messages that point at images by
 * index, and the images as file bytes. Nothing that is not understood is passed over in silence.
 */

import { PageLensError } from "./error.js";

/** @typedef {Blob | ArrayBuffer | Uint8Array | ImageBitmap | ImageData | HTMLCanvasElement | OffscreenCanvas} Picture */
/** @typedef {{ type: "text", text: string }} TextPart */
/** @typedef {{ type: "image_url", image_url: { url: string, detail?: "auto" } }} ImageUrlPart a `data:` or `blob:` URL */
/** @typedef {{ type: "image", image: Picture }} ImagePart */
/** @typedef {{ role: "system" | "user" | "assistant", content: string | (TextPart | ImageUrlPart | ImagePart)[] }} ChatMessage */
/**
 * Any text, a JSON object, or what a JSON Schema allows. `strict` changes nothing: an answer is always held to its schema.
 * @typedef {{ type: "text" } | { type: "json_object" } | { type: "json_schema", json_schema: { name?: string, description?: string, schema: object, strict?: boolean | null } }} ResponseFormat
 */

/**
 * @typedef {object} ChatRequest
 * @property {ChatMessage[]} messages
 * @property {string} [model] accepted for OpenAI's shape; an engine has one model
 * @property {boolean} [stream]
 * @property {{ include_usage?: boolean }} [stream_options]
 * @property {number} [max_tokens]
 * @property {number} [temperature] 0 is greedy
 * @property {number} [top_p]
 * @property {number} [top_k]
 * @property {number} [repetition_penalty]
 * @property {number} [seed]
 * @property {number} [max_tiles] tiles an image may be cut into; fewer is faster and less sharp
 * @property {string | string[]} [stop]
 * @property {ResponseFormat} [response_format] the form of the answer, which no token leaves; the question has to say what is wanted
 * @property {AbortSignal} [signal]
 * @property {(progress: import("./pagelens.js").Progress) => void} [onProgress] what happens before the first token
 */

/** @typedef {import("./worker.js").WireMessage} WireMessage */
/** @typedef {{ messages: WireMessage[], images: Uint8Array<ArrayBuffer>[], options: Record<string, number>, stop: string[], schema?: string }} Prepared */

/** @type {Record<string, { whole?: boolean, least: number, most: number, open?: boolean }>} */
const NUMBERS = {
  max_tokens: { whole: true, least: 1, most: 2 ** 31 - 1 },
  max_tiles: { whole: true, least: 1, most: 1024 },
  top_k: { whole: true, least: 0, most: 2 ** 31 - 1 },
  seed: { whole: true, least: 0, most: Number.MAX_SAFE_INTEGER },
  temperature: { least: 0, most: 2 },
  top_p: { least: 0, most: 1, open: true },
  repetition_penalty: { least: 0, most: 10, open: true },
};
const OTHERS = new Set(["messages", "model", "stream", "stream_options", "stop", "response_format", "signal", "onProgress"]);

/**
 * @param {ChatRequest} request
 * @returns {Promise<Prepared>}
 */
export async function prepare(request) {
  /** @type {Record<string, number>} */
  const options = {};
  for (const [key, value] of Object.entries(request)) {
    if (OTHERS.has(key) || value === undefined || value === null) continue;
    const range = NUMBERS[key];
    if (range === undefined) throw invalid(`“${key}” is not an option of PageLens.`);
    const { least, most } = range;
    const fits = typeof value === "number" && value >= least && value <= most && !(range.open && value === least);
    if (!fits || (range.whole && !Number.isInteger(value))) {
      throw invalid(`${key} is ${String(value)}; it must be a ${range.whole ? "whole " : ""}number ${range.open ? `above ${least}, at most ${most}` : `from ${least} to ${most}`}.`);
    }
    options[key] = value;
  }
  const stop = [request.stop ?? []].flat();
  if (stop.some((text) => typeof text !== "string")) throw invalid("stop must be a string or a list of strings.");
  const schema = schemaOf(request.response_format ?? { type: "text" });

  if (!Array.isArray(request.messages) || request.messages.length === 0) throw invalid("messages must be a list with at least one message.");
  /** @type {Promise<Uint8Array<ArrayBuffer>>[]} */
  const images = [];
  const messages = request.messages.map((message, at) => wireMessage(message, `messages[${at}]`, images));
  if (messages.at(-1)?.role !== "user") throw invalid("The last message must be the user's.");
  return { messages, images: await Promise.all(images), options, stop, schema };
}

/**
 * @param {ResponseFormat} format
 * @returns {string | undefined} the JSON Schema of the answer, as text
 */
function schemaOf(format) {
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      return '{"type":"object"}';
    case "json_schema": {
      const schema = format.json_schema?.schema;
      if (typeof schema !== "object" || schema === null) throw invalid("response_format.json_schema.schema must be an object.");
      return JSON.stringify(schema);
    }
    default:
      throw invalid("response_format.type must be text, json_object or json_schema.");
  }
}

/**
 * @param {ChatMessage} message
 * @param {string} where
 * @param {Promise<Uint8Array<ArrayBuffer>>[]} images grows by the images of this message
 * @returns {WireMessage}
 */
function wireMessage({ role, content }, where, images) {
  if (!["system", "user", "assistant"].includes(role)) throw invalid(`${where}.role is “${role}”; it must be system, user or assistant.`);
  if (typeof content === "string") return { role, content: [{ type: "text", text: content }] };
  if (!Array.isArray(content)) throw invalid(`${where}.content must be a string or a list of parts.`);
  return {
    role,
    content: content.map((part, at) => {
      const here = `${where}.content[${at}]`;
      if (part.type === "text") {
        if (typeof part.text !== "string") throw invalid(`${here}.text must be a string.`);
        return { type: "text", text: part.text };
      }
      if (part.type !== "image" && part.type !== "image_url") throw invalid(`${here}.type must be text, image_url or image.`);
      if (role !== "user") throw invalid(`${here}: only a user's message can hold an image.`);
      const bytes = part.type === "image" ? pictureBytes(part.image, here) : urlBytes(part.image_url, here);
      bytes.catch(() => {}); // awaited together with the others, once all messages have been checked
      images.push(bytes);
      return { type: "image", index: images.length - 1 };
    }),
  };
}

/**
 * @param {ImageUrlPart["image_url"]} image
 * @param {string} where
 */
async function urlBytes(image, where) {
  const url = image?.url;
  if (typeof url !== "string") throw invalid(`${where}.image_url.url must be a string.`);
  if (image.detail !== undefined && image.detail !== "auto") throw invalid(`${where}.image_url.detail is not an option of PageLens; use max_tiles.`);
  if (url.startsWith("data:")) return dataBytes(url, where);
  if (url.startsWith("blob:")) {
    const response = await fetch(url).catch((cause) => {
      throw new PageLensError("image-source", `${where}: the blob: URL could not be read (revoked, or refused by the page's connect-src policy). Pass the Blob itself as {type: "image", image: blob}.`, { cause });
    });
    return new Uint8Array(await response.arrayBuffer());
  }
  throw new PageLensError("remote-image", `${where}: PageLens does not fetch pictures from the network, so that nothing about them leaves this machine. Load the picture yourself and pass it as a data: or blob: URL, or as {type: "image", image: blob}.`);
}

/**
 * Decoded by hand: a strict connect-src policy refuses fetch() on data: URLs.
 * @param {string} url
 * @param {string} where
 */
function dataBytes(url, where) {
  const comma = url.indexOf(",");
  try {
    const body = decodeURIComponent(url.slice(comma + 1));
    if (comma < 0) throw new Error("no comma");
    return Uint8Array.from(/;base64$/i.test(url.slice(0, comma)) ? atob(body) : body, (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new PageLensError("image-source", `${where}: the data: URL is malformed.`, { cause });
  }
}

/**
 * File bytes of a picture, always a copy of the caller's.
 * @param {Picture} picture
 * @param {string} where
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function pictureBytes(picture, where) {
  if (picture instanceof Blob) return new Uint8Array(await picture.arrayBuffer());
  if (picture instanceof Uint8Array) return new Uint8Array(picture);
  if (picture instanceof ArrayBuffer) return new Uint8Array(picture.slice(0));
  const is = (/** @type {string} */ name) => typeof Reflect.get(globalThis, name) === "function" && picture instanceof Reflect.get(globalThis, name);
  if (!["ImageBitmap", "ImageData", "HTMLCanvasElement", "OffscreenCanvas"].some(is)) {
    throw invalid(`${where}.image must be a Blob, ArrayBuffer, Uint8Array, ImageBitmap, ImageData or canvas.`);
  }
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  if (context === null) throw new PageLensError("image-source", `${where}: this browser offers no canvas to read the picture with.`);
  if (is("ImageData")) context.putImageData(/** @type {ImageData} */ (picture), 0, 0);
  else context.drawImage(/** @type {CanvasImageSource} */ (/** @type {unknown} */ (picture)), 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

/** @param {string} message */
function invalid(message) {
  return new PageLensError("invalid-request", message);
}
