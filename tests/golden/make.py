"""Makes the fixtures of the parity test: a tiny random checkpoint and its reference stages, one folder a case.

    python tests/golden/make.py [case ...]

README.md says what the files hold.
"""

import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from transformers import InternVLProcessor, PreTrainedTokenizerFast
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

import checkpoints
import original
import reference
from checkpoints import Variant

HERE = Path(__file__).parent
STRIDE = 61  # of the stages that are too big to store whole; prime, so that it meets every channel
WHOLE = 16384  # values a stage may have to be stored whole


@dataclass(frozen=True)
class Case:
    variant: Variant
    image: str
    prompt: str
    seed: int
    system: str | None = None
    max_tiles: int | None = None
    max_tokens: int = 12
    stops: bool = False  # the answer ends with a stop token


CASES = [
    # The original layout: InternVLChatModel, its own names and templates.
    Case(
        Variant("original-internlm2", "original", "internlm2", "internvl2_5", vision=dict(hidden=64, heads=4, eps=1e-2), language=dict(hidden=64, heads=4, kv_heads=2, ffn=96, eps=2e-2, dynamic=2.0)),
        "wide.png",
        "Please describe the image explicitly.",
        seed=1000,
    ),
    Case(
        Variant("original-internlm2-448", "original", "internlm2", "internlm2-chat", dtype="float16", shards=2, side=448, vision=dict(layers=1), language=dict(layers=3, heads=4, kv_heads=2, eps=1e-5)),
        "small.png",
        "请描述这张图片。",
        seed=1100,
    ),
    Case(
        Variant(
            "original-internlm2-v1", "original", "internlm2", "internlm2-chat", dtype="float32", side=112, big_encoder=True, ps_version="v1",
            vision=dict(eps=1e-2), language=dict(heads=6, kv_heads=2, head_dim=None, hidden=48, ffn=32, eps=2e-2), config=dict(use_thumbnail=False, system_message="You are a careful reader of documents."),
        ),
        "tall.png",
        "Read the text in the table.",
        seed=1200,
    ),
    Case(
        Variant("original-qwen2", "original", "qwen2", "Hermes-2", dtype="float16", vision=dict(hidden=48, heads=3, ffn=96), language=dict(heads=4, kv_heads=2, vocab=448, eps=2e-2), faint=True, claims_tied=True, config=dict(system_message=None)),
        "square.png",
        "图片中的文字是什么？",
        seed=1300,
    ),
    Case(
        Variant("original-qwen3", "original", "qwen3", "internvl2_5", big_encoder=True, language=dict(heads=3, kv_heads=1, head_dim=16, vocab=432)),
        "page.png",
        "What is the title of the document?",
        system="Answer in one word. 请用中文回答。",
        seed=1400,
    ),
    Case(
        Variant("original-llama-phi3", "original", "llama", "phi3-chat", dtype="float16", language=dict(heads=2, kv_heads=2, eps=1e-5, theta=1e4), config=dict(dynamic_image_size=False)),
        "wide.png",
        "  Where is the signature?",
        seed=1500,
    ),
    Case(
        # The original context ends in the middle of the answer: LongRoPE's factors change there.
        Variant("original-phi3", "original", "phi3", "phi3-chat", language=dict(hidden=64, heads=4, kv_heads=2, eps=1e-5, theta=1e4, positions=1024, original=40), config=dict(system_message="You read.")),
        "wide.png",
        "What is the total?",
        seed=1600,
    ),
    # The layout of transformers: InternVLForConditionalGeneration, chat templates in Jinja.
    Case(
        Variant("hf-qwen3", "hf", "qwen3", "jinja", vision=dict(hidden=64, heads=2), language=dict(heads=4, kv_heads=2, head_dim=16, eps=2e-2)),
        "tall.png",
        "What is the date? 总金额是多少？",
        seed=2000,
    ),
    Case(
        Variant("hf-qwen2-448", "hf", "qwen2", "jinja", shards=3, side=448, language=dict(heads=4, kv_heads=2, dynamic=2.0)),
        "wide.png",
        "What is written in the picture?",
        seed=2100,
    ),
    Case(
        Variant("hf-qwen2-tied", "hf", "qwen2", "jinja-default-system", dtype="float16", shards=2, language=dict(heads=4, kv_heads=1), tied=True),
        "page.png",
        "请读出表格中的文字。",
        seed=2200,
        max_tiles=6,
    ),
    Case(
        Variant("hf-llama-stops", "hf", "llama", "jinja", dtype="float16", big_encoder=True, language=dict(heads=4, kv_heads=2, eps=1e-5), min_patches=2),
        "small.png",
        "What is the name of the person on the card?",
        seed=2300,
        max_tokens=24,
        stops=True,
    ),
    Case(
        Variant("hf-old-llama", "hf-old", "llama", "jinja-image-marker", language=dict(heads=4, kv_heads=2, eps=1e-5, dynamic=2.0), max_patches=4),
        "wide.png",
        "发票号码是多少？ The invoice number is",
        system="You are a careful reader of documents.",
        seed=2400,
    ),
    Case(
        Variant("hf-old-qwen2", "hf-old", "qwen2", "jinja", dtype="float32", vision=dict(ffn=32), language=dict(heads=2, kv_heads=1, ffn=32, theta=1e4), faint=True),
        "square.png",
        "Answer the question using a single word or phrase.",
        seed=2500,
    ),
]


