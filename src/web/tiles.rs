//! Tiles on their way to the workers that encode them, each with its own encoder and projector, and back.

use burn::tensor::Tensor;
use js_sys::{Array, Float32Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Engine;
use crate::engine::{Encode, Model};
use crate::error::{Error, Result};
use crate::kernels::launch::{cpu, elements, upload};

#[wasm_bindgen]
impl Engine {
    /// On the CPU: pixels of a tile [3, S, S] -> its visual tokens [tokens a tile, D].
    #[wasm_bindgen(js_name = "encodeTile")]
    pub fn encode_tile(&self, pixels: Vec<f32>) -> Vec<f32> {
        let side = self.model.config.vision.image_size;
        let pixel_values = upload(pixels, [1, 3, side, side], &self.model.compute.device);
        elements::<f32>(&cpu(&self.model.encode(&pixel_values, 0..1).1)).to_vec()
    }

    /// From now on every call of [`Self::start`] is given `encode`.
    #[wasm_bindgen(js_name = "closeEyes")]
    pub fn close_eyes(&mut self) {
        self.model.close_eyes();
    }
}

/// What the script does during a prompt.
pub(super) struct Script {
    /// `(phase, done, total)`, as [`Engine::start`] says.
    pub(super) on_progress: Function,
    /// `(tiles) => Promise`, pixels of each to its visual tokens; a rejection stops.
    pub(super) encode: Option<Function>,
}

impl Script {
    async fn goes_on(&self, done: usize, total: usize) -> bool {
        let phase = "vision".into();
        let report = self
            .on_progress
            .call3(&JsValue::NULL, &phase, &done.into(), &total.into());
        match report {
            Ok(answer) => JsFuture::from(Promise::resolve(&answer)).await != Ok(JsValue::FALSE),
            Err(_) => false,
        }
    }
}

impl Encode for &Script {
    async fn encode(&mut self, model: &Model, pixel_values: &Tensor<4>) -> Result<Tensor<2>> {
        let Some(encode) = &self.encode else {
            let mut here = async |done, total| self.goes_on(done, total).await;
            return here.encode(model, pixel_values).await;
        };
        let [count, channels, height, width] = pixel_values.dims();
        let pixels = cpu(pixel_values);
        let tiles: Array = elements::<f32>(&pixels)
            .chunks_exact(channels * height * width)
            .map(|tile| JsValue::from(Float32Array::from(tile)))
            .collect();
        let encoding = encode.call1(&JsValue::NULL, &tiles);
        let encoding = Promise::resolve(&encoding.map_err(|_| Error::Stopped)?);
        let encoded = JsFuture::from(encoding).await;
        let encoded = Array::from(&encoded.map_err(|_| Error::Stopped)?);
        let rows = count * model.tokens_per_tile();
        let visual: Vec<f32> = encoded
            .iter()
            .flat_map(|tile| Float32Array::from(tile).to_vec())
            .collect();
        let width = visual.len() / rows;
        Ok(upload(visual, [rows, width], &model.compute.device))
    }
}
