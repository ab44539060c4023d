/**
 * PageLens as a model of the AI SDK (`LanguageModelV4`):
 *
 *   import { generateText } from "ai";
 *   import { createPageLens } from "pagelens/ai-sdk";
 *   const pagelens = createPageLens({ model: "/models/tiny/" });
 *   const { text } = await generateText({ model: pagelens(), messages });
 *
 * Pictures and PDF documents come as file parts; a response format with a schema holds the answer to it. The engine is made with the first question, in this tab; nothing is sent
 * anywhere. Importing this module does nothing.
 */

import { PageLensError, createEngine } from "./pagelens.js";
import { PdfFile } from "./pdf.js";

/** @typedef {import("@ai-sdk/provider").LanguageModelV4} LanguageModelV4 */
/** @typedef {import("@ai-sdk/provider").LanguageModelV4CallOptions} CallOptions */
/** @typedef {import("@ai-sdk/provider").LanguageModelV4Usage} SdkUsage */
/** @typedef {import("@ai-sdk/provider").SharedV4Warning} Warning */
/** @typedef {import("./pagelens.js").ChatMessage} ChatMessage */
/** @typedef {Exclude<ChatMessage["content"], string>} Parts */

/**
 * @param {import("./pagelens.js").EngineOptions} options
 * @returns {(() => LanguageModelV4) & { dispose: () => Promise<void> }} gives the model; all share one engine
 */
export function createPageLens(options) {
  /** @type {Promise<import("./pagelens.js").Engine> | null} */
  let made = null;
  const engine = () => {
    made ??= createEngine(options).catch((error) => {
      made = null; // the next question tries again
      throw error;
    });
    return made;
  };
  const dispose = async () => {
    await (await made)?.dispose();
    made = null;
  };
  const id = typeof options.model === "string" ? options.model : "picked files";
  return Object.assign(() => new PageLensModel(id, engine), { dispose });
}

/** @implements {LanguageModelV4} */
class PageLensModel {
  specificationVersion = /** @type {const} */ ("v4");
  provider = "pagelens";
  /** None: what is not in the prompt is not fetched. @type {Record<string, RegExp[]>} */
  supportedUrls = {};
  modelId;
  #engine;

  /** @param {string} model @param {() => Promise<import("./pagelens.js").Engine>} engine */
  constructor(model, engine) {
    this.modelId = model;
    this.#engine = engine;
  }

  /** @param {CallOptions} options */
  async doGenerate(options) {
    const { request, warnings } = await translate(options);
    const { choices: [{ message, finish_reason }], usage } = await (await this.#engine()).chat.completions.create(request);
    return { content: [{ type: /** @type {const} */ ("text"), text: message.content }], finishReason: { unified: finish_reason, raw: finish_reason }, usage: counted(usage), warnings };
  }

  /** @param {CallOptions} options */
  async doStream(options) {
    const { request, warnings } = await translate(options);
    const chunks = await (await this.#engine()).chat.completions.create({ ...request, stream: true });
    /** @type {ReadableStream<import("@ai-sdk/provider").LanguageModelV4StreamPart>} */
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue({ type: "stream-start", warnings });
        controller.enqueue({ type: "text-start", id: "0" });
      },
      pull: async (controller) => {
        const { value, done } = await chunks.next();
        if (done) return controller.close();
        const { delta, finish_reason } = value.choices[0];
        controller.enqueue({ type: "text-delta", id: "0", delta: delta.content ?? "" });
        if (finish_reason === null) return;
        controller.enqueue({ type: "text-end", id: "0" });
        controller.enqueue({ type: "finish", finishReason: { unified: finish_reason, raw: finish_reason }, usage: counted(/** @type {import("./pagelens.js").Usage} */ (value.usage)) });
      },
      cancel: async () => void (await chunks.return?.()),
    });
    return { stream };
  }
}

/**
 * A call as the engine takes it. What it cannot do is said in a warning.
 * @param {CallOptions} options
 */
async function translate(options) {
  /** @type {Warning[]} */
  const warnings = [];
  const { presencePenalty, frequencyPenalty, tools, responseFormat } = options;
  for (const [feature, value] of Object.entries({ presencePenalty, frequencyPenalty, tools: tools?.length })) {
    if (value) warnings.push({ type: "unsupported", feature });
  }
  const messages = await Promise.all(options.prompt.map(message));
  /** @type {import("./pagelens.js").ChatRequest & { stream?: false }} */
  const request = {
    messages,
    max_tokens: options.maxOutputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    seed: options.seed,
    stop: options.stopSequences,
    response_format: responseFormat?.type === "json" ? jsonFormat(responseFormat) : undefined,
    signal: options.abortSignal,
  };
  return { request, warnings };
}

/** @param {{ schema?: object, name?: string, description?: string }} format @returns {import("./request.js").ResponseFormat} */
function jsonFormat({ schema, name, description }) {
  return schema ? { type: "json_schema", json_schema: { name, description, schema } } : { type: "json_object" };
}

/** @param {CallOptions["prompt"][number]} message @returns {Promise<ChatMessage>} */
async function message({ role, content }) {
  if (role === "tool") throw new PageLensError("invalid-request", "PageLens calls no tools.");
  if (typeof content === "string") return { role, content };
  /** @type {Parts[]} */
  const parts = await Promise.all(content.map(async (part) => {
    if (part.type === "text") return [{ type: /** @type {const} */ ("text"), text: part.text }];
    if (part.type === "reasoning") return [];
    if (part.type === "file") return pictures(part);
    throw new PageLensError("invalid-request", `PageLens takes text and files, and no ${part.type}.`);
  }));
  return { role, content: parts.flat() };
}

/** @param {import("@ai-sdk/provider").LanguageModelV4FilePart} file @returns {Promise<Parts>} */
async function pictures({ data, mediaType }) {
  if (data.type !== "data") throw new PageLensError("remote-image", "PageLens fetches nothing from the network; pass the file’s bytes.");
  const bytes = typeof data.data === "string" ? Uint8Array.from(atob(data.data), (character) => character.charCodeAt(0)) : new Uint8Array(data.data);
  if (mediaType !== "application/pdf") return [{ type: "image", image: bytes }];
  const pdf = new PdfFile(new Blob([bytes]));
  try {
    await pdf.open();
    /** @type {Parts} */
    const pages = [];
    for (let page = 1; page <= pdf.pages; page++) pages.push({ type: "image", image: (await pdf.draw(page)).picture });
    return pages;
  } finally {
    pdf.close();
  }
}

/** @param {import("./pagelens.js").Usage} usage @returns {SdkUsage} */
function counted({ prompt_tokens, completion_tokens }) {
  return {
    inputTokens: { total: prompt_tokens, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: completion_tokens, text: completion_tokens, reasoning: undefined },
  };
}
