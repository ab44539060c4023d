//! The tiler's resize on a packed canvas; the CPU twin is [`crate::vision::tiles::resize`].

use burn::tensor::{Device, Int, Tensor};
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu_words, elements, fragment, grid, is_gpu, upload_words};
use super::{GRID, WORKGROUP};
use crate::page::Page;
use crate::vision::tiles::{self, Axis};

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    out_width: u32,
    out_height: u32,
    in_width: u32,
    stride: u32,
}

pub(super) fn shader(step: usize) -> Shader {
    Shader::new(&[GRID, fragment!("resize")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("STEP", step)
}

/// A picture on the GPU: one word a pixel, `r | g << 8 | b << 16`, row-major.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// [width * height].
    pub pixels: Tensor<1, Int>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Canvas {
    /// Packs a page and brings it to `device`.
    pub fn new(page: &Page, device: &Device) -> Self {
        let words = page
            .rgb
            .chunks_exact(3)
            .map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0]))
            .collect();
        Self {
            pixels: upload_words(words, device),
            width: page.width,
            height: page.height,
        }
    }

    /// Back to a page, from the CPU device.
    fn page(&self) -> Page {
        let words = cpu_words(&self.pixels);
        let rgb = elements::<u32>(&words)
            .iter()
            .flat_map(|word| word.to_le_bytes()[..3].to_vec())
            .collect();
        Page::new(self.width, self.height, rgb)
    }
}

/// Resizes to `width` x `height` as Pillow's bicubic does: along x, then along y; a pass whose size stays is skipped.
pub fn resize(canvas: &Canvas, width: usize, height: usize, device: &Device) -> Canvas {
    if !is_gpu(device) {
        return Canvas::new(&tiles::resize(&canvas.page(), width, height), device);
    }
    let mut current = canvas.clone();
    for (step, length) in [width, height].into_iter().enumerate() {
        let from = [current.width, current.height][step];
        if from == length {
            continue;
        }
        let axis = Axis::new(from, length);
        let out = if step == 0 {
            [length, current.height]
        } else {
            [current.width, length]
        };
        let params = Params {
            out_width: out[0] as u32,
            out_height: out[1] as u32,
            in_width: current.width as u32,
            stride: axis.stride as u32,
        };
        let spans = axis
            .bounds
            .iter()
            .flat_map(|&(first, count)| [first, count])
            .collect();
        let taps = axis.taps.iter().map(|tap| tap.cast_unsigned()).collect();
        let pixels = Launch::new(shader(step))
            .ints(&current.pixels)
            .ints(&upload_words(spans, device))
            .ints(&upload_words(taps, device))
            .int_output(out[0] * out[1])
            .run_into_ints(&params, grid((out[0] * out[1]).div_ceil(WORKGROUP)), 3);
        current = Canvas {
            pixels,
            width: out[0],
            height: out[1],
        };
    }
    current
}
