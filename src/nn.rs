//! What the encoder and the decoder are made of, and how it is loaded: a `Linear` is the same thing dense or quantized.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};

use crate::config::TensorSpec;
use crate::error::Result;
use crate::gpu::Compute;
use crate::kernels::launch::upload;
use crate::kernels::{Epilogue, Filling, Matrix, Prologue, product};
use crate::language::cache::CachePrecision;
use crate::quant::Precision;
use crate::weights::{Checkpoint, Weight};

/// A linear layer.
pub struct Linear {
    weight: Matrix,          // [out, in]
    bias: Option<Tensor<1>>, // [out]
}

impl Linear {
    /// `norm(x) . weight^T (+ bias)`: [rows, in] -> [rows, out].
    pub fn forward(&self, x: &Tensor<2>, norm: Prologue<'_>) -> Tensor<2> {
        let epilogue = self.bias.as_ref().map_or(Epilogue::None, Epilogue::Bias);
        product(x, norm, &self.weight, epilogue)
    }

    /// `gelu(norm(x) . weight^T + bias)`.
    pub fn forward_gelu(&self, x: &Tensor<2>, norm: Prologue<'_>) -> Tensor<2> {
        product(x, norm, &self.weight, Epilogue::BiasGelu(self.bias()))
    }

    /// `silu(gate) * up` of `norm(x) . weight^T`, rows gate | up of the weight: [rows, in] -> [rows, out / 2].
    pub fn forward_swiglu(&self, x: &Tensor<2>, norm: Prologue<'_>) -> Tensor<2> {
        assert!(
            self.bias.is_none(),
            "gate and up have no bias in any family"
        );
        product(x, norm, &self.weight, Epilogue::SwiGlu)
    }

    /// `residual + x . weight^T`, for layers without a bias.
    pub fn forward_residual(&self, x: &Tensor<2>, residual: &Tensor<2>) -> Tensor<2> {
        assert!(
            self.bias.is_none(),
            "a residual layer with a bias needs its layer scale"
        );
        product(
            x,
            Prologue::None,
            &self.weight,
            Epilogue::Residual(residual),
        )
    }

    /// `residual + layer_scale * (x . weight^T + bias)`.
    pub fn forward_scaled_residual(
        &self,
        x: &Tensor<2>,
        layer_scale: &Tensor<1>,
        residual: &Tensor<2>,
    ) -> Tensor<2> {
        let epilogue = Epilogue::ScaledResidual {
            bias: self.bias(),
            layer_scale,
            residual,
        };
        product(x, Prologue::None, &self.weight, epilogue)
    }

    fn bias(&self) -> &Tensor<1> {
        self.bias
            .as_ref()
            .expect("this layer has a bias in every family")
    }
}

/// A norm over rows: LayerNorm where there is a bias, RMSNorm where there is none.
pub struct Norm {
    weight: Tensor<1>,       // [width]
    bias: Option<Tensor<1>>, // [width]
    eps: f32,
}

impl Norm {
    /// As what comes before a product.
    pub fn prologue(&self) -> Prologue<'_> {
        let (weight, eps) = (&self.weight, self.eps);
        match &self.bias {
            Some(bias) => Prologue::LayerNorm { weight, bias, eps },
            None => Prologue::RmsNorm { weight, eps },
        }
    }
}

/// Precision of the two halves of a model, and of what it remembers; the projector goes with the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precisions {
    /// Encoder and projector.
    pub vision: Precision,
    /// Decoder.
    pub language: Precision,
    /// Keys and values.
    pub kv: CachePrecision,
}

impl Precisions {
    /// The same for all weights, keys and values as they are computed.
    pub fn all(precision: Precision) -> Self {
        Self {
            vision: precision,
            language: precision,
            kv: CachePrecision::F32,
        }
    }
}

/// Hands a checkpoint's tensors to a device, one at a time.
pub struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    specs: HashMap<String, TensorSpec>,
    precisions: Precisions,
    device: Device,
    /// Bytes of the largest buffer.
    limit: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    done: u64,
    total: u64,
}

