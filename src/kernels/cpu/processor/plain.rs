//! Loops without SIMD: where there is nothing better products are in 16 bits, and these are for tests alone.

use super::*;

pub(super) fn add(
    side: Right,
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
            for four in 0..FOURS {
                let left = rows.words[at * FOURS + four][row].to_le_bytes();
                let right = columns.words[block * FOURS + four][col].to_le_bytes();
                let right_byte = |byte: u8| match side {
                    Right::Signed => i32::from(byte as i8),
                    _ => i32::from(byte),
                };
                let both = left.iter().zip(right);
                let products = both.map(|(l, r)| i32::from(*l as i8) * right_byte(r));
                sum += products.sum::<i32>();
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
