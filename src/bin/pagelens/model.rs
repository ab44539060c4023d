//! How a command names, weighs, fetches and loads its model.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use pagelens::engine::fit::{Fit, Use, Verdict};
use pagelens::engine::{GenerateOptions, Model};
use pagelens::gpu::{Compute, DeviceChoice};
use pagelens::language::cache::CachePrecision;
use pagelens::nn::Precisions;
use pagelens::quant::Precision;
use pagelens::weights::{Address, Checkpoint, HOST, Source, cache_folder};
use pagelens::{Error, Result};

/// Where models are looked for and kept.
#[derive(clap::Args)]
pub(crate) struct PlaceArgs {
    /// The host of models named owner/name[@revision].
    #[arg(long, value_name = "URL", default_value = HOST)]
    host: String,
    /// The folder that downloads are kept in; otherwise PAGELENS_CACHE, or pagelens in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The encoder that belongs to a GGUF file.
    #[arg(long, value_name = "FILE.gguf")]
    mmproj: Option<PathBuf>,
}

impl PlaceArgs {
    /// Opens a model by folder, URL or name, or a GGUF file; of its weights, nothing is read.
    pub(crate) async fn open(&self, model: &str) -> Result<Checkpoint> {
        if self.mmproj.is_some() || Path::new(model).extension().is_some_and(|e| e == "gguf") {
            // Names as the user gave them, from the working directory.
            let mmproj = self.mmproj.as_ref().map(|file| file.to_string_lossy());
            let source = Source::Folder(PathBuf::new());
            return Checkpoint::open_gguf(source, model, mmproj.as_deref()).await;
        }
        let address = Address::parse(model, &self.host)?;
        let cache = self.cache.clone().unwrap_or_else(cache_folder);
        Checkpoint::open(Source::at(address, &cache)?).await
    }
}

/// Precision of the weights that a checkpoint's are held in; a pack keeps its own.
#[derive(clap::Args)]
pub(crate) struct PrecisionArgs {
    /// Hold a checkpoint's encoder and projector as f32, q8 or q4; a pack keeps its own.
    #[arg(long, value_name = "P", default_value = "q8", value_parser = str::parse::<Precision>)]
    vision: Precision,
    /// Hold its decoder as f32, q8 or q4; embeddings and head stay at 8 bits or more.
    #[arg(long, value_name = "P", default_value = "q4", value_parser = str::parse::<Precision>)]
    language: Precision,
    /// Both at once.
    #[arg(long, value_name = "P", value_parser = str::parse::<Precision>)]
    weights: Option<Precision>,
    /// Keep keys and values of a conversation as f16 or f32; f16 on a GPU if nothing is said.
    #[arg(long, value_name = "P", value_parser = str::parse::<CachePrecision>)]
    kv: Option<CachePrecision>,
}

impl PrecisionArgs {
    pub(crate) fn precisions(&self, compute: &Compute) -> Precisions {
        Precisions {
            vision: self.weights.unwrap_or(self.vision),
            language: self.weights.unwrap_or(self.language),
            kv: self
                .kv
                .unwrap_or_else(|| CachePrecision::suited_to(compute)),
        }
    }
}

/// Where a model comes from, where and how it runs, and how much of a page it looks at.
#[derive(clap::Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Most tiles a picture is cut into, 1 to 40; otherwise as many as the model allows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=40))]
    max_tiles: Option<u8>,
}

impl SetupArgs {
    /// The model, or the one that ships, of whose weights nothing is read, its device, and what it needs there.
    pub(crate) async fn weigh(
        &self,
        model: Option<&str>,
        context: Option<usize>,
    ) -> Result<(Checkpoint, Compute, Fit)> {
        let checkpoint = match model {
            Some(model) => self.place.open(model).await?,
            None => Checkpoint::open(Source::Folder(crate::shipped()?)).await?,
        };
        let compute = Compute::open(self.device).await?;
        let usage = Use {
            tiles: self.max_tiles.map(usize::from),
            context,
        };
        let fit = Fit::of(
            &checkpoint,
            self.precision.precisions(&compute),
            compute.limits,
            usage,
        );
        Ok((checkpoint, compute, fit))
    }
}

/// Which model answers, and how much it says.
#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// A folder, the URL of one, or owner/name[@revision]: a checkpoint or a pack; or a GGUF file. Without it, the model
    /// that ships.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    setup: SetupArgs,
    /// Most tokens of an answer.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_tokens: usize,
}

impl ModelArgs {
    /// Greedy, within these limits.
    pub(crate) fn options(&self) -> GenerateOptions {
        GenerateOptions {
            max_tokens: self.max_tokens,
            max_tiles: self.setup.max_tiles.map(usize::from),
            ..GenerateOptions::default()
        }
    }

    /// The model on its device, with bars on stderr while it is fetched and loaded; refused before any weight is fetched
    /// where the device cannot hold it. What changed on its server while it was fetched is fetched anew, once.
    pub(crate) async fn load(&self) -> Result<Model> {
        match self.try_load().await {
            Err(Error::Unverified { file, reason }) => {
                eprintln!("{file} {reason}; fetching it again");
                self.try_load().await
            }
            done => done,
        }
    }

    async fn try_load(&self) -> Result<Model> {
        let (checkpoint, compute, fit) = self.setup.weigh(self.model.as_deref(), None).await?;
        eprintln!("running on the {compute}");
        fit.check()?;
        if fit.verdict == Verdict::Tight {
            eprintln!("{}: {}", fit.reason, fit.advice);
        }
        fetch(&checkpoint)?;
        let (bar, mut progress) = crate::bar("loading");
        let precisions = self.setup.precision.precisions(&compute);
        compute.choose_factors().await;
        let model = Model::load(&checkpoint, compute, precisions, &mut progress).await?;
        bar.finish_and_clear();
        Ok(model)
    }
}

/// Brings a model's weights to this machine, with bytes, rate and time left on stderr.
pub(crate) fn fetch(checkpoint: &Checkpoint) -> Result<()> {
    let template = "fetching [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::new(0).with_style(style);
    let fetched = checkpoint.fetch(|done, total| {
        if bar.length() != Some(total) {
            // What is there already is no part of the rate.
            bar.set_length(total);
            bar.set_position(done);
            bar.reset_eta();
        }
        bar.set_position(done);
    });
    bar.finish_and_clear();
    fetched
}
