"""Writes a training run's averaged weights as a Hugging Face folder which transformers loads unchanged."""

import argparse
import json
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer as Fast
from transformers import GenerationConfig, InternVLForConditionalGeneration, PreTrainedTokenizerFast

from .documents.vocabulary import Vocabulary
from .model import MEAN, STD, Trainee
from .reader import SIZES, Reader
from .tiles import TILE
from .tokenizer import SPECIALS, TEMPLATE, Tokenizer, build
from .train import START
from .train_reader import START as READER_START

TOY_TILES, READER_TILES = 1, 6


def export(model: InternVLForConditionalGeneration, fast: Fast, max_tiles: int, folder: Path) -> None:
    """config, weights (f16), tokenizer, chat template, image processor."""
    folder.mkdir(parents=True, exist_ok=True)
    stop, pad = fast.token_to_id("<|im_end|>"), fast.token_to_id("<|endoftext|>")
    model.generation_config = GenerationConfig(eos_token_id=[stop, pad], pad_token_id=pad, do_sample=False, max_new_tokens=1024)
    model.eval().to(torch.float16).save_pretrained(folder)

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=fast, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False,
        padding_side="left", model_max_length=model.config.text_config.max_position_embeddings,
        additional_special_tokens=list(SPECIALS[1:]),
    )  # fmt: skip
    wrapped.save_pretrained(folder)
    roles = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>",
    }  # fmt: skip
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    write(folder / "tokenizer_config.json", settings | {"extra_special_tokens": roles, "processor_class": "InternVLProcessor"})
    special = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "additional_special_tokens": list(SPECIALS[1:])}
    write(folder / "special_tokens_map.json", special)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    size = {"height": TILE, "width": TILE}
    pixels = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": MEAN, "image_std": STD,
        "resample": 3, "rescale_factor": 1 / 255, "size": size,
    }  # fmt: skip
    tiling = {"crop_to_patches": max_tiles > 1, "min_patches": 1, "max_patches": max_tiles}
    image = {"image_processor_type": "GotOcr2ImageProcessorFast", "processor_class": "InternVLProcessor"}
    video = {"video_processor_type": "InternVLVideoProcessor", "processor_class": "InternVLProcessor"}
    write(folder / "preprocessor_config.json", image | pixels | tiling)
    write(folder / "video_preprocessor_config.json", video | pixels)
    write(folder / "processor_config.json", {"processor_class": "InternVLProcessor", "image_seq_length": 256})


def write(path: Path, content: dict) -> None:
    """JSON as transformers writes it."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent.parent
    parser.add_argument("--run", type=Path, default=here / "runs" / "toy")
    parser.add_argument("--out", type=Path, default=here / "checkpoint")
    options = parser.parse_args()
    average = options.run / "average.pt"
    if average.exists():
        state = torch.load(average, map_location="cpu")
        vocabulary = Vocabulary()
        reader = Reader(SIZES[state["size"]], vocabulary)
        reader.load_state_dict(state["reader"])
        shutil.copyfile(average, READER_START)
        export(reader.model, vocabulary.fast, READER_TILES, options.out)
        return
    trainee = Trainee(Tokenizer())
    state = torch.load(options.run / "state.pt", map_location="cpu")
    weights = {name: value.half() for name, value in state["trainee"].items()}
    torch.save({"trainee": weights} | {key: state[key] for key in ("step", "seconds", "hard", "share")}, START)
    trainee.load_state_dict(state["average"])
    export(trainee.model, build(), TOY_TILES, options.out)


if __name__ == "__main__":
    main()
