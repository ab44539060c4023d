"""InternVLChatModel in plain torch, straight from the tensors and config.json of the original layout.

The second opinion on the reference: it maps no names, splits no fused projection ahead of time and uses nothing of transformers.
"""

import math

import torch
from torch.nn import functional as F


def rms(x, weight, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def vision(w, config, pixels):
    """[n,3,S,S] to [n,N,C]."""
    c = config["vision_config"]
    heads, eps = c["num_attention_heads"], c["layer_norm_eps"]
    n, C = len(pixels), c["hidden_size"]
    P = c["patch_size"]
    patches = pixels.unfold(2, P, P).unfold(3, P, P).permute(0, 2, 3, 1, 4, 5).reshape(n, -1, 3 * P * P)  # [n,N,588]
    e = "vision_model.embeddings."
    x = patches @ w[e + "patch_embedding.weight"].flatten(1).T + w[e + "patch_embedding.bias"]
    x = torch.cat([w[e + "class_embedding"].expand(n, 1, C), x], 1) + w[e + "position_embedding"]

    def norm(x, name):
        if c["norm_type"] == "rms_norm":
            return rms(x, w[name + ".weight"], eps)
        return F.layer_norm(x, (C,), w[name + ".weight"], w[name + ".bias"], eps)

    for i in range(c["num_hidden_layers"]):
        p = f"vision_model.encoder.layers.{i}."
        qkv = norm(x, p + "norm1") @ w[p + "attn.qkv.weight"].T
        if c["qkv_bias"]:
            qkv = qkv + w[p + "attn.qkv.bias"]
        q, k, v = qkv[..., :C], qkv[..., C : 2 * C], qkv[..., 2 * C :]
        if c["qk_normalization"]:
            q, k = rms(q, w[p + "attn.q_norm.weight"], eps), rms(k, w[p + "attn.k_norm.weight"], eps)
        q, k, v = (t.view(n, -1, heads, C // heads).transpose(1, 2) for t in (q, k, v))
        a = (q @ k.transpose(2, 3) * (C // heads) ** -0.5).softmax(-1) @ v
        a = a.transpose(1, 2).reshape(n, -1, C)
        x = x + w[p + "ls1"] * (a @ w[p + "attn.proj.weight"].T + w[p + "attn.proj.bias"])
        h = norm(x, p + "norm2") @ w[p + "mlp.fc1.weight"].T + w[p + "mlp.fc1.bias"]
        h = h * 0.5 * (1 + torch.erf(h / 2**0.5))
        x = x + w[p + "ls2"] * (h @ w[p + "mlp.fc2.weight"].T + w[p + "mlp.fc2.bias"])
    return x[:, 1:]


def project(w, config, features):
    """[n,N,C] to [n*T,D]: 2x2 blocks, row by row (v2) or column by column (v1), then the MLP."""
    n, N, C = features.shape
    side = int(N**0.5)
    X = features.view(n, side, side, C)
    tokens = []
    for a in range(side // 2):
        for b in range(side // 2):
            i, j = (a, b) if config["ps_version"] == "v2" else (b, a)
            block = [X[:, 2 * i, 2 * j], X[:, 2 * i, 2 * j + 1], X[:, 2 * i + 1, 2 * j], X[:, 2 * i + 1, 2 * j + 1]]
            tokens.append(torch.cat(block, -1))
    x = torch.stack(tokens, 1)
    x = F.layer_norm(x, (4 * C,), w["mlp1.0.weight"], w["mlp1.0.bias"], 1e-5)
    x = x @ w["mlp1.1.weight"].T + w["mlp1.1.bias"]
    x = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    return (x @ w["mlp1.3.weight"].T + w["mlp1.3.bias"]).flatten(0, 1)


def rope(x, config):
    """Rotates the halves of [..., L, hd]."""
    L, d = x.shape[-2:]
    frequency, scale = config["rope_theta"] ** (-torch.arange(0, d, 2) / d), 1.0
    scaling = config.get("rope_scaling") or {}
    if scaling.get("type") == "su":
        short = config["original_max_position_embeddings"]
        frequency = frequency / torch.tensor(scaling["short_factor" if L <= short else "long_factor"])
        scale = (1 + math.log(config["max_position_embeddings"] / short) / math.log(short)) ** 0.5
    angle = torch.arange(L)[:, None] * frequency
    cos, sin = angle.cos() * scale, angle.sin() * scale
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def language(w, config, ids, context_id, visual):
    """Logits [V] at the last position."""
    c = config["llm_config"]
    internlm2 = c["architectures"] == ["InternLM2ForCausalLM"]
    heads, kv, D, eps = c["num_attention_heads"], c["num_key_value_heads"], c["hidden_size"], c["rms_norm_eps"]
    hd = c.get("head_dim", D // heads)
    g = heads // kv
    ids = torch.as_tensor(ids)
    p = "language_model.model."
    embedding = w[p + ("tok_embeddings.weight" if internlm2 else "embed_tokens.weight")]
    x = embedding[ids]
    x[ids == context_id] = visual
    L = len(ids)
    mask = torch.full((L, L), float("-inf")).triu(1)
    for i in range(c["num_hidden_layers"]):
        p = f"language_model.model.layers.{i}."
        h = rms(x, w[p + ("attention_norm.weight" if internlm2 else "input_layernorm.weight")], eps)
        if internlm2:
            rows = (h @ w[p + "attention.wqkv.weight"].T).view(L, kv, g + 2, hd)
            q = rows[:, :, :g].reshape(L, heads, hd)
            k, v = rows[:, :, g], rows[:, :, g + 1]
        elif p + "self_attn.qkv_proj.weight" in w:
            rows = (h @ w[p + "self_attn.qkv_proj.weight"].T).view(L, heads + 2 * kv, hd)
            q, k, v = rows[:, :heads], rows[:, heads : heads + kv], rows[:, heads + kv :]
        else:
            parts = []
            for letter in "qkv":
                part = h @ w[p + f"self_attn.{letter}_proj.weight"].T
                if p + f"self_attn.{letter}_proj.bias" in w:
                    part = part + w[p + f"self_attn.{letter}_proj.bias"]
                part = part.view(L, -1, hd)
                if p + f"self_attn.{letter}_norm.weight" in w:
                    part = rms(part, w[p + f"self_attn.{letter}_norm.weight"], eps)
                parts.append(part)
            q, k, v = parts
        q, k = rope(q.transpose(0, 1), c), rope(k.transpose(0, 1), c)
        out = []
        for head in range(heads):
            scores = (q[head] @ k[head // g].T * hd**-0.5 + mask).softmax(-1)
            out.append(scores @ v[:, head // g])
        out = torch.cat(out, -1)
        x = x + out @ w[p + ("attention.wo.weight" if internlm2 else "self_attn.o_proj.weight")].T
        h = rms(x, w[p + ("ffn_norm.weight" if internlm2 else "post_attention_layernorm.weight")], eps)
        gate, up, down = ("feed_forward.w1", "feed_forward.w3", "feed_forward.w2") if internlm2 else ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
        if p + "mlp.gate_up_proj.weight" in w:
            gated, raised = (h @ w[p + "mlp.gate_up_proj.weight"].T).chunk(2, -1)
        else:
            gated, raised = h @ w[p + gate + ".weight"].T, h @ w[p + up + ".weight"].T
        h = F.silu(gated) * raised
        x = x + h @ w[p + down + ".weight"].T
    x = rms(x[-1], w["language_model.model.norm.weight"], eps)
    head = "language_model.output.weight" if internlm2 else "language_model.lm_head.weight"
    return w.get(head, embedding) @ x
