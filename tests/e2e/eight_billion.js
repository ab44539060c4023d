/** A checkpoint of InternVL3-8B's shapes whose 16 GB of weights are claimed, not there. */

import { readFile } from "node:fs/promises";

const golden = new URL("../golden/original-qwen2/", import.meta.url);
const [c, ffn, d, f, v, layers] = [1024, 4096, 3584, 18_944, 151_674, 28];

/** @returns {[string, number[]][]} */
function tensors() {
  /** @type {[string, number[]][]} */
  const all = [
    ["vision_model.embeddings.class_embedding", [1, 1, c]],
    ["vision_model.embeddings.patch_embedding.weight", [c, 3, 14, 14]],
    ["vision_model.embeddings.patch_embedding.bias", [c]],
    ["vision_model.embeddings.position_embedding", [1, 1025, c]],
    ["mlp1.0.weight", [4 * c]], ["mlp1.0.bias", [4 * c]],
    ["mlp1.1.weight", [d, 4 * c]], ["mlp1.1.bias", [d]],
    ["mlp1.3.weight", [d, d]], ["mlp1.3.bias", [d]],
    ["language_model.model.embed_tokens.weight", [v, d]],
    ["language_model.lm_head.weight", [v, d]],
    ["language_model.model.norm.weight", [d]],
  ];
  for (let layer = 0; layer < 24; layer++) {
    const shapes = { "attn.qkv.weight": [3 * c, c], "attn.qkv.bias": [3 * c], "attn.proj.weight": [c, c], "attn.proj.bias": [c], "mlp.fc1.weight": [ffn, c], "mlp.fc1.bias": [ffn], "mlp.fc2.weight": [c, ffn], "mlp.fc2.bias": [c], "norm1.weight": [c], "norm1.bias": [c], "norm2.weight": [c], "norm2.bias": [c], ls1: [c], ls2: [c] };
    for (const [stem, shape] of Object.entries(shapes)) all.push([`vision_model.encoder.layers.${layer}.${stem}`, shape]);
  }
  for (let layer = 0; layer < layers; layer++) {
    const shapes = { "self_attn.q_proj.weight": [d, d], "self_attn.q_proj.bias": [d], "self_attn.k_proj.weight": [512, d], "self_attn.k_proj.bias": [512], "self_attn.v_proj.weight": [512, d], "self_attn.v_proj.bias": [512], "self_attn.o_proj.weight": [d, d], "mlp.gate_proj.weight": [f, d], "mlp.up_proj.weight": [f, d], "mlp.down_proj.weight": [d, f], "input_layernorm.weight": [d], "post_attention_layernorm.weight": [d] };
    for (const [stem, shape] of Object.entries(shapes)) all.push([`language_model.model.layers.${layer}.${stem}`, shape]);
  }
  return all;
}

/**
 * The beginning of each file, and how long it claims to be.
 * @returns {Promise<Map<string, { bytes: Buffer, size: number }>>}
 */
export async function eightBillion() {
  /** @type {Record<string, object>} */
  const header = {};
  let at = 0;
  for (const [name, shape] of tensors()) {
    const end = at + 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [at, end] };
    at = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const shard = Buffer.concat([length, json]);
  const config = JSON.parse(await readFile(new URL("config.json", golden), "utf8"));
  Object.assign(config, { force_image_size: 448, max_dynamic_patch: 12 });
  Object.assign(config.vision_config, { hidden_size: c, intermediate_size: ffn, num_hidden_layers: 24, num_attention_heads: 16, image_size: 448, patch_size: 14, norm_type: "layer_norm", qkv_bias: true, qk_normalization: false });
  Object.assign(config.llm_config, { hidden_size: d, intermediate_size: f, num_hidden_layers: layers, num_attention_heads: 28, num_key_value_heads: 4, vocab_size: v, max_position_embeddings: 32_768 });
  const files = new Map([["model.safetensors", { bytes: shard, size: shard.length + at }], ["config.json", whole(Buffer.from(JSON.stringify(config)))]]);
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]) {
    const bytes = await readFile(new URL(name, golden)).catch(() => null);
    if (bytes) files.set(name, whole(bytes));
  }
  return files;
}

/** @param {Buffer} bytes */
function whole(bytes) {
  return { bytes, size: bytes.length };
}
