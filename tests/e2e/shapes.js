/**
 * Checkpoints in the shapes and file layouts of published ones. Their weights are noise that is made as it is asked for, so
 * that gigabytes can be served without being anywhere.
 */

import { readFile } from "node:fs/promises";

/** @typedef {import("./server.js").Made} Made */
/**
 * @typedef {object} Shape
 * @property {string} golden the tiny checkpoint whose config and tokenizer files it takes over, with these sizes
 * @property {[hidden: number, ffn: number, layers: number, heads: number]} vision
 * @property {[hidden: number, ffn: number, layers: number, heads: number, kvHeads: number, headDim: number]} language
 * @property {number} vocabulary
 * @property {number} context
 * @property {number} [shards]
 * @property {string} [tokenizer] the folder of a published one; without it, the tiny checkpoint's
 * @property {Record<string, string>} [reserved] tokens that the model has in the places that the tokenizer's hold for it
 * @property {string[]} [added] tokens that the model has behind those of the tokenizer, up to `vocabulary`
 */

const [SMALL, LARGE] = [[1024, 4096, 24, 16], [3200, 12_800, 4, 25]].map((sizes) => /** @type {Shape["vision"]} */ (sizes));
const IMAGE = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"];
const PHI = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>", "<|placeholder4|>", "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>"];
/** @type {Record<string, Shape>} the last two are cut to four layers of the language model, and of the encoder */
export const SHAPES = {
  "InternVL3-8B": { golden: "original-qwen2", vision: SMALL, language: [3584, 18_944, 28, 28, 4, 128], vocabulary: 151_674, context: 32_768 },
  "InternVL2_5-1B": { golden: "original-qwen2", vision: SMALL, language: [896, 4864, 24, 14, 2, 64], vocabulary: 151_674, context: 32_768, tokenizer: "qwen2_5", added: IMAGE },
  "InternVL2-2B": { golden: "original-internlm2", vision: SMALL, language: [2048, 8192, 24, 16, 8, 128], vocabulary: 92_553, context: 32_768, tokenizer: "internlm2", reserved: { "[UNUSED_TOKEN_145]": "<|im_end|>", "[UNUSED_TOKEN_146]": "<|im_start|>" }, added: IMAGE },
  "InternVL3_5-1B": { golden: "original-qwen3", vision: SMALL, language: [1024, 3072, 28, 16, 8, 128], vocabulary: 151_936, context: 40_960, tokenizer: "qwen2_5", added: IMAGE },
  "Mini-InternVL-Chat-4B-V1-5": { golden: "original-phi3", vision: SMALL, language: [3072, 8192, 4, 32, 32, 96], vocabulary: 32_020, context: 131_072, shards: 2, tokenizer: "llama2", added: [...PHI, ...IMAGE] },
  "InternViT-6B": { golden: "original-qwen2", vision: LARGE, language: [896, 4864, 24, 14, 2, 64], vocabulary: 151_674, context: 32_768, shards: 2, tokenizer: "qwen2_5", added: IMAGE },
};

/** @typedef {[name: string, shape: number[]][]} Tensors as the published classes spell and shape them */

