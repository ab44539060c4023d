"""What transformers computes for an InternVL checkpoint, stage by stage, on the CPU in f32.

Shared by make.py (fixtures of the parity test) and compare.py (any checkpoint). The tiler, the chat templates and the reading of the
original layout are written here from the description of the format, so that nothing is shared with the runtime under test:

    picture --tiles--> u8 [n,3,S,S] --normalise--> pixel_values [n,3,S,S] --tower--> vision [n,N,C] --projector--> projected [n*T,D]
    prompt --render--> text --tokenizer.json--> input_ids [L] --decoder--> logits [V] at the last position --greedy--> generated [G]
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoConfig, InternVLConfig, InternVLForConditionalGeneration, LlamaConfig, Phi3Config, Qwen2Config, Qwen3Config
from transformers.utils import logging
from transformers.utils.chat_template_utils import render_jinja_template

logging.set_verbosity_error()
logging.disable_progress_bar()

STAGES = ("pixel_values", "vision", "projected", "input_ids", "logits", "generated")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


# --- tiles


def grid(width, height, low, high, side):
    """(columns, rows) of the tile grid whose ratio is closest to the picture's."""
    pairs = [(i, j) for i in range(1, high + 1) for j in range(1, high + 1) if low <= i * j <= high]
    pairs.sort(key=lambda pair: (pair[0] * pair[1], pair[0]))
    best, best_distance = (1, 1), float("inf")
    for i, j in pairs:
        distance = abs(width / height - i / j)
        if distance < best_distance:
            best, best_distance = (i, j), distance
        elif distance == best_distance and width * height > 0.5 * side * side * i * j:
            best = (i, j)
    return best


