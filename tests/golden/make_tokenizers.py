"""Tiny tokenizers of the family's three kinds, and what transformers makes of whole prompts with them.

    python tests/golden/make_tokenizers.py      # transformers 5.23, tokenizers 0.23

Writes tokenizers/{qwen,internlm2,phi3}.json and tokenizers/expected.json: prompts (rendered by a transcript of the
reference's `conversation.py` and `chat()`, or by `apply_chat_template`) with their ids, and texts with their ids.
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

OUT = Path(__file__).parent / "tokenizers"
OUT.mkdir(exist_ok=True)
CORPUS = [
    "system user assistant\nWhat is written on this page? Answer the question using a single word or phrase.",
    "The total of the invoice is 1,234.56 EUR, due on 2024-05-17. Please provide the bounding box coordinate.",
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。",
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。",
    "Image-1: Image-2: Image-3: the region this sentence describes, page after page. ÄÖÜ äöü ß é è ñ",
] * 4
NINE = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"]


def special(*contents, **flags):
    return [AddedToken(content, special=True, normalized=False, **flags) for content in contents]


def qwen():
    """Byte-level BPE as Qwen2 and Qwen3 have it; the thinking tags are added but not special."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=460, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>", "<tool_call>")])
    tokenizer.add_tokens(special(*NINE))
    return tokenizer


def sentencepiece(contents, normalizer, **flags):
    """SentencePiece BPE with byte fallback, as transformers converts it."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trained.train_from_iterator(CORPUS[:3] * 4, trainers.BpeTrainer(vocab_size=330, limit_alphabet=120, show_progress=False))
    bpe = json.loads(trained.to_str())["model"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [piece for piece in sorted(bpe["vocab"], key=bpe["vocab"].get)]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    merges = [tuple(pair) for pair in bpe["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_tokens(special("<unk>", "<s>", "</s>"))
    tokenizer.add_tokens(special(*contents, **flags))
    tokenizer.add_tokens(special(*NINE))
    return tokenizer


def internlm2():
    return sentencepiece(["<|im_end|>", "<|im_start|>"], normalizers.Replace(" ", "▁"))


def phi3():
    markers = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return sentencepiece(markers, normalizer, rstrip=True)


TOKENIZERS = {"qwen": qwen(), "internlm2": internlm2(), "phi3": phi3()}
for name, tokenizer in TOKENIZERS.items():
    tokenizer.save(str(OUT / f"{name}.json"), pretty=False)
FAST = {name: PreTrainedTokenizerFast(tokenizer_object=tokenizer) for name, tokenizer in TOKENIZERS.items()}

SYSTEM_2 = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
SYSTEM_2_5 = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
CHATML = ("<|im_start|>system\n{}", "<|im_start|>user\n", "<|im_start|>assistant\n")
TEMPLATES = {  # system template, roles, sep, default system message
    "intern_lm2_chat": (*CHATML, "<|im_end|>", SYSTEM_2),
    "hermes2": (*CHATML, "<|im_end|>", SYSTEM_2),
    "phi3_chat": ("<|system|>\n{}", "<|user|>\n", "<|assistant|>\n", "<|end|>", SYSTEM_2),
    "intern_vl25": (*CHATML, "<|im_end|>\n", SYSTEM_2_5),
}


def get_prompt(template, config_system, messages):
    system_template, user, assistant, sep, system = TEMPLATES[template]
    if config_system is not None:
        system = config_system
    if messages and messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    prompt = system_template.format(system) + sep
    for message in messages:
        role = user if message["role"] == "user" else assistant
        prompt += role + message["content"] + sep if message["content"] else role
    return prompt + assistant


HF = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "{{ '<IMG_CONTEXT>\n' }}{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{'<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}"
)
WORDS_ONLY = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content.strip() + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou read pages.<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- if message.role == 'user' and not message.content.startswith('<tool_response>') %}
        {%- set ns.last = (messages|length - 1) - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if tools is not none %}{{- tools | tojson }}{%- endif %}
{%- endif %}
"""
PARTS_ONLY = """{{ bos_token }}{% for message in messages %}
<|im_start|>{{ message.role }}
    {% for part in message.content | selectattr('type', 'equalto', 'image') %}
<img><IMG_CONTEXT></img>
    {% endfor %}
    {% for part in message.content | selectattr('type', 'equalto', 'text') %}
{{ part.text | trim }}
    {% endfor %}
<|im_end|>
{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
JINJA = {"hf": HF, "words_only": WORDS_ONLY, "parts_only": PARTS_ONLY}


def numbered(messages):
    """Each message's content as the string the reference would be given; pictures are counted through the conversation."""
    shown, out = 0, []
    for message in messages:
        images = sum("image" in part for part in message["content"])
        many, text = shown + images > 1, ""
        for part in message["content"]:
            if "image" in part:
                shown += 1
                text += (f"Image-{shown}: " if many else "") + "<image>\n"
            else:
                text += part["text"]
        out.append({"role": message["role"], "content": text})
    return out