/** @param {Shape} shape @returns {Tensors} */
function encoder({ vision: [c, ffn, layers], language: [d] }) {
  const large = c === LARGE?.[0];
  /** @type {Tensors} */
  const all = [
    ["vision_model.embeddings.class_embedding", [1, 1, c]],
    ["vision_model.embeddings.patch_embedding.weight", [c, 3, 14, 14]], ["vision_model.embeddings.patch_embedding.bias", [c]],
    ["vision_model.embeddings.position_embedding", [1, 1025, c]],
    ["mlp1.0.weight", [4 * c]], ["mlp1.0.bias", [4 * c]], ["mlp1.1.weight", [d, 4 * c]], ["mlp1.1.bias", [d]], ["mlp1.3.weight", [d, d]], ["mlp1.3.bias", [d]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const of = { "attn.qkv.weight": [3 * c, c], "attn.proj.weight": [c, c], "attn.proj.bias": [c], "mlp.fc1.weight": [ffn, c], "mlp.fc1.bias": [ffn], "mlp.fc2.weight": [c, ffn], "mlp.fc2.bias": [c], "norm1.weight": [c], "norm2.weight": [c], ls1: [c], ls2: [c] };
    const own = large ? { "attn.q_norm.weight": [c], "attn.k_norm.weight": [c] } : { "attn.qkv.bias": [3 * c], "norm1.bias": [c], "norm2.bias": [c] };
    for (const [stem, dims] of Object.entries({ ...of, ...own })) all.push([`vision_model.encoder.layers.${layer}.${stem}`, dims]);
  }
  return all;
}

/** @param {Shape} shape @returns {Tensors} */
function decoder({ golden, language: [d, f, layers, heads, kv, dim], vocabulary }) {
  const [q, k] = [heads * dim, kv * dim];
  const internlm2 = golden === "original-internlm2";
  const norms = { "input_layernorm.weight": [d], "post_attention_layernorm.weight": [d] };
  const mlp = { "mlp.gate_proj.weight": [f, d], "mlp.up_proj.weight": [f, d], "mlp.down_proj.weight": [d, f] };
  const attention = { "self_attn.q_proj.weight": [q, d], "self_attn.k_proj.weight": [k, d], "self_attn.v_proj.weight": [k, d], "self_attn.o_proj.weight": [d, q] };
  /** @type {Record<string, Record<string, number[]>>} */
  const layer = {
    "original-qwen2": { ...norms, ...mlp, ...attention, "self_attn.q_proj.bias": [q], "self_attn.k_proj.bias": [k], "self_attn.v_proj.bias": [k] },
    "original-qwen3": { ...norms, ...mlp, ...attention, "self_attn.q_norm.weight": [dim], "self_attn.k_norm.weight": [dim] },
    "original-phi3": { ...norms, "self_attn.qkv_proj.weight": [q + 2 * k, d], "self_attn.o_proj.weight": [d, q], "mlp.gate_up_proj.weight": [2 * f, d], "mlp.down_proj.weight": [d, f] },
    "original-internlm2": { "attention_norm.weight": [d], "ffn_norm.weight": [d], "attention.wqkv.weight": [q + 2 * k, d], "attention.wo.weight": [d, q], "feed_forward.w1.weight": [f, d], "feed_forward.w2.weight": [d, f], "feed_forward.w3.weight": [f, d] },
  };
  const model = "language_model.model";
  /** @type {Tensors} */
  const all = [[`${model}.${internlm2 ? "tok_embeddings" : "embed_tokens"}.weight`, [vocabulary, d]], [`${model}.norm.weight`, [d]], [`language_model.${internlm2 ? "output" : "lm_head"}.weight`, [vocabulary, d]]];
  for (let at = 0; at < layers; at++) for (const [stem, dims] of Object.entries(layer[golden] ?? {})) all.push([`${model}.layers.${at}.${stem}`, dims]);
  return all;
}

/**
 * The files of one of `SHAPES`, by their paths in `folder`.
 * @param {string} name
 * @param {string} folder
 * @param {(folder: string) => URL} [tokenizers] where a published tokenizer's files are; without it, the tiny checkpoint's are served
 * @returns {Promise<Map<string, Made>>}
 */
export async function checkpoint(name, folder, tokenizers) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`no shape is called ${name}`);
  const golden = new URL(`../golden/${shape.golden}/`, import.meta.url);
  const files = new Map([["config.json", json(config(shape, JSON.parse(await readFile(new URL("config.json", golden), "utf8"))))]]);
  for (const file of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]) {
    const published = tokenizers && shape.tokenizer && file !== "generation_config.json";
    const content = JSON.parse(await readFile(new URL(file, published ? tokenizers(shape.tokenizer ?? "") : golden), "utf8"));
    if (published && file === "tokenizer.json") add(content, shape);
    files.set(file, json(content));
  }
  const tensors = [...encoder(shape), ...decoder(shape)];
  const count = shape.shards ?? 1;
  /** @type {Record<string, string>} */
  const index = {};
  for (let shard = 0; shard < count; shard++) {
    const file = count === 1 ? "model.safetensors" : `model-${number(shard + 1)}-of-${number(count)}.safetensors`;
    const own = tensors.slice((tensors.length * shard) / count, (tensors.length * (shard + 1)) / count);
    for (const [tensor] of own) index[tensor] = file;
    files.set(file, safetensors(own));
  }
  if (count > 1) files.set("model.safetensors.index.json", json({ weight_map: index }));
  return new Map([...files].map(([file, made]) => [`${folder}${file}`, made]));
}

