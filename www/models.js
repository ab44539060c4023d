/**
 * Published models that are known to open, by repository. `bytes` is what loading fetches, `memory` what the model needs at
 * 8 bits in the encoder and 4 in the decoder for a page of its most tiles, keys and values in f32, `context` how many tokens it
 * was trained for.
 * tests/zoo.rs builds each one's config and tensors from `vision` and `language` and holds every number against the engine.
 * The array is JSON.
 */

/**
 * @typedef {object} Published
 * @property {string} id
 * @property {string} revision
 * @property {string} licence
 * @property {number} bytes
 * @property {number} memory
 * @property {number} context
 * @property {"internvl2_5" | "internlm2-chat" | "Hermes-2"} template
 * @property {"300M" | "6B"} vision
 * @property {{ family: "qwen2" | "qwen3" | "internlm2", layers: number, hidden: number, heads: number, kv_heads: number, head_dim: number, ffn: number, vocabulary: number }} language
 */

/** @type {Published[]} */
export const MODELS = [
  {"id": "OpenGVLab/Mini-InternVL-Chat-2B-V1-5", "revision": "main", "licence": "MIT; InternLM2: free for research, commercial use on application", "bytes": 4411508736, "memory": 2803093284, "context": 8192, "template": "internlm2-chat", "vision": "300M", "language": {"family": "internlm2", "layers": 24, "hidden": 2048, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 8192, "vocabulary": 92553}},
  {"id": "OpenGVLab/InternVL2-1B", "revision": "main", "licence": "MIT; Qwen2: Apache-2.0", "bytes": 1876317952, "memory": 1072901548, "context": 8192, "template": "Hermes-2", "vision": "300M", "language": {"family": "qwen2", "layers": 24, "hidden": 896, "heads": 14, "kv_heads": 2, "head_dim": 64, "ffn": 4864, "vocabulary": 151655}},
  {"id": "OpenGVLab/InternVL2-2B", "revision": "main", "licence": "MIT; InternLM2: free for research, commercial use on application", "bytes": 4411508736, "memory": 2803093284, "context": 8192, "template": "internlm2-chat", "vision": "300M", "language": {"family": "internlm2", "layers": 24, "hidden": 2048, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 8192, "vocabulary": 92553}},
  {"id": "OpenGVLab/InternVL2-8B", "revision": "main", "licence": "MIT; InternLM2: free for research, commercial use on application", "bytes": 16150730752, "memory": 6768838692, "context": 8192, "template": "internlm2-chat", "vision": "300M", "language": {"family": "internlm2", "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 14336, "vocabulary": 92553}},
  {"id": "OpenGVLab/InternVL2_5-1B", "revision": "main", "licence": "MIT; Qwen2.5: Apache-2.0", "bytes": 1876386048, "memory": 1072937800, "context": 16384, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen2", "layers": 24, "hidden": 896, "heads": 14, "kv_heads": 2, "head_dim": 64, "ffn": 4864, "vocabulary": 151674}},
  {"id": "OpenGVLab/InternVL2_5-2B", "revision": "main", "licence": "MIT; InternLM2: free for research, commercial use on application", "bytes": 4411508736, "memory": 2803093284, "context": 16384, "template": "internvl2_5", "vision": "300M", "language": {"family": "internlm2", "layers": 24, "hidden": 2048, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 8192, "vocabulary": 92553}},
  {"id": "OpenGVLab/InternVL2_5-4B", "revision": "main", "licence": "MIT; Qwen2.5-3B: research only", "bytes": 7425275904, "memory": 3177974760, "context": 16384, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen2", "layers": 36, "hidden": 2048, "heads": 16, "kv_heads": 2, "head_dim": 128, "ffn": 11008, "vocabulary": 151674}},
  {"id": "OpenGVLab/InternVL2_5-8B", "revision": "main", "licence": "MIT; InternLM2: free for research, commercial use on application", "bytes": 16150730752, "memory": 6768838692, "context": 16384, "template": "internvl2_5", "vision": "300M", "language": {"family": "internlm2", "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 14336, "vocabulary": 92553}},
  {"id": "OpenGVLab/InternVL3-1B", "revision": "main", "licence": "Apache-2.0", "bytes": 1876386048, "memory": 1072937800, "context": 12288, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen2", "layers": 24, "hidden": 896, "heads": 14, "kv_heads": 2, "head_dim": 64, "ffn": 4864, "vocabulary": 151674}},
  {"id": "OpenGVLab/InternVL3-2B", "revision": "main", "licence": "Apache-2.0", "bytes": 4177914880, "memory": 2062536040, "context": 12288, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen2", "layers": 28, "hidden": 1536, "heads": 12, "kv_heads": 2, "head_dim": 128, "ffn": 8960, "vocabulary": 151674}},
  {"id": "OpenGVLab/InternVL3-8B", "revision": "main", "licence": "Apache-2.0", "bytes": 15888747520, "memory": 6145648488, "context": 12288, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen2", "layers": 28, "hidden": 3584, "heads": 28, "kv_heads": 4, "head_dim": 128, "ffn": 18944, "vocabulary": 151674}},
  {"id": "OpenGVLab/InternVL3_5-1B", "revision": "main", "licence": "Apache-2.0", "bytes": 2121795584, "memory": 2200229376, "context": 32768, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen3", "layers": 28, "hidden": 1024, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 3072, "vocabulary": 151936}},
  {"id": "OpenGVLab/InternVL3_5-2B", "revision": "main", "licence": "Apache-2.0", "bytes": 4696694784, "memory": 3147843072, "context": 32768, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen3", "layers": 28, "hidden": 2048, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 6144, "vocabulary": 151936}},
  {"id": "OpenGVLab/InternVL3_5-4B", "revision": "main", "licence": "Apache-2.0", "bytes": 9464978432, "memory": 4961885696, "context": 32768, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen3", "layers": 36, "hidden": 2560, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 9728, "vocabulary": 151936}},
  {"id": "OpenGVLab/InternVL3_5-8B", "revision": "main", "licence": "Apache-2.0", "bytes": 17056636928, "memory": 7409845760, "context": 32768, "template": "internvl2_5", "vision": "300M", "language": {"family": "qwen3", "layers": 36, "hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 12288, "vocabulary": 151936}}
];
