//! Loops without SIMD: where there is nothing better products are in 16 bits, and these are for tests alone.

use super::*;

pub(super) fn add(
    format: Format,
    rows: Piece<'_, ROWS>,
    shifts: &[[i32; ROWS]],
    columns: Piece<'_, COLS>,
    out: &mut [[f32; COLS]],
) {
    let blocks = columns.scales.len();
    for (line, col) in (0..out.len()).flat_map(|line| (0..COLS).map(move |col| (line, col))) {
        let (group, row) = (line / ROWS, line % ROWS);
        for block in 0..blocks {
            let at = group * blocks + block;
            let mut sum = shifts[at][row] - BIAS;
            let words = format.words();
            for word in 0..words {
                let left = rows.words[at * words + word][row];
                let right = columns.words[block * words + word][col];
                sum += match format {
                    Format::Words => {
                        let halves = [left, right].map(|word| [word << 16 >> 16, word >> 16]);
                        halves[0][0] * halves[1][0] + halves[0][1] * halves[1][1]
                    }
                    Format::Bytes { .. } => {
                        let both = left.to_le_bytes().into_iter().zip(right.to_le_bytes());
                        both.map(|(l, r)| i32::from(l as i8) * i32::from(r)).sum()
                    }
                };
            }
            out[line][col] += sum as f32 * rows.scales[at][row] * columns.scales[block][col];
        }
    }
}

pub(super) fn floats(
    rows: &[[f32; float::ROWS]],
    columns: &[[f32; COLS]],
    out: &mut [[f32; COLS]],
) {
    let lines = rows
        .chunks_exact(columns.len())
        .flat_map(|rows| (0..float::ROWS).map(move |row| (rows, row)));
    for ((rows, row), out) in lines.zip(out) {
        *out = from_fn(|col| {
            let products = rows.iter().zip(columns);
            products.map(|(left, right)| left[row] * right[col]).sum()
        });
    }
}

pub(super) fn dots(row: &Row, weights: Stored<'_>, out: &mut [f32]) {
    let blocks = row.scales.len();
    for (col, out) in out.iter_mut().enumerate() {
        let products = (0..blocks).map(|block| {
            let stored = weights.integers(col * blocks + block);
            let left = row.integers[block].iter().enumerate();
            let sum: i32 = left
                .map(|(i, &l)| i32::from(l) * (stored[weights.kind.unpacked(i)] + row.offset))
                .sum();
            let scale = row.scales[block] * weights.scales[col * blocks + block].to_f32();
            (sum + row.shifts[block]) as f32 * scale
        });
        *out = products.sum();
    }
}