def user(*parts):
    return {"role": "user", "content": list(parts)}


def assistant(words):
    return {"role": "assistant", "content": [{"text": words}]}


def system(words):
    return {"role": "system", "content": [{"text": words}]}


def text(words):
    return {"text": words}


def image(index):
    return {"image": index}


CONVERSATIONS = {
    "words": [user(text("What is the total?"))],
    "picture": [user(image(0), text("What is written here?  Really?"))],
    "second turn": [user(image(0), text("Read it.")), assistant("The total is 1,234.56 EUR."), user(text("  And the date?\n"))],
    "two pictures": [user(image(0), image(1), text("Which is newer? 哪个更新？"))],
    "a picture a turn": [user(image(0), text("One")), assistant("1"), user(image(1), text("Two")), assistant("2"), user(image(2), image(0), text("All 🎉"))],
    "own system": [system("You are  terse. "), user(text("Hi"))],
    "empty system": [system(""), user(text("Hi"))],
    "empty turn": [user(text("")), assistant("Well?"), user(text("Now"))],
    "grounding": [user(image(0), text("Please provide the bounding box coordinate of the region this sentence describes: <ref>the total</ref>"))],
    "line breaks": [user(text("\n\n a\r\nb\t\tc   d\n"))],
    "thinking": [system("Reason in <think>\n...\n</think>, then answer."), user(text("Why?"))],
}
TILES, TOKENS_PER_TILE = [2, 1, 3], 4


def expand(prompt, order, image_marker="<image>"):
    for index in order:
        prompt = prompt.replace(image_marker, "\0" + "<IMG_CONTEXT>" * (TILES[index] * TOKENS_PER_TILE) + "\1", 1)
    return prompt.replace("\0", "<img>").replace("\1", "</img>")


prompts = []
for tokenizer, template, config_system in [
    ("internlm2", "intern_lm2_chat", None),
    ("qwen", "hermes2", None),
    ("qwen", "hermes2", "Answer the questions."),
    ("phi3", "phi3_chat", None),
    ("qwen", "intern_vl25", None),
    ("internlm2", "intern_vl25", None),
    ("qwen", "intern_vl25", ""),
    ("qwen", "jinja:hf", None),
    ("qwen", "jinja:words_only", None),
    ("internlm2", "jinja:parts_only", None),
]:
    for name, messages in CONVERSATIONS.items():
        order = [part["image"] for message in messages for part in message["content"] if "image" in part]
        fast = FAST[tokenizer]
        fast.bos_token, fast.eos_token = ("<s>", "</s>") if tokenizer != "qwen" else (None, "<|im_end|>")
        if template.startswith("jinja:"):
            kind = template.removeprefix("jinja:")
            if kind == "words_only":
                turns = numbered(messages)
            else:
                turns = [
                    {
                        "role": m["role"],
                        "content": [
                            {"type": "image"} if "image" in part else {"type": "text", "text": part["text"]}
                            for part in m["content"]
                        ],
                    }
                    for m in messages
                ]
            marker = {"hf": "<IMG_CONTEXT>", "words_only": "<image>", "parts_only": "<img><IMG_CONTEXT></img>"}[kind]
            prompt = fast.apply_chat_template(turns, chat_template=JINJA[kind], tokenize=False, add_generation_prompt=True)
            prompt = prompt.replace(marker, "<image>")
        else:
            prompt = get_prompt(template, config_system, numbered(messages))
        prompt = expand(prompt, order)
        bos = fast.bos_token or ""
        ids = fast(prompt, add_special_tokens=not (bos and prompt.startswith(bos)))["input_ids"]
        prompts.append(
            {"name": f"{tokenizer}, {template}, {name}", "tokenizer": tokenizer, "template": template,
             "system_message": config_system, "messages": messages, "ids": ids}
        )  # fmt: skip

random.seed(3)
POOL = list("abc the InternVL  .,!?\n\t") + list("你好世界发票总额，。") + ["🎉", "👩‍👩‍👧", "é", "e\u0301", "ß", "▁", "\u00a0", "𝒳", "İ"]
texts = []
for tokenizer in TOKENIZERS:
    for length in [1, 2, 3, 5, 8, 13, 21, 34, 55] * 3:
        words = "".join(random.choices(POOL, k=length))
        ids = FAST[tokenizer](words, add_special_tokens=False)["input_ids"]
        texts.append({"tokenizer": tokenizer, "text": words, "ids": ids, "decoded": TOKENIZERS[tokenizer].decode(ids)})

expected = {"tiles": TILES, "tokens_per_tile": TOKENS_PER_TILE, "jinja": JINJA, "prompts": prompts, "texts": texts}
lines = [json.dumps(key) + ": " + json.dumps(expected[key], ensure_ascii=False) for key in ("tiles", "tokens_per_tile", "jinja")]
for key in ("prompts", "texts"):
    lines.append(json.dumps(key) + ": [\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in expected[key]) + "\n]")
(OUT / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
