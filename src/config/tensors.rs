//! The canonical tensors of a model: their names, shapes and how each may be stored.

use super::{ModelConfig, NormKind};
use crate::quant::{self, Precision};

/// Which of the three parts of the model a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Encoder.
    Vision,
    /// Projector.
    Projector,
    /// Decoder.
    Language,
}

/// What a tensor is for, which decides how it may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One row per token of the vocabulary, as input or as head: quantized, but never below 8 bits.
    Embedding,
    /// The weight of a linear layer, `[out, in]`: quantized.
    Matrix,
    /// Norms, biases, layer scales and position embeddings: always f32.
    Vector,
}

/// One canonical tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Canonical name, such as `language.layers.0.attn.qkv.weight`.
    pub name: String,
    /// Row-major shape; a matrix is `[out, in]`.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Where it belongs.
    pub part: Part,
}

impl TensorSpec {
    /// The precision this tensor really gets where `vision` and `language` are asked for: the one policy for packing and
    /// for quantizing on load. The projector follows the encoder.
    pub fn precision(&self, vision: Precision, language: Precision) -> Precision {
        let wanted = match self.part {
            Part::Vision | Part::Projector => vision,
            Part::Language => language,
        };
        match self.role {
            Role::Embedding if wanted == Precision::Q4 => self.storable(Precision::Q8),
            _ => self.storable(wanted),
        }
    }

    /// `wanted`, or the nearest dense precision where this tensor cannot be stored in blocks.
    pub fn storable(&self, wanted: Precision) -> Precision {
        let blocks = |cols: usize| cols.is_multiple_of(quant::BLOCK);
        match wanted {
            _ if self.role == Role::Vector => Precision::F32,
            Precision::Q8 | Precision::Q4 if !blocks(self.shape[1]) => Precision::F16,
            _ => wanted,
        }
    }
}

impl ModelConfig {
    /// Every canonical tensor, in the order the model loads them and a pack stores them.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = List {
            specs: Vec::new(),
            part: Part::Vision,
        };
        if self.sees() {
            self.eyes(&mut list);
        }
        let l = &self.language;
        let (d, f) = (l.hidden_size, l.intermediate_size);

        list.part = Part::Language;
        let queries = l.heads * l.head_dim;
        let qkv = queries + 2 * l.kv_heads * l.head_dim;
        list.embedding("language.embed_tokens.weight", l.vocab_size, d);
        for i in 0..l.layers {
            let layer = format!("language.layers.{i}");
            list.norm(&format!("{layer}.attn_norm"), d, false);
            list.linear(&format!("{layer}.attn.qkv"), qkv, d, l.qkv_bias);
            if l.qk_norm {
                list.norm(&format!("{layer}.attn.q_norm"), l.head_dim, false);
                list.norm(&format!("{layer}.attn.k_norm"), l.head_dim, false);
            }
            list.linear(&format!("{layer}.attn.o_proj"), d, queries, false);
            list.norm(&format!("{layer}.mlp_norm"), d, false);
            list.linear(&format!("{layer}.mlp.gate_up"), 2 * f, d, false);
            list.linear(&format!("{layer}.mlp.down"), d, f, false);
        }
        list.norm("language.norm", d, false);
        if !l.tied_embeddings {
            list.embedding("language.lm_head.weight", l.vocab_size, d);
        }
        list.specs
    }

    /// The tensors of encoder and projector.
    fn eyes(&self, list: &mut List) {
        let v = &self.vision;
        let (c, f) = (v.hidden_size, v.intermediate_size);
        list.vector("vision.class_embedding".into(), &[c]);
        let pixels = 3 * v.patch_size.pow(2);
        list.linear("vision.patch_embedding", c, pixels, true);
        list.vector("vision.position_embedding".into(), &[v.positions(), c]);
        for i in 0..v.layers {
            let layer = format!("vision.layers.{i}");
            list.norm(&format!("{layer}.norm1"), c, v.norm == NormKind::LayerNorm);
            list.linear(&format!("{layer}.attn.qkv"), 3 * c, c, v.qkv_bias);
            if v.qk_norm {
                list.norm(&format!("{layer}.attn.q_norm"), c, false);
                list.norm(&format!("{layer}.attn.k_norm"), c, false);
            }
            list.linear(&format!("{layer}.attn.proj"), c, c, true);
            list.vector(format!("{layer}.ls1"), &[c]);
            list.norm(&format!("{layer}.norm2"), c, v.norm == NormKind::LayerNorm);
            list.linear(&format!("{layer}.mlp.fc1"), f, c, true);
            list.linear(&format!("{layer}.mlp.fc2"), c, f, true);
            list.vector(format!("{layer}.ls2"), &[c]);
        }

        list.part = Part::Projector;
        let d = self.language.hidden_size;
        let merged = c * self.projector.downsample.pow(2);
        list.norm("projector.norm", merged, true);
        list.linear("projector.fc1", d, merged, true);
        list.linear("projector.fc2", d, d, true);
    }
}

struct List {
    specs: Vec<TensorSpec>,
    part: Part,
}

impl List {
    fn push(&mut self, name: String, shape: &[usize], role: Role) {
        let (shape, part) = (shape.to_vec(), self.part);
        self.specs.push(TensorSpec {
            name,
            shape,
            role,
            part,
        });
    }

    fn vector(&mut self, name: String, shape: &[usize]) {
        self.push(name, shape, Role::Vector);
    }

    fn embedding(&mut self, name: &str, rows: usize, cols: usize) {
        self.push(name.into(), &[rows, cols], Role::Embedding);
    }

    fn linear(&mut self, stem: &str, out: usize, input: usize, bias: bool) {
        self.push(format!("{stem}.weight"), &[out, input], Role::Matrix);
        if bias {
            self.vector(format!("{stem}.bias"), &[out]);
        }
    }

    fn norm(&mut self, stem: &str, width: usize, bias: bool) {
        self.vector(format!("{stem}.weight"), &[width]);
        if bias {
            self.vector(format!("{stem}.bias"), &[width]);
        }
    }
}