# --- pictures


def picture(width, height, channels, seed):
    """Smooth colour, hard edges and a little noise."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin((x * (c + 1)) / 9 + y / (7 + c)) for c in range(3)]
    out = np.stack(planes, -1)
    for _ in range(6):
        a, b = noise.integers(0, width), noise.integers(0, height)
        w, h = noise.integers(2, max(3, width // 3)), noise.integers(2, max(3, height // 3))
        out[b : b + h, a : a + w] = noise.integers(0, 256, 3)
    out = np.clip(out + noise.integers(-12, 13, out.shape), 0, 255).astype(np.uint8)
    if channels == 4:
        out = np.concatenate([out, noise.integers(0, 256, (height, width, 1), np.uint8)], -1)
    return Image.fromarray(out if channels > 1 else out[..., 0])


PICTURES = {"wide.png": (96, 48, 3), "tall.png": (30, 91, 3), "square.png": (80, 81, 3), "small.png": (40, 40, 1), "page.png": (64, 48, 4)}


def make_pictures():
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for seed, (name, size) in enumerate(PICTURES.items()):
        picture(*size, seed).save(folder / name, optimize=True)


# --- checks on the reference


def check_original(folder, checkpoint, stages):
    """The mapped model against the plain-torch one, stage by stage."""
    config = json.loads((folder / "config.json").read_text())
    w = reference.read_weights(folder)
    with torch.no_grad():
        features = original.vision(w, config, torch.from_numpy(stages["pixel_values"]))
        visual = original.project(w, config, features)
        logits = original.language(w, config, stages["input_ids"], checkpoint.context_id, visual)
    for name, tensor in (("vision", features), ("projected", visual), ("logits", logits)):
        assert reference.difference(stages[name], tensor) < 1e-4, (folder.name, name, reference.difference(stages[name], tensor))


def check_processor(case, folder, checkpoint, stages):
    """Prompt and tiles against transformers' own processor (Pillow backend)."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        extra_special_tokens={"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"},
    )
    pictures = GotOcr2ImageProcessorPil.from_pretrained(folder)
    # Only a video processor is refused, for want of torchvision.
    InternVLProcessor.check_argument_for_proper_class = lambda self, name, argument: None
    tokens = json.loads((folder / "processor_config.json").read_text())["image_seq_length"]
    processor = InternVLProcessor(pictures, tokenizer, None, image_seq_length=tokens, chat_template=checkpoint.jinja)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": case.prompt}]}]
    if case.system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": case.system}]})
    text = processor.apply_chat_template(messages, add_generation_prompt=True).replace("<image>", "<IMG_CONTEXT>")
    limits = {"min_patches": checkpoint.low, "max_patches": case.max_tiles or checkpoint.high, "crop_to_patches": True}
    image = Image.open(HERE / "images" / case.image).convert("RGB")
    made = processor(images=[image], text=[text], images_kwargs=limits, return_tensors="np")
    assert made["input_ids"][0].tolist() == stages["input_ids"].tolist(), folder.name
    assert np.allclose(made["pixel_values"], stages["pixel_values"], rtol=0, atol=1e-6), folder.name


def check_written(variant, tensors, checkpoint):
    """The loaded model holds the very tensors that were drawn, whatever layout they went through."""
    state = checkpoint.model.state_dict()
    if variant.tied:
        state.pop("lm_head.weight")
    assert set(state) == set(tensors), set(state) ^ set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(state[name], tensor.float()), name


@torch.no_grad()
def complaints(case, checkpoint, stages):
    """Why a draw would make a weak fixture (empty when it is a good one), and the smallest relative margin of a greedy choice."""
    model, ids, pixel_values = checkpoint.model, stages["input_ids"], stages["pixel_values"]
    generated = stages["generated"].tolist()
    stop = {checkpoint.tokenizer.token_to_id(token) for token in checkpoint.stop}
    body = generated[:-1] if case.stops else generated
    found = []
    if case.stops != (generated[-1] in stop) or (case.stops and not 4 <= len(generated) < case.max_tokens):
        found.append("stop")
    named = {i for i in range(checkpoint.tokenizer.get_vocab_size()) if i not in checkpoint.tokenizer.get_added_tokens_decoder()}
    if not set(body) <= named:
        found.append("special tokens")
    thrice = any(a == b == c for a, b, c in zip(body, body[1:], body[2:]))
    if thrice or len(set(body)) < min(7, len(body)):
        found.append("repeats")
    if found:
        return found, 0.0

    margin = float(reference.margins(checkpoint, stages).min())
    if margin < 0.02:
        found.append(f"margin {margin:.4f}")

    # The order of the visual tokens must show in the logits, and the positions too.
    visual = torch.from_numpy(stages["projected"])
    T = len(visual) // len(pixel_values)
    grid = int(T**0.5)
    turned = visual.view(len(pixel_values), grid, grid, -1).transpose(1, 2).reshape(visual.shape)
    embedded = model.get_input_embeddings()(torch.tensor(ids.tolist()))[None]
    embedded[0, torch.tensor(ids.tolist()) == checkpoint.context_id] = turned
    other = model(inputs_embeds=embedded, logits_to_keep=1).logits[0, -1]
    if reference.difference(stages["logits"], other) < 0.02:
        found.append("blind to token order")
    for name in ("projected", "logits") if case.variant.faint else ("vision", "projected", "logits"):
        if not 0.5 < np.abs(stages[name]).max() < 200 or stages[name].std() < 0.3:
            found.append(f"{name} max {np.abs(stages[name]).max():.3g} std {stages[name].std():.3g}")
    return found, margin


