"""Tiny random InternVL checkpoints in every layout the runtime reads."""

import json
import math
import re
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

IMAGE_TOKENS = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"]


@dataclass(frozen=True)
class Variant:
    """One checkpoint to make: what differs between the releases of the family."""

    name: str
    layout: str  # original | hf (`model.` prefix, transformers 5 config) | hf-old (no prefix, transformers 4 config)
    decoder: str  # internlm2 | llama | phi3 | qwen2 | qwen3
    template: str  # a name of the original layout's templates, or of JINJA
    dtype: str = "bfloat16"
    shards: int = 1
    side: int = 56
    vision: dict = field(default_factory=dict)  # overrides of VISION
    language: dict = field(default_factory=dict)  # overrides of LANGUAGE
    big_encoder: bool = False  # RMSNorm, q/k norm and no qkv bias, as InternViT-6B
    ps_version: str = "v2"
    tied: bool = False
    config: dict = field(default_factory=dict)  # overrides at the top of config.json
    min_patches: int = 1
    max_patches: int = 12
    faint: bool = False  # activations of the encoder a hundred times smaller, so that its and the projector's epsilon show
    claims_tied: bool = False  # original layout: llm_config says tied although the file has an output head


VISION = dict(hidden=32, ffn=64, layers=2, heads=2, eps=1e-6)
LANGUAGE = dict(hidden=32, ffn=64, layers=2, heads=2, kv_heads=1, head_dim=None, vocab=None, eps=1e-6, theta=1e6, positions=32768, dynamic=None, original=None)

CHATML = """{% for message in messages %}{{'<|im_start|>' + message['role'] + '
'}}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ 'MARKER
' }}{% elif content['type'] == 'video' %}{{ '<video>
' }}{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{{'<|im_end|>
'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant
' }}{% endif %}"""

DEFAULT_SYSTEM = """{%- macro body(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}
{%- for part in content -%}
{%- if part.type == 'image' -%}{{ '<IMG_CONTEXT>\\n' }}{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages %}
{%- if loop.first and message.role != 'system' %}
{{- '<|im_start|>system\\n你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。<|im_end|>\\n' }}
{%- endif %}
{{- '<|im_start|>' + message.role + '\\n' + body(message.content) + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

JINJA = {
    "jinja": CHATML.replace("MARKER", "<IMG_CONTEXT>"),
    "jinja-image-marker": CHATML.replace("MARKER", "<image>"),
    "jinja-default-system": DEFAULT_SYSTEM,
}


# --- tokenizers

CORPUS = """The invoice number is 20240519 and the total amount is 1,284.50 EUR.
Please describe the image explicitly. What is written in the picture? Read the text in the table.
Please provide the bounding box coordinate of the region this sentence describes.
Answer the question using a single word or phrase. Answer with the option's letter from the given choices directly.
The name of the person on the card, the date of birth and the address are shown in the first line.
You are a careful reader of documents. You are an AI assistant whose name is InternLM.
请描述这张图片。图片中的文字是什么？请读出表格中的文字。
请直接回答选项字母。发票号码是多少？总金额是多少？
你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。
你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。
What is the date? What is the title of the document? Where is the signature?
system user assistant system user assistant
""".splitlines()

QWEN_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def qwen_tokenizer(extra=()):
    """Byte-level BPE with Qwen's pretokenizer; no BOS."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([*("<|endoftext|>", "<|im_start|>", "<|im_end|>"), *IMAGE_TOKENS])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in extra])
    return tokenizer


