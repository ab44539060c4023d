"""Writes golden cases as GGUF pairs, as llama.cpp's converter would, with the `gguf` package.

    python tests/golden/make_gguf.py

One folder a case under gguf/: model.gguf and mmproj.gguf with the very weights of the case of that name, whose expected stages hold for
them too. The internlm2 case is in two parts.
"""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch

import reference

HERE = Path(__file__).parent
CASES = ["original-internlm2", "original-phi3", "original-qwen2", "original-qwen3", "hf-llama-stops", "hf-qwen2-tied"]

LANGUAGE = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
VISION = {
    "embeddings.cls_token": "v.class_embd",
    "embeddings.position_embeddings": "v.position_embd.weight",
    "embeddings.patch_embeddings.projection": "v.patch_embd",
    "layernorm_before": "ln1",
    "layernorm_after": "ln2",
    "attention.q_proj": "attn_q",
    "attention.k_proj": "attn_k",
    "attention.v_proj": "attn_v",
    "attention.q_norm": "attn_q_norm",
    "attention.k_norm": "attn_k_norm",
    "attention.projection_layer": "attn_out",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "lambda_1": "ls1.weight",
    "lambda_2": "ls2.weight",
}
PROJECTOR = {"layer_norm": "mm.0", "linear_1": "mm.1", "linear_2": "mm.3"}


def template(checkpoint):
    """The case's conversation as Jinja."""
    if checkpoint.jinja:
        return checkpoint.jinja
    t = checkpoint.template
    system = "{{ " + json.dumps(t.system + checkpoint.message + t.end, ensure_ascii=False) + " }}"
    turns = {"system": t.system, "user": t.user, "assistant": t.assistant}
    opening = json.dumps(turns, ensure_ascii=False)
    body = "{{ " + opening + "[m['role']] + m['content'] + " + json.dumps(t.end) + " }}"
    return "{% if messages[0]['role'] != 'system' %}" + system + "{% endif %}{% for m in messages %}" + body + "{% endfor %}{{ " + json.dumps(t.assistant) + " }}"


def rename(name, table):
    stem, dot, suffix = name, "", ""
    for ending in (".weight", ".bias"):
        if name.endswith(ending):
            stem, dot, suffix = name[: -len(ending)], ".", ending[1:]
    return table[stem] + dot + suffix


def permute(tensor, heads):
    """Halves of each head in turn, as the converter stores Llama and InternLM2."""
    return tensor.view(heads, 2, -1, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)


def put(writer, name, tensor):
    tensor = tensor.squeeze()
    exact = tensor.float().contiguous().numpy()
    if tensor.dim() >= 2 and "position_embd" not in name:
        half = exact.astype(np.float16)
        if (half.astype(np.float32) == exact).all():
            return writer.add_tensor(name, half)
        if tensor.to(torch.bfloat16).float().equal(tensor.float()):
            return writer.add_tensor(name, gguf.quants.quantize(exact, gguf.GGMLQuantizationType.BF16), raw_dtype=gguf.GGMLQuantizationType.BF16)
    return writer.add_tensor(name, exact)


def add_tokenizer(writer, folder, architecture, checkpoint):
    stored = json.loads((folder / "tokenizer.json").read_text())
    model, added = stored["model"], {token["id"]: token for token in stored["added_tokens"]}
    tokens = [None] * (max([*model["vocab"].values(), *added]) + 1)
    for token, i in model["vocab"].items():
        tokens[i] = token
    for i, token in added.items():
        tokens[i] = token["content"]
    pieces = architecture in ("internlm2", "llama", "phi3")
    types = []
    for i, token in enumerate(tokens):
        kind = gguf.TokenType.NORMAL
        if pieces and token == "<unk>":
            kind = gguf.TokenType.UNKNOWN
        elif i in added:
            kind = gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED
        elif pieces and token.startswith("<0x"):
            kind = gguf.TokenType.BYTE
        types.append(kind)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    if pieces:
        best = {}
        for rank, pair in enumerate(merges):
            best.setdefault(pair.replace(" ", ""), -float(rank))
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([best.get(token, -1e4) for token in tokens])
        writer.add_add_space_prefix(False)
        writer.add_bos_token_id(1)
        writer.add_unk_token_id(0)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_merges(merges)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_add_bos_token(pieces)
    end = "<|end|>" if "<|end|>" in tokens else "<|im_end|>"
    writer.add_eos_token_id(tokens.index(end))
    writer.add_chat_template(template(checkpoint))


