//! Checkpoints: a Hugging Face folder, GGUF files or one of our packs, handed out one canonical tensor at a time.
//!
//! Foreign files are converted, and quantized where wanted, while they are read; a pack hands out what it stores. Both go
//! through [`Checkpoint::weight`], and packing a checkpoint is reading all of it while [`Checkpoint::keep`] writes it down.

mod ggml;
mod gguf;
mod import;
mod pack;
mod plan;
#[cfg(not(target_arch = "wasm32"))]
mod remote;
mod safetensors;
mod sink;
mod source;
mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use half::f16;

pub use self::plan::{Listed, Plan, Span};
#[cfg(not(target_arch = "wasm32"))]
pub use self::remote::{Address, HOST, Place, Remote, cache_folder};
pub use self::sink::Sink;
pub use self::source::Source;
#[cfg(not(target_arch = "wasm32"))]
pub use self::writer::write_pack;

use self::import::Import;
use self::pack::Pack;
use self::safetensors::Dtype;
use self::writer::Writer;
use crate::config::{ModelConfig, TensorSpec};
use crate::error::{Error, Result};
use crate::quant::{Precision, QuantKind, QuantizedMatrix};

/// One weight, ready for a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Weight {
    /// f32 values, row-major; rounded through f16 where that was the precision.
    Dense {
        /// The canonical shape.
        shape: Vec<usize>,
        /// The values.
        data: Vec<f32>,
    },
    /// A matrix in blocks.
    Quantized(QuantizedMatrix),
}

/// A checkpoint whose config is read and whose tensors are known to be complete; the weights are read one by one.
#[derive(Debug)]
pub struct Checkpoint {
    source: Source,
    store: Store,
    specs: BTreeMap<String, TensorSpec>,
    read: AtomicU64,
    /// Writes down what is handed out.
    kept: Mutex<Option<Writer>>,
}

#[derive(Debug)]
enum Store {
    /// Files that are converted while they are read.
    Folder(Box<Import>),
    Pack(Box<Pack>),
    Noise(Box<ModelConfig>, Box<Store>),
}

impl Checkpoint {
    /// Opens a pack, if there is a manifest, or else a Hugging Face checkpoint.
    pub async fn open(source: Source) -> Result<Self> {
        let store = match source.read_all(pack::MANIFEST).await? {
            Some(manifest) => Store::Pack(Box::new(Pack::open(&manifest)?)),
            None => Store::Folder(Box::new(Import::open(&source).await?)),
        };
        Ok(Self::new(source, store))
    }

    /// Opens a language model in GGUF, the first part where it is split, and the encoder that belongs to it (an `mmproj`
    /// file), if there is one; without it the model reads no pictures.
    pub async fn open_gguf(source: Source, model: &str, mmproj: Option<&str>) -> Result<Self> {
        let import = Import::open_gguf(&source, model, mmproj).await?;
        Ok(Self::new(source, Store::Folder(Box::new(import))))
    }

    fn new(source: Source, store: Store) -> Self {
        let mut checkpoint = Self {
            source,
            store,
            specs: BTreeMap::new(),
            read: AtomicU64::new(0),
            kept: Mutex::new(None),
        };
        let specs = checkpoint.config().tensors().into_iter();
        checkpoint.specs = specs.map(|spec| (spec.name.clone(), spec)).collect();
        checkpoint
    }

    /// The same tokenizer with another config and noise for weights: what a bench runs on.
    pub fn with_noise(self, config: ModelConfig) -> Self {
        Self::new(
            self.source,
            Store::Noise(Box::new(config), Box::new(self.store)),
        )
    }

    /// The model's config.
    pub fn config(&self) -> &ModelConfig {
        match &self.store {
            Store::Folder(import) => &import.config,
            Store::Pack(pack) => &pack.manifest.config,
            Store::Noise(config, _) => config,
        }
    }

    /// The model's name, which a pack carries; other files do not know their own.
    pub fn name(&self) -> Option<&str> {
        match &self.store {
            Store::Folder(_) | Store::Noise(..) => None,
            Store::Pack(pack) => Some(&pack.manifest.name),
        }
    }

    /// A tokenizer.json: the checkpoint's own, or one made from what it has instead.
    pub async fn tokenizer(&self) -> Result<Vec<u8>> {
        let store = match &self.store {
            Store::Noise(_, real) => real,
            store => store,
        };
        match store {
            Store::Noise(..) => unreachable!("noise is made of a real checkpoint"),
            Store::Folder(import) => Ok(import.tokenizer.clone()),
            Store::Pack(pack) => pack.tokenizer(&self.source).await,
        }
    }