def tiles(path, low, high, side, thumbnail=True):
    """The picture as u8 [n, 3, S, S]: grid row by row, then the thumbnail when there is more than one tile."""
    picture = Image.open(path).convert("RGB")
    columns, rows = grid(*picture.size, low, high, side)
    canvas = picture.resize((side * columns, side * rows), Image.Resampling.BICUBIC)
    parts = []
    for k in range(columns * rows):
        x, y = side * (k % columns), side * (k // columns)
        parts.append(canvas.crop((x, y, x + side, y + side)))
    if thumbnail and len(parts) > 1:
        parts.append(picture.resize((side, side), Image.Resampling.BICUBIC))
    return np.stack([np.asarray(part).transpose(2, 0, 1) for part in parts])


def normalise(pixels):
    """u8 [n, 3, S, S] to f32 with the ImageNet mean and deviation."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return (scaled - MEAN[None, :, None, None]) / STD[None, :, None, None]


# --- chat templates of the original layout

SYSTEM_INTERNVL2 = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
SYSTEM_INTERNVL25 = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"


@dataclass(frozen=True)
class Template:
    system: str  # opens the system turn
    user: str
    assistant: str
    end: str  # closes each turn
    message: str  # the default system message


TEMPLATES = {
    "internlm2-chat": Template("<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>", SYSTEM_INTERNVL2),
    "Hermes-2": Template("<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>", SYSTEM_INTERNVL2),
    "phi3-chat": Template("<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|end|>", SYSTEM_INTERNVL2),
    "internvl2_5": Template("<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>\n", SYSTEM_INTERNVL25),
}


# --- checkpoints


@dataclass
class Checkpoint:
    """A checkpoint folder as transformers runs it, and the facts around the weights."""

    model: InternVLForConditionalGeneration
    tokenizer: Tokenizer
    side: int  # tile edge S in pixels
    low: int  # tiles, at least
    high: int  # tiles, at most
    thumbnail: bool
    template: Template | None  # original layout
    message: str | None  # its default system message
    jinja: str | None  # -hf layout
    context_id: int  # id of <IMG_CONTEXT>
    stop: list[str]


def read_json(path):
    return json.loads(path.read_text()) if path.exists() else None


def read_weights(folder):
    """Every tensor of a folder's safetensors files, in f32, and the names."""
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        with safe_open(file, "pt") as stored:
            for name in stored.keys():
                tensors[name] = stored.get_tensor(name).float()
    return tensors


def patch_pixel_shuffle_v1(model):
    """ps_version v1 hands out the same blocks column by column; transformers only has v2."""
    v2 = type(model.model).pixel_shuffle

    def v1(features, scale_factor=0.5):
        return v2(model.model, features, scale_factor).permute(0, 2, 1, 3).contiguous()

    model.model.pixel_shuffle = v1


def original_config(config):
    """An InternVLChatModel config.json as the transformers configuration of the same graph."""
    vision, language = config["vision_config"], config["llm_config"]
    kind = language["architectures"][0]
    classes = {"InternLM2ForCausalLM": LlamaConfig, "LlamaForCausalLM": LlamaConfig, "Phi3ForCausalLM": Phi3Config, "Qwen2ForCausalLM": Qwen2Config, "Qwen3ForCausalLM": Qwen3Config}
    scaling = language.get("rope_scaling")
    assert scaling is None or scaling["type"] in ("dynamic", "su"), "only plain, inactive dynamic and LongRoPE"
    text = {key: language[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "rms_norm_eps", "max_position_embeddings")}
    if "head_dim" in language:
        text["head_dim"] = language["head_dim"]
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": float(language["rope_theta"])}
    if scaling and scaling["type"] == "su":
        original = language["original_max_position_embeddings"]
        text |= {"original_max_position_embeddings": original, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
        text["rope_parameters"] |= {"rope_type": "longrope", "original_max_position_embeddings": original}
        text["rope_parameters"] |= {key: scaling[key] for key in ("short_factor", "long_factor")}
    tower = {key: vision[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size", "norm_type", "layer_norm_eps", "hidden_act")}
    return InternVLConfig(
        text_config=classes[kind](tie_word_embeddings=False, **text).to_dict(),
        vision_config={**tower, "attention_bias": vision["qkv_bias"], "use_qk_norm": vision["qk_normalization"]},
        downsample_ratio=config["downsample_ratio"],
        tie_word_embeddings=False,
    )


def from_original(tensors, config):
    """Tensors of the original layout under the names of transformers."""
    language = config["llm_config"]
    heads, kv_heads = language["num_attention_heads"], language["num_key_value_heads"]
    tower = [
        ("vision_model.", "model.vision_tower."),
        (".class_embedding", ".cls_token"),
        (".patch_embedding.", ".patch_embeddings.projection."),
        (".position_embedding", ".position_embeddings"),
        ("encoder.layers.", "encoder.layer."),
        (".attn.proj.", ".attention.projection_layer."),
        (".attn.", ".attention."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
        (".ls1", ".lambda_1"),
        (".ls2", ".lambda_2"),
    ]
    internlm2 = [
        ("language_model.output.", "language_model.lm_head."),
        (".tok_embeddings.", ".embed_tokens."),
        (".attention.wo.", ".self_attn.o_proj."),
        (".attention.wqkv.", ".self_attn.wqkv."),
        (".attention_norm.", ".input_layernorm."),
        (".ffn_norm.", ".post_attention_layernorm."),
        (".feed_forward.w1.", ".mlp.gate_proj."),
        (".feed_forward.w3.", ".mlp.up_proj."),
        (".feed_forward.w2.", ".mlp.down_proj."),
    ]
    result = {}
    for name, tensor in tensors.items():
        if name.startswith("vision_model."):
            for old, new in tower:
                name = name.replace(old, new)
            if ".attention.qkv." in name:
                for letter, part in zip("qkv", tensor.chunk(3)):
                    result[name.replace(".qkv.", f".{letter}_proj.")] = part
                continue
        elif name.startswith("mlp1."):
            part = {"0": "layer_norm", "1": "linear_1", "3": "linear_2"}[name.split(".")[1]]
            name = f"model.multi_modal_projector.{part}.{name.split('.')[2]}"
        else:
            if language["architectures"][0] == "InternLM2ForCausalLM":
                for old, new in internlm2:
                    name = name.replace(old, new)
            name = name.replace("language_model.lm_head.", "lm_head.").replace("language_model.model.", "model.language_model.")
            if ".wqkv." in name:
                # [kv_head][g queries, one key, one value][head_dim] rows
                slots = heads // kv_heads + 2
                grouped = tensor.view(kv_heads, slots, -1, tensor.shape[-1])
                result[name.replace("wqkv", "q_proj")] = grouped[:, :-2].flatten(0, 2)
                result[name.replace("wqkv", "k_proj")] = grouped[:, -2].flatten(0, 1)
                result[name.replace("wqkv", "v_proj")] = grouped[:, -1].flatten(0, 1)
                continue
        result[name] = tensor
    return result


def load(folder):
    """A checkpoint folder in either layout."""
    folder = Path(folder)
    config = read_json(folder / "config.json")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer_config = read_json(folder / "tokenizer_config.json") or {}
    tensors = read_weights(folder)
    context_id = tokenizer.token_to_id("<IMG_CONTEXT>")
    stop = [tokenizer_config["eos_token"]] if isinstance(tokenizer_config.get("eos_token"), str) else []

    if config["model_type"] == "internvl_chat":
        reference_config = original_config(config)
        reference_config.image_token_id = context_id
        reference_config._attn_implementation = "eager"
        model = InternVLForConditionalGeneration(reference_config)
        state = from_original(tensors, config)
        if "lm_head.weight" not in state:
            assert config["llm_config"].get("tie_word_embeddings"), "no output head"
            state["lm_head.weight"] = state["model.language_model.embed_tokens.weight"]
        model.load_state_dict(state, strict=True)
        if config["vision_config"]["qk_normalization"]:
            # Remote code gives these norms the encoder's epsilon, transformers its class default.
            for layer in model.model.vision_tower.encoder.layer:
                layer.attention.q_norm.variance_epsilon = layer.attention.k_norm.variance_epsilon = config["vision_config"]["layer_norm_eps"]
        if config["ps_version"] == "v1":
            patch_pixel_shuffle_v1(model)
        template = TEMPLATES[config["template"]]
        return Checkpoint(
            model=model.float().eval(),
            tokenizer=tokenizer,
            side=config.get("force_image_size") or config["vision_config"]["image_size"],
            low=config["min_dynamic_patch"],
            high=config["max_dynamic_patch"] if config["dynamic_image_size"] else 1,
            thumbnail=config["use_thumbnail"],
            template=template,
            message=config.get("system_message") or template.message,
            jinja=None,
            context_id=context_id,
            stop=sorted({*stop, template.end.strip()}),
        )

    reference_config = AutoConfig.from_pretrained(folder)
    # The output head is tied exactly when the file has none.
    tied = not any(name.endswith("lm_head.weight") for name in tensors)
    reference_config.tie_word_embeddings = reference_config.text_config.tie_word_embeddings = tied
    model, report = InternVLForConditionalGeneration.from_pretrained(
        folder, config=reference_config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    for key, names in report.items():
        assert not names, f"{folder}: {key} {names}"
    picture = read_json(folder / "preprocessor_config.json") or (read_json(folder / "processor_config.json") or {}).get("image_processor") or {}
    jinja = folder / "chat_template.jinja"
    jinja = jinja.read_text() if jinja.exists() else (read_json(folder / "chat_template.json") or tokenizer_config)["chat_template"]
    generation = read_json(folder / "generation_config.json") or {}
    ids = generation.get("eos_token_id", [])
    stop += [tokenizer.id_to_token(i) for i in (ids if isinstance(ids, list) else [ids])]
    return Checkpoint(
        model=model.eval(),
        tokenizer=tokenizer,
        side=reference_config.vision_config.image_size[0],
        low=picture.get("min_patches", 1),
        high=picture.get("max_patches", 12),
        thumbnail=True,
        template=None,
        message=None,
        jinja=jinja,
        context_id=reference_config.image_token_id,
        stop=sorted({*stop, "<|im_end|>"}),
    )


# --- prompt


def render(checkpoint, prompt, system, tile_count, tokens_per_tile):
    """One user turn with one picture as the text the tokenizer sees."""
    picture = "<img>" + "<IMG_CONTEXT>" * (tokens_per_tile * tile_count) + "</img>"
    if checkpoint.template is not None:
        turn = checkpoint.template
        text = turn.system + (checkpoint.message if system is None else system) + turn.end
        return text + turn.user + picture + "\n" + prompt + turn.end + turn.assistant
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    texts, _ = render_jinja_template([messages], chat_template=checkpoint.jinja, add_generation_prompt=True)
    marker = "<IMG_CONTEXT>" if "<IMG_CONTEXT>" in texts[0] else "<image>"
    return texts[0].replace(marker, picture, 1)


# --- stages


def is_long_rope(model):
    return model.config.text_config.rope_parameters["rope_type"] == "longrope"


def embed(checkpoint, ids, visual, prompt=None):
    """[1, L, D]; the first `prompt` ids (all, unless said) may be places of visual tokens."""
    embedded = checkpoint.model.get_input_embeddings()(ids)[None].clone()
    pictures = (ids == checkpoint.context_id) & (torch.arange(len(ids)) < (prompt or len(ids)))
    embedded[0, pictures] = visual
    return embedded


@torch.no_grad()
def stages(checkpoint, image, prompt, system=None, max_tiles=None, max_tokens=16):
    """Every stage as numpy, plus `pixels`, the tiles in u8."""
    model = checkpoint.model
    pixels = tiles(image, checkpoint.low, max_tiles or checkpoint.high, checkpoint.side, checkpoint.thumbnail)
    pixel_values = torch.from_numpy(normalise(pixels))
    features = model.model.get_image_features(pixel_values=pixel_values, return_dict=True)
    vision = features.last_hidden_state[:, 1:]
    projected = features.pooler_output
    text = render(checkpoint, prompt, system, len(pixels), projected.shape[1])
    input_ids = checkpoint.tokenizer.encode(text).ids
    assert input_ids.count(checkpoint.context_id) == projected.shape[0] * projected.shape[1]
    ids = torch.tensor([input_ids])
    mask = torch.ones_like(ids)
    logits = model(input_ids=ids, pixel_values=pixel_values, attention_mask=mask, logits_to_keep=1).logits[0, -1]
    stop = [checkpoint.tokenizer.token_to_id(token) for token in checkpoint.stop]
    if is_long_rope(model):
        # Its switch changes every key: without a cache all of them follow.
        embedded, generated = embed(checkpoint, ids[0], projected.flatten(0, 1)), []
        while len(generated) < max_tokens and not (generated and generated[-1] in stop):
            best = model(inputs_embeds=embedded, use_cache=False, logits_to_keep=1).logits[0, -1].argmax()
            embedded = torch.cat([embedded, model.get_input_embeddings()(best[None])[None]], 1)
            generated.append(best.item())
        generated = torch.tensor(generated)
    else:
        generated = model.generate(
            input_ids=ids, pixel_values=pixel_values, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, num_beams=1, eos_token_id=stop, pad_token_id=stop[0]
        )[0, len(input_ids) :]
    found = {
        "pixels": pixels,
        "pixel_values": pixel_values.numpy(),
        "vision": vision.numpy(),
        "projected": projected.flatten(0, 1).numpy(),
        "input_ids": np.array(input_ids, np.int32),
        "logits": logits.numpy(),
        "generated": generated.numpy().astype(np.int32),
    }
    return {name: np.ascontiguousarray(tensor) for name, tensor in found.items()}


@torch.no_grad()
def margins(checkpoint, stages):
    """For each generated id, how far it leads the runner-up, relative to the largest logit."""
    model, ids, generated = checkpoint.model, stages["input_ids"], stages["generated"]
    whole = torch.from_numpy(np.concatenate([ids, generated]).astype(np.int64))
    embedded = embed(checkpoint, whole, torch.from_numpy(stages["projected"]), len(ids))
    if is_long_rope(model):
        lengths = range(len(ids), len(whole))
        logits = torch.stack([model(inputs_embeds=embedded[:, :length], logits_to_keep=1).logits[0, -1] for length in lengths])
    else:
        logits = model(inputs_embeds=embedded).logits[0, len(ids) - 1 : -1]
    best = logits.topk(2).values
    return ((best[:, 0] - best[:, 1]) / logits.abs().amax(-1)).numpy()


# --- comparison


def cosine(a, b):
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-300))


def difference(expected, actual):
    """Largest difference relative to the expected tensor's largest magnitude."""
    expected, actual = np.asarray(expected, np.float64).ravel(), np.asarray(actual, np.float64).ravel()
    return float(np.abs(expected - actual).max() / max(np.abs(expected).max(), 1e-300))