/** @param {number} shard */
const number = (shard) => String(shard).padStart(5, "0");

/** @param {Shape} shape @param {any} config */
function config({ vision, language: [d, f, layers, heads, kv, dim], vocabulary, context, golden }, config) {
  const large = vision === LARGE;
  Object.assign(config, { force_image_size: 448, max_dynamic_patch: 12 });
  Object.assign(config.vision_config, { hidden_size: vision[0], intermediate_size: vision[1], num_hidden_layers: vision[2], num_attention_heads: vision[3], image_size: 448, patch_size: 14, norm_type: large ? "rms_norm" : "layer_norm", qkv_bias: !large, qk_normalization: large });
  Object.assign(config.llm_config, { hidden_size: d, intermediate_size: f, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kv, vocab_size: vocabulary, max_position_embeddings: context });
  if (golden === "original-qwen3") config.llm_config.head_dim = dim;
  if (golden === "original-phi3") {
    const factors = (/** @type {number} */ most) => Array.from({ length: dim / 2 }, (_, at) => 1 + (most * at) / dim);
    Object.assign(config.llm_config, { original_max_position_embeddings: 4096, rope_scaling: { type: "su", short_factor: factors(0.1), long_factor: factors(60) } });
  }
  return config;
}

/** Gives a published tokenizer the tokens that the model has in reserved places, and behind its own. @param {any} tokenizer @param {Shape} shape */
function add(tokenizer, { reserved = {}, added = [], vocabulary }) {
  const vocab = tokenizer.model.vocab;
  const push = (/** @type {number} */ id, /** @type {string} */ content) => tokenizer.added_tokens.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
  for (const [place, content] of Object.entries(reserved)) {
    push(vocab[place], content);
    vocab[content] = vocab[place];
    delete vocab[place];
  }
  const known = new Set(tokenizer.added_tokens.map((/** @type {{ content: string }} */ { content }) => content));
  const missing = added.filter((content) => !known.has(content));
  const ids = [...Object.values(vocab), ...tokenizer.added_tokens.map((/** @type {{ id: number }} */ { id }) => id)];
  const most = ids.reduce((most, id) => Math.max(most, id), 0);
  if (most + missing.length >= vocabulary) throw new Error(`${most + missing.length + 1} tokens do not fit into ${vocabulary}`);
  for (const [at, content] of missing.entries()) push(most + 1 + at, content);
}

/** @param {object} value @returns {Made} */
function json(value) {
  const bytes = Buffer.from(JSON.stringify(value));
  return { size: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

/** BF16 values around 0 with a standard deviation of about 0.02, the same 2 MiB over and over. */
const noise = (() => {
  let seed = 1;
  const next = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32 - 0.5;
  const values = Float32Array.from({ length: 1 << 20 }, () => 0.035 * (next() + next() + next() + next()));
  const bits = new Uint32Array(values.buffer);
  return Buffer.from(Uint16Array.from(bits, (value) => value >>> 16).buffer);
})();

/** @param {Tensors} tensors @returns {Made} */
function safetensors(tensors) {
  /** @type {Record<string, object>} */
  const header = {};
  let at = 0;
  for (const [name, shape] of tensors) {
    const end = at + 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [at, end] };
    at = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const head = Buffer.concat([length, text]);
  const read = (/** @type {number} */ start, /** @type {number} */ end) => {
    const bytes = Buffer.alloc(end - start);
    for (let at = start; at < end; ) {
      const source = at < head.length ? head.subarray(at) : noise.subarray((at - head.length) % noise.length);
      at += source.copy(bytes, at - start, 0, end - at);
    }
    return bytes;
  };
  return { size: head.length + at, read };
}