impl<'a> Loader<'a> {
    /// A loader; `progress` is told how many of how many weights are on the device.
    pub fn new(
        checkpoint: &'a Checkpoint,
        precisions: Precisions,
        compute: &Compute,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        let specs = checkpoint.config().tensors();
        let total = specs.iter().map(count).sum();
        let specs = specs
            .into_iter()
            .map(|spec| (spec.name.clone(), spec))
            .collect();
        Self {
            checkpoint,
            specs,
            precisions,
            device: compute.device.clone(),
            limit: compute.limits.tensor,
            progress,
            done: 0,
            total,
        }
    }

    /// Where the weights go.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A matrix, in the precision asked for.
    pub async fn matrix(&mut self, name: &str) -> Result<Matrix> {
        self.fill(name, 1).await
    }

    /// A linear layer without a bias whose weight has rows gate | up: for [`Linear::forward_swiglu`].
    pub async fn gate_up(&mut self, stem: &str) -> Result<Linear> {
        let weight = self.fill(&format!("{stem}.weight"), 2).await?;
        Ok(Linear { weight, bias: None })
    }

    /// A vector, [n].
    pub async fn vector(&mut self, name: &str) -> Result<Tensor<1>> {
        let data = self.dense(name).await?;
        let len = data.len();
        Ok(upload(data, [len], &self.device))
    }

    /// A table, [rows, width], kept dense.
    pub async fn table(&mut self, name: &str, width: usize) -> Result<Tensor<2>> {
        let data = self.dense(name).await?;
        let rows = data.len() / width;
        Ok(upload(data, [rows, width], &self.device))
    }

    /// A linear layer: `stem.weight` and, where the config has it, `stem.bias`.
    pub async fn linear(&mut self, stem: &str, bias: bool) -> Result<Linear> {
        let weight = self.matrix(&format!("{stem}.weight")).await?;
        let bias = if bias {
            Some(self.vector(&format!("{stem}.bias")).await?)
        } else {
            None
        };
        Ok(Linear { weight, bias })
    }

    /// A norm: `stem.weight` and, for a LayerNorm, `stem.bias`.
    pub async fn norm(&mut self, stem: &str, bias: bool, eps: f32) -> Result<Norm> {
        let weight = self.vector(&format!("{stem}.weight")).await?;
        let bias = if bias {
            Some(self.vector(&format!("{stem}.bias")).await?)
        } else {
            None
        };
        Ok(Norm { weight, bias, eps })
    }

    /// A matrix of so many halves (see [`Filling::new`]), brought to the device as it is read.
    async fn fill(&mut self, name: &str, halves: usize) -> Result<Matrix> {
        let spec = self.spec(name);
        let Precisions {
            vision, language, ..
        } = self.precisions;
        let kind = self.checkpoint.layout(spec, vision, language);
        let shape = [spec.shape[0], spec.shape[1]];
        let mut filling = Filling::new(kind, shape, halves, &self.device, self.limit);
        self.read(name, &mut |rows| match rows {
            Weight::Dense { data, .. } => filling.push_dense(&data),
            Weight::Quantized(matrix) => filling.push_packed(&matrix),
        })
        .await?;
        Ok(filling.finish())
    }

    async fn dense(&mut self, name: &str) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        self.read(name, &mut |rows| match rows {
            Weight::Dense { data, .. } => values.extend(data),
            Weight::Quantized(_) => unreachable!("{name} is a vector: never stored in blocks"),
        })
        .await?;
        Ok(values)
    }

    async fn read(&mut self, name: &str, take: &mut dyn FnMut(Weight)) -> Result<()> {
        let spec = self.spec(name);
        let precision = spec.precision(self.precisions.vision, self.precisions.language);
        let values = count(spec);
        self.checkpoint.rows(name, precision, take).await?;
        self.done += values;
        (self.progress)(self.done, self.total);
        Ok(())
    }

    fn spec(&self, name: &str) -> &TensorSpec {
        let spec = self.specs.get(name);
        spec.unwrap_or_else(|| panic!("{name} is not in the config's list of tensors"))
    }
}

fn count(spec: &TensorSpec) -> u64 {
    spec.shape.iter().map(|&dim| dim as u64).product()
}