def sentencepiece_tokenizer(layout, turns=("<|im_end|>", "<|im_start|>"), rstrip=()):
    """BPE with byte fallback and `<s>` in front, as SentencePiece models are converted; no space is prepended."""
    trained = Tokenizer(BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    trained.train_from_iterator(CORPUS, BpeTrainer(vocab_size=230, limit_alphabet=150, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *sorted(model["vocab"], key=model["vocab"].get)]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = Tokenizer(BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if layout == "original":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, rstrip=token in rstrip) for token in turns])
    tokenizer.add_special_tokens(IMAGE_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    return tokenizer


def tokenizer_of(variant):
    if variant.template == "phi3-chat":
        turns = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
        return sentencepiece_tokenizer(variant.layout, turns, rstrip=turns[1:])
    if variant.decoder in ("internlm2", "llama"):
        return sentencepiece_tokenizer(variant.layout)
    return qwen_tokenizer(("<think>", "</think>") if variant.decoder == "qwen3" else ())


# --- weights under the names of transformers


def weights(variant, sizes, seed):
    """Random tensors, lively enough that every stage matters to the logits; rounded to the stored type."""
    vision, language = sizes["vision"], sizes["language"]
    noise = torch.Generator().manual_seed(seed)
    tensors = {}

    def normal(name, *shape, std=1.0, mean=0.0):
        tensors[name] = (torch.randn(*shape, generator=noise) * std + mean).to(getattr(torch, variant.dtype))

    def linear(name, rows, columns, gain=1.0, bias=None):
        normal(f"{name}.weight", rows, columns, std=gain / math.sqrt(columns))
        if bias is not None:
            normal(f"{name}.bias", rows, std=bias)

    def norm(name, size, bias=True):
        normal(f"{name}.weight", size, std=0.2, mean=1.0)
        if bias:
            normal(f"{name}.bias", size, std=0.2)

    c, f = vision["hidden"], vision["ffn"]
    patches = (variant.side // 14) ** 2
    tower = "model.vision_tower"
    normal(f"{tower}.embeddings.cls_token", 1, 1, c)
    normal(f"{tower}.embeddings.position_embeddings", 1, 1 + patches, c, std=0.5)
    normal(f"{tower}.embeddings.patch_embeddings.projection.weight", c, 3, 14, 14, std=1.5 / math.sqrt(588))
    normal(f"{tower}.embeddings.patch_embeddings.projection.bias", c, std=0.2)
    for i in range(vision["layers"]):
        layer = f"{tower}.encoder.layer.{i}"
        norm(f"{layer}.layernorm_before", c, not variant.big_encoder)
        norm(f"{layer}.layernorm_after", c, not variant.big_encoder)
        for letter, gain in (("q", 1.6), ("k", 1.6), ("v", 1.2)):
            linear(f"{layer}.attention.{letter}_proj", c, c, gain, None if variant.big_encoder else 0.3)
        if variant.big_encoder:
            norm(f"{layer}.attention.q_norm", c, False)
            norm(f"{layer}.attention.k_norm", c, False)
        linear(f"{layer}.attention.projection_layer", c, c, 1.2, 0.2)
        linear(f"{layer}.mlp.fc1", f, c, 1.4, 0.3)
        linear(f"{layer}.mlp.fc2", c, f, 1.4, 0.2)
        normal(f"{layer}.lambda_1", c, std=0.2, mean=0.7)
        normal(f"{layer}.lambda_2", c, std=0.2, mean=0.7)

    if variant.faint:
        for name in tensors:
            if "embeddings" in name or "lambda" in name:
                tensors[name] = tensors[name] / 100

    d = language["hidden"]
    norm("model.multi_modal_projector.layer_norm", 4 * c)
    linear("model.multi_modal_projector.linear_1", d, 4 * c, 1.5, 0.2)
    linear("model.multi_modal_projector.linear_2", d, d, 1.8, 0.2)

    q, kv = language["heads"] * language["head_dim"], language["kv_heads"] * language["head_dim"]
    text = "model.language_model"
    normal(f"{text}.embed_tokens.weight", language["vocab"], d)
    for i in range(language["layers"]):
        layer = f"{text}.layers.{i}"
        norm(f"{layer}.input_layernorm", d, False)
        norm(f"{layer}.post_attention_layernorm", d, False)
        bias = 0.4 if variant.decoder == "qwen2" else None
        linear(f"{layer}.self_attn.q_proj", q, d, 1.6, bias)
        linear(f"{layer}.self_attn.k_proj", kv, d, 1.6, bias)
        linear(f"{layer}.self_attn.v_proj", kv, d, 1.6, bias)
        if variant.decoder == "qwen3":
            norm(f"{layer}.self_attn.q_norm", language["head_dim"], False)
            norm(f"{layer}.self_attn.k_norm", language["head_dim"], False)
        linear(f"{layer}.self_attn.o_proj", d, q, 1.6)
        linear(f"{layer}.mlp.gate_proj", language["ffn"], d, 1.6)
        linear(f"{layer}.mlp.up_proj", language["ffn"], d, 1.6)
        linear(f"{layer}.mlp.down_proj", d, language["ffn"], 1.6)
        if variant.decoder == "phi3":
            for fused, parts in ((f"{layer}.self_attn.qkv_proj", "self_attn.{}_proj q k v"), (f"{layer}.mlp.gate_up_proj", "mlp.{}_proj gate up")):
                stem, *parts = parts.split()
                tensors[f"{fused}.weight"] = torch.cat([tensors.pop(f"{layer}.{stem.format(part)}.weight") for part in parts])
    norm(f"{text}.norm", d, False)
    if not variant.tied:
        linear("lm_head", language["vocab"], d, 3.0)
    return tensors


def sizes_of(variant, tokenizer):
    vision, language = {**VISION, **variant.vision}, {**LANGUAGE, **variant.language}
    language["vocab"] = language["vocab"] or tokenizer.get_vocab_size()
    language["head_dim"] = language["head_dim"] or language["hidden"] // language["heads"]
    return {"vision": vision, "language": language}


# --- names of the other layouts


def to_original(tensors, decoder, sizes):
    """Names of transformers to the names of InternVLChatModel; fuses qkv and, for InternLM2, groups wqkv by key/value head."""
    language = sizes["language"]
    result = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"model\.vision_tower\.embeddings\.(.*)", name):
            rest = match[1].replace("cls_token", "class_embedding").replace("patch_embeddings.projection", "patch_embedding")
            result["vision_model.embeddings." + rest.replace("position_embeddings", "position_embedding")] = tensor
        elif match := re.fullmatch(r"model\.vision_tower\.encoder\.layer\.(\d+)\.(.*)", name):
            prefix, rest = f"vision_model.encoder.layers.{match[1]}.", match[2]
            if part := re.fullmatch(r"attention\.([qkv])_proj\.(weight|bias)", rest):
                if part[1] == "q":
                    parts = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
                    result[f"{prefix}attn.qkv.{part[2]}"] = torch.cat(parts)
                continue
            rest = rest.replace("attention.projection_layer", "attn.proj").replace("attention.", "attn.")
            rest = rest.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
            result[prefix + rest.replace("lambda_1", "ls1").replace("lambda_2", "ls2")] = tensor
        elif match := re.fullmatch(r"model\.multi_modal_projector\.(\w+)\.(weight|bias)", name):
            result[f"mlp1.{ {'layer_norm': 0, 'linear_1': 1, 'linear_2': 3}[match[1]] }.{match[2]}"] = tensor
        else:
            name = name.replace("model.language_model.", "language_model.model.")
            name = "language_model." + name if name.startswith("lm_head") else name
            if decoder == "internlm2":
                if ".k_proj." in name or ".v_proj." in name:
                    continue
                if ".q_proj." in name:
                    source = name.replace("language_model.model.", "model.language_model.")
                    head = (language["kv_heads"], -1, language["head_dim"], language["hidden"])
                    parts = [tensors[source.replace("q_proj", f"{letter}_proj")].reshape(head) for letter in "qkv"]
                    tensor = torch.cat(parts, dim=1).reshape(-1, language["hidden"])
                    name = name.replace("self_attn.q_proj", "attention.wqkv")
                for new, old in {
                    "embed_tokens": "tok_embeddings",
                    "self_attn.o_proj": "attention.wo",
                    "input_layernorm": "attention_norm",
                    "post_attention_layernorm": "ffn_norm",
                    "mlp.gate_proj": "feed_forward.w1",
                    "mlp.up_proj": "feed_forward.w3",
                    "mlp.down_proj": "feed_forward.w2",
                    "lm_head": "output",
                }.items():
                    name = name.replace(new, old)
            result[name] = tensor
    return result


def to_older(tensors):
    """The -hf layout before the `model.` prefix."""
    renamed = {}
    for name, tensor in tensors.items():
        name = name.replace("model.language_model.", "language_model.model.")
        name = "language_model." + name if name.startswith("lm_head") else name
        renamed[name.removeprefix("model.")] = tensor
    return renamed


# --- configs


def long_rope(language):
    """LongRoPE's parameters: factors that show, the long ones much larger."""
    half = language["head_dim"] // 2
    return {"type": "su", "short_factor": [1 + 0.1 * k for k in range(half)], "long_factor": [1.5 + 1.5 * k for k in range(half)]}


def original_config(variant, sizes, tokenizer):
    vision, language = sizes["vision"], sizes["language"]
    architecture = {"internlm2": "InternLM2", "llama": "Llama", "phi3": "Phi3", "qwen2": "Qwen2", "qwen3": "Qwen3"}[variant.decoder]
    text = {
        "architectures": [f"{architecture}ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": language["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": language["ffn"],
        "max_position_embeddings": language["positions"],
        "model_type": variant.decoder,
        "num_attention_heads": language["heads"],
        "num_hidden_layers": language["layers"],
        "num_key_value_heads": language["kv_heads"],
        "pad_token_id": 2,
        "rms_norm_eps": language["eps"],
        "rope_scaling": {"factor": language["dynamic"], "type": "dynamic"} if language["dynamic"] else None,
        "rope_theta": language["theta"],
        "tie_word_embeddings": variant.tied or variant.claims_tied,
        "torch_dtype": variant.dtype,
        "use_cache": False,
        "vocab_size": language["vocab"],
    }
    if variant.decoder == "internlm2":
        text |= {"bias": False, "attn_implementation": "flash_attention_2"}
    if variant.decoder == "phi3":
        text |= {"rope_scaling": long_rope(language), "original_max_position_embeddings": language["original"], "sliding_window": 262144}
    if variant.decoder in ("qwen2", "qwen3"):
        eos = tokenizer.token_to_id("<|im_end|>")
        text |= {"bos_token_id": tokenizer.token_to_id("<|endoftext|>"), "eos_token_id": eos, "pad_token_id": None}
        text |= {"max_window_layers": 21, "sliding_window": None if variant.decoder == "qwen3" else 32768, "use_sliding_window": False}
    if variant.decoder == "qwen3":
        text |= {"attention_bias": False, "head_dim": language["head_dim"], "layer_types": ["full_attention"] * language["layers"]}
    return {
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoConfig": "configuration_internvl_chat.InternVLChatConfig", "AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": variant.side,
        "llm_config": text,
        "max_dynamic_patch": variant.max_patches,
        "min_dynamic_patch": variant.min_patches,
        "model_type": "internvl_chat",
        "pad2square": False,
        "ps_version": variant.ps_version,
        "select_layer": -1,
        "template": variant.template,
        "torch_dtype": variant.dtype,
        "transformers_version": None,
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "attention_dropout": 0.0,
            "drop_path_rate": 0.0,
            "dropout": 0.0,
            "hidden_act": "gelu",
            "hidden_size": vision["hidden"],
            "image_size": variant.side,
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "intermediate_size": vision["ffn"],
            "layer_norm_eps": vision["eps"],
            "model_type": "intern_vit_6b",
            "norm_type": "rms_norm" if variant.big_encoder else "layer_norm",
            "num_attention_heads": vision["heads"],
            "num_channels": 3,
            "num_hidden_layers": vision["layers"],
            "patch_size": 14,
            "qk_normalization": variant.big_encoder,
            "qkv_bias": not variant.big_encoder,
            "torch_dtype": variant.dtype,
            "use_bfloat16": True,
            "use_flash_attn": True,
        },
        **variant.config,
    }


def hf_config(variant, sizes, tokenizer):
    vision, language = sizes["vision"], sizes["language"]
    older = variant.layout == "hf-old"
    dtype = {"torch_dtype" if older else "dtype": variant.dtype}
    qwen = variant.decoder.startswith("qwen")
    text = {
        "architectures": [{"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[variant.decoder]],
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.token_to_id("<|endoftext|>") if qwen else 1,
        "eos_token_id": tokenizer.token_to_id("<|im_end|>") if qwen else 2,
        "hidden_act": "silu",
        "hidden_size": language["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": language["ffn"],
        "max_position_embeddings": language["positions"],
        "model_type": variant.decoder,
        "num_attention_heads": language["heads"],
        "num_hidden_layers": language["layers"],
        "num_key_value_heads": language["kv_heads"],
        "rms_norm_eps": language["eps"],
        "tie_word_embeddings": variant.tied,
        "use_cache": True,
        "vocab_size": language["vocab"],
        **dtype,
    }
    kind = "dynamic" if language["dynamic"] else "default"
    if older:
        text["rope_theta"] = language["theta"]
        text["rope_scaling"] = {"factor": language["dynamic"], "rope_type": kind, "type": kind} if language["dynamic"] else None
    else:
        text["rope_parameters"] = {"rope_theta": language["theta"], "rope_type": kind}
        if language["dynamic"]:
            text["rope_parameters"]["factor"] = language["dynamic"]
    if qwen:
        text |= {"max_window_layers": 28, "sliding_window": None, "use_sliding_window": False}
        if not older:
            text["layer_types"] = ["full_attention"] * language["layers"]
    if variant.decoder == "llama":
        text |= {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
    if variant.decoder != "qwen2":
        text["head_dim"] = language["head_dim"]
    if variant.decoder == "qwen3":
        text["attention_bias"] = False
    side = variant.side
    return {
        "architectures": ["InternVLForConditionalGeneration"],
        "downsample_ratio": 0.5,
        **({} if older else {"tie_word_embeddings": variant.tied}),
        "image_seq_length": (side // 28) ** 2,
        "image_token_id": tokenizer.token_to_id("<IMG_CONTEXT>"),
        "model_type": "internvl",
        "projector_hidden_act": "gelu",
        "text_config": text,
        **dtype,
        "transformers_version": "4.52.0" if older else "5.0.0",
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "attention_bias": not variant.big_encoder,
            "attention_dropout": 0.0,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "hidden_size": vision["hidden"],
            "image_size": [side, side],
            "initializer_range": 0.02,
            "intermediate_size": vision["ffn"],
            "layer_norm_eps": vision["eps"],
            "layer_scale_init_value": 0.1,
            "model_type": "internvl_vision",
            "norm_type": "rms_norm" if variant.big_encoder else "layer_norm",
            "num_attention_heads": vision["heads"],
            "num_channels": 3,
            "num_hidden_layers": vision["layers"],
            "patch_size": [14, 14],
            "projection_dropout": 0.0,
            "use_absolute_position_embeddings": True,
            "use_mask_token": False,
            "use_mean_pooling": True,
            "use_qk_norm": variant.big_encoder,
            **dtype,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        **variant.config,
    }


# --- folders


def write(variant, folder, seed, adjust=None):
    """Writes the checkpoint and returns its tensors (names of transformers) and sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of(variant)
    sizes = sizes_of(variant, tokenizer)
    tensors = weights(variant, sizes, seed)
    if adjust:
        adjust(tensors, tokenizer)

    def put(file, value, indent=2):
        separators = None if indent else (",", ":")
        (folder / file).write_text(json.dumps(value, ensure_ascii=False, indent=indent, separators=separators) + "\n")

    original = variant.layout == "original"
    put("config.json", (original_config if original else hf_config)(variant, sizes, tokenizer))
    put("tokenizer.json", json.loads(tokenizer.to_str()), indent=None)

    qwen = variant.decoder.startswith("qwen")
    added = json.loads(tokenizer.to_str())["added_tokens"]
    names = {True: "Qwen2Tokenizer", False: "InternLM2Tokenizer" if original else "LlamaTokenizerFast"}
    tokenizer_config = {
        "added_tokens_decoder": {str(token.pop("id")): token for token in added},
        "additional_special_tokens": IMAGE_TOKENS,
        "bos_token": None if qwen else "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>" if qwen else "</s>",
        "model_max_length": 8192,
        "pad_token": "<|endoftext|>" if qwen else "</s>",
        "tokenizer_class": names[qwen],
        "unk_token": None if qwen else "<unk>",
    }
    if original:
        if variant.decoder == "qwen3":
            # Present in the releases, and not what their chat() uses.
            tokenizer_config["chat_template"] = JINJA["jinja"]
        put("generation_config.json", {"_from_model_config": True, "transformers_version": "4.37.2"})
    else:
        tokenizer_config |= {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
        if variant.layout == "hf-old":
            tokenizer_config["chat_template"] = JINJA[variant.template]
        else:
            (folder / "chat_template.jinja").write_text(JINJA[variant.template])
        end = tokenizer.token_to_id("<|im_end|>")
        put("generation_config.json", {"eos_token_id": [end, tokenizer.token_to_id("<|endoftext|>")] if qwen else end})
        side = {"height": variant.side, "width": variant.side}
        put(
            "preprocessor_config.json",
            {
                "crop_to_patches": False,
                "do_convert_rgb": True,
                "do_normalize": True,
                "do_rescale": True,
                "do_resize": True,
                "image_mean": [0.485, 0.456, 0.406],
                "image_processor_type": "GotOcr2ImageProcessorFast",
                "image_std": [0.229, 0.224, 0.225],
                "max_patches": variant.max_patches,
                "min_patches": variant.min_patches,
                "processor_class": "InternVLProcessor",
                "resample": 3,
                "rescale_factor": 1 / 255,
                "size": side,
            },
        )
        put("processor_config.json", {"image_seq_length": (variant.side // 28) ** 2, "processor_class": "InternVLProcessor"})
    put("tokenizer_config.json", tokenizer_config)

    if original:
        stored = to_original(tensors, variant.decoder, sizes)
    elif variant.layout == "hf-old":
        stored = to_older(tensors)
    else:
        stored = dict(tensors)
    stored = {name: tensor.contiguous() for name, tensor in sorted(stored.items())}
    if variant.shards == 1:
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        parts = [list(part) for part in np.array_split(list(stored), variant.shards)]
        names = [f"model-{i + 1:05}-of-{variant.shards:05}.safetensors" for i in range(variant.shards)]
        for file, part in zip(names, parts):
            save_file({str(name): stored[name] for name in part}, folder / file, metadata={"format": "pt"})
        total = sum(tensor.numel() * tensor.element_size() for tensor in stored.values())
        weight_map = {str(name): file for file, part in zip(names, parts) for name in part}
        put("model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})
    return tensors, sizes
