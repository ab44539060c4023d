//! The KV cache: allocated once for a context, written in place.

use burn::tensor::{Device, Tensor};

use crate::config::LanguageConfig;
use crate::kernels::copy;
use crate::kernels::launch::unwritten;

/// Keys and values of one layer.
#[derive(Clone, Debug)]
pub struct LayerCache {
    /// [kv_heads, context, head_dim].
    pub keys: Tensor<3>,
    /// [kv_heads, context, head_dim].
    pub values: Tensor<3>,
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
    pub fn new(config: &LanguageConfig, context: usize, device: &Device) -> Self {
        let shape = [config.kv_heads, context, config.head_dim];
        let layer = || LayerCache {
            keys: unwritten(shape, device),
            values: unwritten(shape, device),
        };
        Self {
            layers: (0..config.layers).map(|_| layer()).collect(),
            length: 0,
            context,
            long: false,
        }
    }

    /// Bytes of a cache for `context` positions: 2 (keys, values) x layers x kv_heads x head_dim x 4 bytes a position.
    pub fn bytes(config: &LanguageConfig, context: usize) -> u64 {
        2 * 4 * (config.layers * config.kv_heads * config.head_dim) as u64 * context as u64
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