QUANTIZED = {"q8": 0.9995, "q4": 0.8}


def rounded(matrix, kind):
    """[rows, columns] in blocks of 32 along a row, each with one f16 scale."""
    blocks = matrix.view(len(matrix), -1, 32)
    if kind == "q8":
        scale = (blocks.abs().amax(-1, keepdim=True) / 127).half().float()
        whole = (blocks / scale).round().clamp(-127, 127)
    else:
        largest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
        scale = (largest / -8).half().float()
        whole = (blocks / scale + 8.5).floor().clamp(0, 15) - 8
    return (whole * scale).view_as(matrix)


@torch.no_grad()
def quantized(checkpoint, stages, kind):
    """Cosine to the logits when every matrix with whole blocks is rounded. Leaves the model rounded."""
    model = checkpoint.model
    for parameter in model.parameters():
        if parameter.dim() == 2 and parameter.shape[1] % 32 == 0:
            parameter.copy_(rounded(parameter, kind))
    ids = torch.from_numpy(stages["input_ids"].astype(np.int64))[None]
    logits = model(input_ids=ids, pixel_values=torch.from_numpy(stages["pixel_values"]), logits_to_keep=1).logits[0, -1]
    return reference.cosine(stages["logits"], logits)


# --- fixtures


def boost(case):
    """For a case that stops: makes the end of turn a likely answer."""
    if not case.stops:
        return None

    def adjust(tensors, tokenizer):
        tensors["lm_head.weight"][tokenizer.token_to_id("<|im_end|>")] *= 1.8

    return adjust


def make(case, folder):
    rejected = {}
    for seed in range(case.seed, case.seed + 400):
        shutil.rmtree(folder, ignore_errors=True)
        tensors, _ = checkpoints.write(case.variant, folder, seed, boost(case))
        checkpoint = reference.load(folder)
        stages = reference.stages(checkpoint, HERE / "images" / case.image, case.prompt, case.system, case.max_tiles, case.max_tokens)
        found, margin = complaints(case, checkpoint, stages)
        check_written(case.variant, tensors, checkpoint)
        if not found:
            cosines = {kind: round(quantized(checkpoint if kind == "q8" else reference.load(folder), stages, kind), 5) for kind in QUANTIZED}
            found = [f"{kind} {cosines[kind]}" for kind in QUANTIZED if cosines[kind] < QUANTIZED[kind]]
        if not found:
            break
        rejected[seed] = found
    else:
        raise SystemExit(f"{case.variant.name}: no good draw: {rejected}")
    if case.variant.layout == "original":
        check_original(folder, reference.load(folder), stages)
    else:
        check_processor(case, folder, checkpoint, stages)

    stored, described = {}, {}
    for name in reference.STAGES:
        tensor = stages[name]
        stride = STRIDE if name == "pixel_values" or tensor.size > WHOLE else 1
        stored[name] = np.ascontiguousarray(tensor.ravel()[::stride])
        described[name] = {"shape": list(tensor.shape), "stride": stride}
        if tensor.dtype == np.float32:
            described[name]["max"] = float(np.abs(tensor).max())
    described["pixel_values"]["sha256"] = hashlib.sha256(stages["pixels"].tobytes()).hexdigest()
    save_file(stored, folder / "expected.safetensors")
    facts = {
        "image": f"../images/{case.image}",
        "prompt": case.prompt,
        "system": case.system,
        "max_tiles": case.max_tiles,
        "max_tokens": case.max_tokens,
        "seed": seed,
        "quantized": cosines,
        "stages": described,
    }
    (folder / "case.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    tiles, tokens = stages["pixel_values"].shape[0], len(stages["input_ids"])
    print(f"{case.variant.name:28} seed {seed:4} tiles {tiles:2} prompt {tokens:4} margin {margin:.3f} q8 {cosines['q8']:.4f} q4 {cosines['q4']:.4f} {size // 1024:4} KiB {stages['generated'].tolist()}", flush=True)


def main():
    torch.set_num_threads(1)
    make_pictures()
    wanted = sys.argv[1:]
    for case in CASES:
        if not wanted or case.variant.name in wanted:
            make(case, HERE / case.variant.name)


if __name__ == "__main__":
    main()