    /// Stored bytes of all weights.
    pub fn bytes(&self) -> u64 {
        match &self.store {
            Store::Folder(import) => import
                .recipes
                .values()
                .map(|recipe| recipe.bytes(&import.tensors))
                .sum(),
            Store::Pack(pack) => pack
                .manifest
                .shards
                .iter()
                .map(|shard| shard.file.size)
                .sum(),
            Store::Noise(..) => 0,
        }
    }

    /// Brings what [`Self::weight`] will read into the cache, where it is on a server; `progress` is told (done, total)
    /// bytes.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fetch(&self, progress: impl FnMut(u64, u64)) -> Result<()> {
        match &self.source {
            Source::Remote(remote) => remote.fetch(&self.plan(), progress),
            Source::Folder(_) | Source::Memory(_) => Ok(()),
        }
    }

    /// How many of [`Self::bytes`] have been read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The block layout that a tensor will have where `vision` and `language` are asked for, `None` for dense values.
    pub fn layout(
        &self,
        spec: &TensorSpec,
        vision: Precision,
        language: Precision,
    ) -> Option<QuantKind> {
        match &self.store {
            Store::Pack(pack) => pack.kind(&spec.name),
            Store::Folder(_) | Store::Noise(..) => spec.precision(vision, language).quant(),
        }
    }

    /// From here on writes what is handed out to `out`, in shards of at most `shard` bytes: a pack, once [`Self::finish`]
    /// is called after every tensor of [`ModelConfig::tensors`] has been read in order.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyPacked`] where this is a pack.
    pub fn keep(&self, out: Sink, shard: usize) -> Result<()> {
        if let Some(name) = self.name() {
            return Err(Error::AlreadyPacked { name: name.into() });
        }
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Writer::new(out, shard));
        Ok(())
    }

    /// Completes the pack that [`Self::keep`] began, under this name.
    pub async fn finish(&self, name: &str) -> Result<()> {
        match self.take_kept() {
            Some(writer) => {
                let tokenizer = self.tokenizer().await?;
                writer.finish(name, self.config(), &tokenizer).await
            }
            None => Ok(()),
        }
    }

    fn take_kept(&self) -> Option<Writer> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Reads one canonical tensor of [`ModelConfig::tensors`] as a whole; see [`Self::rows`].
    pub async fn weight(&self, name: &str, precision: Precision) -> Result<Weight> {
        let mut whole: Option<Weight> = None;
        let take = &mut |rows| match &mut whole {
            Some(weight) => weight.append(rows),
            None => whole = Some(rows),
        };
        self.rows(name, precision, take).await?;
        whole.ok_or_else(|| Error::MissingTensor {
            tensor: name.into(),
        })
    }

    /// Reads one canonical tensor of [`ModelConfig::tensors`] and hands it to `take` some whole rows at a time, in order:
    /// no more than a few MB of it are in memory here. It is converted to `precision`, or to the nearest this tensor can
    /// have, unless it is stored so; a pack hands out what it stores. In the order of that list every stored byte is read
    /// once.
    pub async fn rows(
        &self,
        name: &str,
        precision: Precision,
        take: &mut dyn FnMut(Weight),
    ) -> Result<()> {
        let spec = self.specs.get(name).ok_or_else(|| Error::MissingTensor {
            tensor: name.into(),
        })?;
        let stored = spec.storable(precision);
        let bytes = match &self.store {
            Store::Folder(import) => {
                let recipe = &import.recipes[name];
                let mut kept = self.take_kept();
                let mut at = 0;
                let sink = async |dtype: Dtype, bytes: &[u8]| {
                    let mut rows = Weight::empty(spec, stored.quant());
                    if !rows.push_stored(dtype, bytes, stored == Precision::F16) {
                        return Err(Error::NotFinite {
                            tensor: name.into(),
                        });
                    }
                    if let Some(writer) = &mut kept {
                        writer.add(spec, at, &rows, stored).await?;
                    }
                    at += rows.rows();
                    take(rows);
                    Ok(())
                };
                recipe.read(&self.source, &import.tensors, sink).await?;
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
                recipe.bytes(&import.tensors)
            }
            Store::Pack(pack) => pack.rows(&self.source, spec, take).await?,
            Store::Noise(..) => {
                let mut random = fastrand::Rng::with_seed(name.len() as u64);
                let (rows, step) = (spec.shape[0], slice(&spec.shape));
                for at in (0..rows).step_by(step) {
                    let count = step.min(rows - at);
                    take(Weight::noise(spec, stored, count, &mut random));
                }
                0
            }
        };
        self.read.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// Values that are handed on at once: what bounds memory while a large tensor is read.
const SLICE: usize = 2 << 20;

/// Rows of a tensor of this shape that are handed on at once.
fn slice(shape: &[usize]) -> usize {
    (SLICE / shape[1..].iter().product::<usize>()).max(1)
}

impl Weight {
    /// Rows of `spec`'s tensor, none yet.
    fn empty(spec: &TensorSpec, kind: Option<QuantKind>) -> Self {
        match (kind, spec.shape.as_slice()) {
            (Some(kind), &[_, cols]) => Self::Quantized(QuantizedMatrix::empty(kind, cols)),
            (_, shape) => Self::Dense {
                shape: [&[0], &shape[1..]].concat(),
                data: Vec::new(),
            },
        }
    }

    /// Rows of uniform noise of a variance that keeps activations at their size.
    fn noise(
        spec: &TensorSpec,
        precision: Precision,
        count: usize,
        random: &mut fastrand::Rng,
    ) -> Self {
        let cols = spec.shape[spec.shape.len() - 1];
        let span = (3.0 / cols as f32).sqrt();
        let mut weight = Self::empty(spec, precision.quant());
        match &mut weight {
            Self::Dense { shape, data } => {
                shape[0] = count;
                let values = shape.iter().product();
                data.extend((0..values).map(|_| span * (2.0 * random.f32() - 1.0)));
            }
            Self::Quantized(matrix) => {
                let row: Vec<f32> = (0..cols)
                    .map(|_| span * (2.0 * random.f32() - 1.0))
                    .collect();
                let mut rows = QuantizedMatrix::empty(matrix.kind, cols);
                rows.push_rows(&row);
                for _ in 0..count {
                    random.shuffle(&mut rows.words);
                    matrix.words.extend_from_slice(&rows.words);
                    matrix.scales.extend_from_slice(&rows.scales);
                    matrix.rows += 1;
                }
            }
        }
        weight
    }

    /// How many rows there are.
    fn rows(&self) -> usize {
        match self {
            Self::Dense { shape, .. } => shape[0],
            Self::Quantized(matrix) => matrix.rows,
        }
    }

    /// Adds the rows of the same tensor that follow.
    fn append(&mut self, rows: Self) {
        match (self, rows) {
            (
                Self::Dense { shape, data },
                Self::Dense {
                    shape: more,
                    data: values,
                },
            ) => {
                shape[0] += more[0];
                data.extend(values);
            }
            (Self::Quantized(matrix), Self::Quantized(rows)) => matrix.append(rows),
            _ => unreachable!("a tensor is dense or in blocks"),
        }
    }

    /// Appends whole rows as they are stored: blocks as they are where they are of this weight's kind.
    fn push_stored(&mut self, dtype: Dtype, bytes: &[u8], rounded: bool) -> bool {
        if let (Self::Quantized(matrix), Dtype::Ggml(blocks)) = (&mut *self, dtype) {
            let before = matrix.scales.len();
            if blocks.copy(bytes, matrix) {
                return matrix.scales[before..]
                    .iter()
                    .all(|scale| scale.is_finite());
            }
        }
        let (elements, unit) = dtype.unit();
        let mut values = Vec::with_capacity(bytes.len() / unit * elements);
        dtype.widen(bytes, &mut values);
        self.push(&values, rounded)
    }

    /// Appends whole rows; false if one of the values is not finite at this precision.
    fn push(&mut self, rows: &[f32], rounded: bool) -> bool {
        match self {
            Self::Dense { shape, data } => {
                let before = data.len();
                data.extend(rows.iter().map(|&value| match rounded {
                    true => f16::from_f32(value).to_f32(),
                    false => value,
                }));
                shape[0] += rows.len() / shape[1..].iter().product::<usize>();
                data[before..].iter().all(|value| value.is_finite())
            }
            Self::Quantized(matrix) => {
                matrix.push_rows(rows);
                rows.iter().all(|value| value.is_finite())
            }
        }
    }
}
