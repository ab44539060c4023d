//! The KV cache: allocated once for a context, written in place.

use burn::tensor::{DType, Device, Tensor};
use serde::Deserialize;

use crate::config::LanguageConfig;
use crate::gpu::Compute;
use crate::kernels::copy;
use crate::kernels::launch::{Fragment, fragment, unwritten};

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CachePrecision {
    /// As they are computed.
    F32,
    /// Half the memory, and half of what a decode step reads; logits move by about a thousandth of the largest.
    F16,
}

impl std::str::FromStr for CachePrecision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            other => Err(format!("a cache is kept as f16 or f32, not {other}")),
        }
    }
}

impl CachePrecision {
    /// What suits a device: a GPU waits for memory, the CPU for the conversion.
    pub fn suited_to(compute: &Compute) -> Self {
        match compute.adapter {
            Some(_) => Self::F16,
            None => Self::F32,
        }
    }

    /// Both, for the lint.
    pub(crate) const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// The element type of [`LayerCache`]'s tensors.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// What a shader reads and writes cells with.
    pub(crate) fn fragment(self) -> Fragment {
        match self {
            Self::F32 => fragment!("shared/cells_f32"),
            Self::F16 => fragment!("shared/cells_f16"),
        }
    }
}

/// Keys and values of one layer.
#[derive(Clone, Debug)]
pub struct LayerCache {
    /// [kv_heads, context, head_dim].
    pub keys: Tensor<3>,
    /// [kv_heads, context, head_dim].
    pub values: Tensor<3>,
    /// Of both.
    pub precision: CachePrecision,
}

impl LayerCache {
    /// Room for keys and values of this shape, [kv_heads, context, head_dim].
    pub fn new(shape: [usize; 3], precision: CachePrecision, device: &Device) -> Self {
        let room = || unwritten(shape, (device, precision.dtype()));
        Self {
            keys: room(),
            values: room(),
            precision,
        }
    }
}

/// Keys and values of every layer, and how many positions are valid.
#[derive(Clone, Debug)]
pub struct KvCache {
    /// One a layer.
    pub layers: Vec<LayerCache>,
    /// Positions that hold keys and values.
    pub length: usize,
    /// Positions there is room for.
    pub context: usize,
    /// Whether the keys are rotated by LongRoPE's long factors.
    pub long: bool,
}

impl KvCache {
    /// An empty cache for `context` positions.
    pub fn new(
        config: &LanguageConfig,
        context: usize,
        precision: CachePrecision,
        device: &Device,
    ) -> Self {
        let shape = [config.kv_heads, context, config.head_dim];
        Self {
            layers: (0..config.layers)
                .map(|_| LayerCache::new(shape, precision, device))
                .collect(),
            length: 0,
            context,
            long: false,
        }
    }

    /// Bytes of a cache for `context` positions: 2 (keys, values) x layers x kv_heads x head_dim x 2 or 4 bytes a position.
    pub fn bytes(config: &LanguageConfig, context: usize, precision: CachePrecision) -> u64 {
        let values = 2 * config.layers * config.kv_heads * config.head_dim * context;
        (values * precision.dtype().size()) as u64
    }

    /// Forgets every position from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Takes over the valid positions of `other`, a smaller cache of the same model.
    pub fn adopt(&mut self, other: Self) {
        let take_over = |small: &Tensor<3>, room: &mut Tensor<3>| {
            let ([heads, have, width], [_, want, _]) = (small.dims(), room.dims());
            for head in 0..heads {
                let from = head * have * width;
                copy(
                    small,
                    from..from + other.length * width,
                    room,
                    head * want * width,
                );
            }
        };
        for (layer, old) in self.layers.iter_mut().zip(&other.layers) {
            take_over(&old.keys, &mut layer.keys);
            take_over(&old.values, &mut layer.values);
        }
        self.length = other.length;
        self.long = other.long;
    }
}
