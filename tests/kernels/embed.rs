use pagelens::kernels::embed::{Source, words};
use pagelens::kernels::{Matrix, embed};
use pagelens::quant::{QuantKind, QuantizedMatrix};

use crate::check::{Device, close, noise, tensor, values, wide};
use crate::matmul::in_blocks;

pub(crate) async fn check(device: &Device) {
    let (vocabulary, width, visual_rows) = (50, 96, 7);
    let (table, visual) = (
        noise(vocabulary * width, 20),
        noise(visual_rows * width, 21),
    );
    let q8 = QuantizedMatrix::quantize(QuantKind::Q8, vocabulary, width, &table);
    let q4 = QuantizedMatrix::quantize(QuantKind::Q4, vocabulary, width, &table);
    let sources = [
        Source::Token(49),
        Source::Visual(6),
        Source::Visual(0),
        Source::Token(0),
        Source::Token(49),
    ];
    let cut = |kind| in_blocks(kind, [vocabulary, width], 1, &table, device);
    let (dense8, dense4) = (q8.dequantize(), q4.dequantize());
    let whole = Matrix::dense(table.clone(), [vocabulary, width], device);
    let stored = [
        ("f32", &table, whole),
        ("q8", &dense8, Matrix::packed(q8, device)),
        ("q4", &dense4, Matrix::packed(q4, device)),
        ("f32 in blocks", &table, cut(None)),
        ("q8 in blocks", &dense8, cut(Some(QuantKind::Q8))),
        ("q4 in blocks", &dense4, cut(Some(QuantKind::Q4))),
    ];
    let visual_tensor = tensor(&visual, [visual_rows, width], device);
    for (name, dense, matrix) in &stored {
        let want: Vec<f32> = sources
            .iter()
            .flat_map(|source| match *source {
                Source::Token(id) => dense[id as usize * width..][..width].to_vec(),
                Source::Visual(row) => visual[row as usize * width..][..width].to_vec(),
            })
            .collect();
        let all = words(&sources, matrix, Some(&visual_tensor), device);
        let one = words(&sources[3..4], matrix, None, device);
        let got = values(embed(&all, matrix, Some(&visual_tensor))).await;
        close(name, &got, &wide(&want), 1e-6);
        let got = values(embed(&one, matrix, None)).await;
        close(
            &format!("{name}, no picture"),
            &got,
            &wide(&want[3 * width..4 * width]),
            1e-6,
        );
    }
}
