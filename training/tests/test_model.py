"""On a whole tile the training path computes what transformers' model does; attention starts local, and in bf16 is what it is in f32."""

from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import scaled_dot_product_attention

from pagelens_training import data, draw
from pagelens_training.model import MEAN, SIDEWAYS, STD, Attention, Trainee
from pagelens_training.tokenizer import Tokenizer


def setup():
    torch.manual_seed(0)
    tokenizer = Tokenizer()
    picture = draw.one_word(Random(0))
    return tokenizer, Trainee(tokenizer).eval(), picture, torch.from_numpy(data.squeezed(picture))[None].flatten(1, 2)


def test_equals_transformers():
    tokenizer, trainee, picture, patches = setup()
    tile = np.asarray(picture.image.resize((448, 448), Image.Resampling.BICUBIC))
    pixels = (torch.tensor(tile) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    after = tokenizer.after(draw.QUESTION)
    ids = torch.tensor([tokenizer.before + [tokenizer.id["<IMG_CONTEXT>"]] * 256 + after])
    with torch.no_grad():
        trainee.model.set_attn_implementation("sdpa")
        expected = trainee.model(pixel_values=pixels.permute(2, 0, 1)[None], input_ids=ids).logits[:, -len(after) :]
        trainee.model.set_attn_implementation("mixed")
        cells = torch.arange(256)[None]
        inputs, positions = trainee.prompt(trainee.project(trainee.encode(patches, cells)), cells, torch.tensor([after]))
        assert positions.tolist() == [list(range(ids.shape[1]))]
        hidden = trainee.model.model.language_model(inputs_embeds=inputs, position_ids=positions).last_hidden_state
        got = trainee.model.lm_head(hidden[:, -len(after) :])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)
    generated = trainee.model.generate(
        pixel_values=pixels.permute(2, 0, 1)[None], input_ids=ids, max_new_tokens=6, do_sample=False, eos_token_id=-1
    )
    assert trainee.read(patches, after, 6)[0] == generated[0, ids.shape[1] :].tolist()


def test_missing_cells_do_not_move_the_rest():
    """Blank cells far from the text change its features only a little, even before training."""
    _, trainee, picture, patches = setup()
    _, kept = data.kept_cells(Random(0), picture, None)
    with torch.no_grad():
        whole = trainee.encode(patches, torch.arange(256)[None])[0].reshape(256, 4, -1)[kept]
        part = trainee.encode(patches.reshape(1, 256, 4, -1)[:, kept].flatten(1, 2), torch.from_numpy(kept)[None])[0]
    change = (whole.flatten(0, 1) - part).norm() / part.norm()
    assert change < 0.25


def test_heads_that_start_sideways():
    """Before training half of a layer's heads look to the left of a patch, half to the right."""
    tokenizer, trainee, _, _ = setup()
    tower = trainee.model.model.vision_tower
    layer = tower.encoder.layer[SIDEWAYS]
    x = layer.layernorm_before(tower.embeddings.position_embeddings[:, 1:])
    heads = layer.attention.num_heads
    q, k = (p(x).reshape(1024, heads, -1).transpose(0, 1) for p in (layer.attention.q_proj, layer.attention.k_proj))
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).reshape(heads, 32, 32, 32, 32)[:, 16, 16]  # of the patch in the middle
    left = weights[..., :16].sum((1, 2))
    assert (left[0::2] > 0.9).all() and (left[1::2] < 0.1).all()
    assert weights[:, 12:21].sum((1, 2)).mean() > 0.45  # of nine rows in 32


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_bf16(causal):
    """Outputs and gradients are those of f32, as far as bf16 goes, over several blocks of rows."""
    torch.manual_seed(0)
    inputs, gradient = torch.randn(3, 2, 600, 32).to(torch.bfloat16), torch.randn(2, 600, 32).to(torch.bfloat16)
    results = []
    for kind in (torch.bfloat16, torch.float32):
        query, key, value = (part.to(kind).clone().requires_grad_() for part in inputs)
        if kind == torch.bfloat16:
            output = Attention.apply(query, key, value, 0.3, causal)
        else:
            output = scaled_dot_product_attention(query[None], key[None], value[None], is_causal=causal, scale=0.3)[0]
        output.backward(gradient.to(kind))
        results.append([part.detach().float() for part in (output, query.grad, key.grad, value.grad)])
    for got, expected in zip(*results):
        assert (got - expected).norm() < 0.02 * expected.norm()
