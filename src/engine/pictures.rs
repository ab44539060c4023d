//! The pictures of a conversation, each encoded once.

use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::Tensor;
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::model::Model;
use crate::config::TilingConfig;
use crate::error::{Error, Result};
use crate::kernels::launch::finish;
use crate::kernels::{rows, stack};
use crate::page::{DecodeOptions, decode};
use crate::vision::tiles::Plan;

/// A picture of the conversation, as the user gave it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The file's name, for messages.
    pub name: String,
    /// The file's bytes.
    pub bytes: Rc<[u8]>,
}

/// Makes visual tokens of a picture's tiles.
pub trait Encode {
    /// Tiles [n, 3, S, S] -> visual tokens [n * tokens a tile, D].
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] where nobody wants them any more.
    fn encode(
        &mut self,
        model: &Model,
        pixel_values: &Tensor<4>,
    ) -> impl Future<Output = Result<Tensor<2>>>;
}

/// Seconds that tiles encoded at once may take: between them an answer can be stopped, and tells how far it is.
const STOPS_WITHIN: f64 = 0.25;

impl<F: AsyncFnMut(usize, usize) -> bool> Encode for F {
    async fn encode(&mut self, model: &Model, pixel_values: &Tensor<4>) -> Result<Tensor<2>> {
        let tiles = pixel_values.dims()[0];
        let (mut done, mut at_once) = (0, 1);
        let mut visual = Vec::new();
        while done < tiles {
            if !self(done, tiles).await {
                return Err(Error::Stopped);
            }
            let began = Instant::now();
            let some = done..tiles.min(done + at_once);
            visual.push(model.encode(pixel_values, some.clone()).1);
            finish(&visual[visual.len() - 1]).await?;
            let took = began.elapsed().as_secs_f64() / some.len() as f64;
            at_once = ((STOPS_WITHIN / took) as usize).clamp(1, model.tiles_at_once());
            done = some.end;
        }
        Ok(stack(&visual))
    }
}

/// A picture's content and how it was cut.
pub(super) type PictureKey = ([u8; 32], Plan);

/// Pictures as visual tokens, and how large they are.
#[derive(Default)]
pub(super) struct Pictures {
    visual: HashMap<PictureKey, Tensor<2>>,
    sizes: HashMap<[u8; 32], [usize; 2]>, // width and height by content
}

impl Pictures {
    /// Has a picture encoded, as far as it is not known.
    pub(super) async fn look(
        &mut self,
        model: &Model,
        picture: &Picture,
        tiling: &TilingConfig,
        encode: &mut impl Encode,
    ) -> Result<PictureKey> {
        let content = Sha256::digest(&picture.bytes).into();
        let side = model.config.vision.image_size;
        let plan = |[width, height]: [usize; 2]| Plan::new(width, height, tiling, side);
        let known = self.sizes.get(&content).map(|&size| (content, plan(size)));
        if let Some(key) = known.filter(|key| self.visual.contains_key(key)) {
            return Ok(key);
        }
        let options = DecodeOptions {
            name: picture.name.clone(),
            ..DecodeOptions::default()
        };
        let page = decode(&picture.bytes, &options)?;
        let size = [page.width, page.height];
        let plan = plan(size);
        let whole = self.whole(model, content).filter(|_| plan.ends_whole());
        let pixel_values = || model.pixel_values(&page, tiling);
        let visual = match (whole, plan.tiles()) {
            (None, _) => encode.encode(model, &pixel_values()).await?,
            (Some(whole), 1) => whole,
            (Some(whole), tiles) => {
                let others = rows(&pixel_values(), 0..tiles - 1);
                stack(&[encode.encode(model, &others).await?, whole])
            }
        };
        self.sizes.insert(content, size);
        self.visual.insert((content, plan), visual);
        Ok((content, plan))
    }

    /// Visual tokens of a picture's whole page in one tile, where it has been encoded so, alone or as a thumbnail.
    fn whole(&self, model: &Model, content: [u8; 32]) -> Option<Tensor<2>> {
        let mut known = self.visual.iter();
        let (_, visual) = known.find(|((of, plan), _)| *of == content && plan.ends_whole())?;
        let count = visual.dims()[0];
        Some(rows(visual, count - model.tokens_per_tile()..count))
    }

    /// Takes over the visual tokens of a picture that was encoded elsewhere.
    pub(super) fn show(&mut self, key: PictureKey, visual: Tensor<2>) {
        self.visual.insert(key, visual);
    }

    /// Visual tokens of a picture that is known, [n, D].
    pub(super) fn visual(&self, key: &PictureKey) -> &Tensor<2> {
        &self.visual[key]
    }

    /// Forgets all pictures but these.
    pub(super) fn keep(&mut self, keys: &[PictureKey]) {
        self.visual.retain(|key, _| keys.contains(key));
        self.sizes
            .retain(|content, _| keys.iter().any(|(of, _)| of == content));
    }
}

/// The checkpoint's tiling under the user's limit.
pub(super) fn tiling(config: &TilingConfig, max_tiles: Option<usize>) -> TilingConfig {
    let max_tiles = max_tiles.unwrap_or(config.max_tiles).max(1);
    TilingConfig {
        min_tiles: config.min_tiles.min(max_tiles),
        max_tiles,
        thumbnail: config.thumbnail,
    }
}