def language(folder, out, checkpoint, tensors):
    text = checkpoint.model.config.text_config
    original = json.loads((folder / "config.json").read_text()).get("llm_config", {})
    architecture = original.get("model_type", text.model_type)
    parts = 2 if architecture == "internlm2" else 1
    heads, kv_heads = text.num_attention_heads, text.num_key_value_heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    writer = gguf.GGUFWriter(out / "model.gguf", architecture, split_max_tensors=12 if parts == 2 else 0)
    writer.add_context_length(text.max_position_embeddings)
    writer.add_embedding_length(text.hidden_size)
    writer.add_block_count(text.num_hidden_layers)
    writer.add_feed_forward_length(text.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(text.rms_norm_eps)
    rope = text.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "longrope":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        for kind in ("short", "long"):
            writer.add_tensor(f"rope_factors_{kind}.weight", np.array(rope[f"{kind}_factor"], np.float32))
    add_tokenizer(writer, folder, architecture, checkpoint)
    for name, tensor in tensors.items():
        if name == "lm_head.weight":
            put(writer, "output.weight", tensor)
        if not name.startswith("model.language_model."):
            continue
        if architecture in ("internlm2", "llama") and (".q_proj" in name or ".k_proj" in name):
            tensor = permute(tensor, heads if ".q_proj" in name else kv_heads)
        rest = name.removeprefix("model.language_model.")
        if rest.startswith("layers."):
            _, i, rest = rest.split(".", 2)
            put(writer, f"blk.{i}.{rename(rest, LANGUAGE)}", tensor)
        else:
            put(writer, rename(rest, LANGUAGE), tensor)
    write(writer)


def encoder(out, checkpoint, tensors):
    vision = checkpoint.model.config.vision_config
    writer = gguf.GGUFWriter(out / "mmproj.gguf", "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "internvl")
    writer.add_vision_image_size(vision.image_size[0])
    writer.add_vision_patch_size(vision.patch_size[0])
    writer.add_vision_embedding_length(vision.hidden_size)
    writer.add_vision_feed_forward_length(vision.intermediate_size)
    writer.add_vision_projection_dim(checkpoint.model.config.text_config.hidden_size)
    writer.add_vision_block_count(vision.num_hidden_layers)
    writer.add_vision_head_count(vision.num_attention_heads)
    writer.add_vision_attention_layernorm_eps(vision.layer_norm_eps)
    writer.add_vision_image_mean([0.485, 0.456, 0.406])
    writer.add_vision_image_std([0.229, 0.224, 0.225])
    writer.add_vision_use_gelu(True)
    writer.add_vision_projector_scale_factor(2)
    writer.add_uint32("clip.vision.preproc_min_tiles", checkpoint.low)
    writer.add_uint32("clip.vision.preproc_max_tiles", checkpoint.high)
    for name, tensor in tensors.items():
        if name.startswith("model.multi_modal_projector."):
            put(writer, rename(name.removeprefix("model.multi_modal_projector."), PROJECTOR), tensor)
        elif name.startswith("model.vision_tower.encoder.layer."):
            _, i, rest = name.removeprefix("model.vision_tower.encoder.").split(".", 2)
            put(writer, f"v.blk.{i}.{rename(rest, VISION)}", tensor)
        elif name.startswith("model.vision_tower."):
            put(writer, rename(name.removeprefix("model.vision_tower."), VISION), tensor)
    write(writer)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    root = HERE / "gguf"
    shutil.rmtree(root, ignore_errors=True)
    for name in CASES:
        folder, out = HERE / name, root / name
        out.mkdir(parents=True)
        checkpoint = reference.load(folder)
        tensors = dict(checkpoint.model.state_dict())
        if name == "hf-qwen2-tied":
            tensors.pop("lm_head.weight")
        language(folder, out, checkpoint, tensors)
        encoder(out, checkpoint, tensors)
        print(name, {file.name: file.stat().st_size // 1024 for file in out.iterdir()}, flush=True)


main()
