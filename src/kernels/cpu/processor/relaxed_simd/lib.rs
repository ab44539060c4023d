//! The innermost loops of products and of a token's attention, by relaxed SIMD.
//!
//! Not a module of the crate but a program of its own, without memory, data or stack, which `build.rs` compiles: engines that
//! lack these instructions refuse any module that has them. `web.rs` says what goes in and out.
#![no_std]

mod attention;

use core::arch::wasm32::*;
use core::sync::atomic::{Ordering, compiler_fence};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unreachable()
}

/// Shifts include the bits of it: as floats, sums are so much too large.
const BIAS: f32 = 12_582_912.0;

/// How dot products of the integers of a word, two or four, are summed up over a block, beginning at its shift.
trait Dots {
    /// Words of a block.
    const WORDS: usize;
    /// Whether the sums of all rows, and what is added to them, have room in registers; else half of the rows do.
    const FIT: bool;
    unsafe fn begin(shift: *const u32) -> v128;
    /// Adds the products of a word with those of each of four columns.
    fn add(word: v128, columns: v128, sum: v128) -> v128;
    /// The sums of four columns as floats, shift included.
    unsafe fn finish(sum: v128, shift: *const u32) -> v128;
}

/// In 32 bits: 16-bit integers, anywhere. They need no shift.
struct Pairs;

impl Dots for Pairs {
    const WORDS: usize = 16;
    const FIT: bool = false;

    #[inline(always)]
    unsafe fn begin(_: *const u32) -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    fn add(two: v128, columns: v128, sum: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(two, columns))
    }

    #[inline(always)]
    unsafe fn finish(sum: v128, _: *const u32) -> v128 {
        f32x4_convert_i32x4(sum)
    }
}

/// In 32 bits: any bytes, where the processor has an instruction for it.
struct Wide;

impl Dots for Wide {
    const WORDS: usize = 8;
    const FIT: bool = true;

    #[inline(always)]
    unsafe fn begin(shift: *const u32) -> v128 {
        unsafe { v128_load32_splat(shift) }
    }

    #[inline(always)]
    fn add(four: v128, columns: v128, sum: v128) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(four, columns, sum)
    }

    #[inline(always)]
    unsafe fn finish(sum: v128, _: *const u32) -> v128 {
        f32x4_sub(sum, f32x4_splat(BIAS))
    }
}

/// In 16 bits, pairs apart: 4-bit integers, anywhere.
struct Narrow;

impl Dots for Narrow {
    const WORDS: usize = 8;
    const FIT: bool = true;

    #[inline(always)]
    unsafe fn begin(_: *const u32) -> v128 {
        i16x8_splat(0)
    }

    #[inline(always)]
    fn add(four: v128, columns: v128, sum: v128) -> v128 {
        i16x8_add(sum, i16x8_relaxed_dot_i8x16_i7x16(four, columns))
    }

    #[inline(always)]
    unsafe fn finish(sum: v128, shift: *const u32) -> v128 {
        let shift = unsafe { v128_load32_splat(shift) };
        let sum = i32x4_add(i32x4_extadd_pairwise_i16x8(sum), shift);
        f32x4_sub(sum, f32x4_splat(BIAS))
    }
}

/// Rows of a tile.
const ROWS: usize = 6;
const HALF: usize = ROWS / 2;

/// A block of rows `FROM` to `TO` of a group.
#[inline(always)]
unsafe fn add_block<D: Dots, const FROM: usize, const TO: usize>(
    mut rows: *const u32,
    scales: *const u32,
    shifts: *const u32,
    mut columns: *const v128,
    factors: *const v128,
    out: *mut v128,
) {
    unsafe {
        let mut block = [[i32x4_splat(0); 2]; ROWS];
        for (row, sums) in block.iter_mut().enumerate().take(TO).skip(FROM) {
            *sums = [D::begin(shifts.add(row)); 2];
        }
        // These sums stay in registers: with others to keep, or written out step by step, they would not.
        let end = columns.add(2 * D::WORDS);
        while columns != end {
            let eight = [v128_load(columns), v128_load(columns.add(1))];
            for (row, sums) in block.iter_mut().enumerate().take(TO).skip(FROM) {
                let word = v128_load32_splat(rows.add(row));
                sums[0] = D::add(word, eight[0], sums[0]);
                sums[1] = D::add(word, eight[1], sums[1]);
            }
            (rows, columns) = (rows.add(ROWS), columns.add(2));
        }
        let eight = [v128_load(factors), v128_load(factors.add(1))];
        for (row, sums) in block.into_iter().enumerate().take(TO).skip(FROM) {
            let scale = v128_load32_splat(scales.add(row));
            for half in 0..2 {
                let sum = D::finish(sums[half], shifts.add(row));
                let factor = f32x4_mul(eight[half], scale);
                let to = out.add(2 * row).add(half);
                v128_store(to, f32x4_relaxed_madd(sum, factor, v128_load(to)));
            }
        }
        // What has been added up stays in memory.
        compiler_fence(Ordering::SeqCst);
    }
}

#[expect(clippy::too_many_arguments, reason = "a module takes numbers")]
#[inline(always)]
unsafe fn add_product<D: Dots>(
    mut rows: *const u32,
    mut scales: *const u32,
    mut shifts: *const u32,
    columns: *const v128,
    factors: *const v128,
    mut out: *mut v128,
    blocks: usize,
    groups: usize,
) {
    unsafe {
        for _ in 0..groups {
            let (mut columns, mut factors) = (columns, factors);
            for _ in 0..blocks {
                if D::FIT {
                    add_block::<D, 0, ROWS>(rows, scales, shifts, columns, factors, out);
                } else {
                    add_block::<D, 0, HALF>(rows, scales, shifts, columns, factors, out);
                    add_block::<D, HALF, ROWS>(rows, scales, shifts, columns, factors, out);
                }
                (rows, columns) = (rows.add(ROWS * D::WORDS), columns.add(2 * D::WORDS));
                (scales, shifts) = (scales.add(ROWS), shifts.add(ROWS));
                factors = factors.add(2);
            }
            out = out.add(2 * ROWS);
        }
    }
}

/// Adds to `out`, eight columns for each row, the products over `blocks` blocks. What is summed up how: 0 is [`Pairs`], 1
/// [`Wide`], 2 [`Narrow`].
///
/// # Safety
/// `rows`: for each group, block and two or four depths a word of each row; `scales` and, but for [`Pairs`], `shifts`: six for
/// each group and block; `columns`: for each block and two or four depths a word of each column; `factors`: eight for each block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn add(
    how: u32,
    rows: *const u32,
    scales: *const u32,
    shifts: *const u32,
    columns: *const v128,
    factors: *const v128,
    out: *mut v128,
    blocks: usize,
    groups: usize,
) {
    let add = match how {
        0 => add_product::<Pairs>,
        1 => add_product::<Wide>,
        _ => add_product::<Narrow>,
    };
    unsafe {
        add(rows, scales, shifts, columns, factors, out, blocks, groups);
    }
}

/// f16 in the low half of each lane as f32, for finite values.
#[inline(always)]
fn widened(halves: v128) -> v128 {
    let size = i32x4_shl(v128_and(halves, i32x4_splat(0x7fff)), 13);
    let size = f32x4_mul(size, f32x4_splat(f32::from_bits((127 + 112) << 23)));
    v128_or(size, i32x4_shl(v128_and(halves, i32x4_splat(0x8000)), 16))
}

/// Weights of a block of 32 as bytes in two vectors, in the order of a row's.
trait Stored {
    /// Vectors of a block.
    const VECTORS: usize;
    unsafe fn block(at: *const v128, sign: v128) -> [v128; 2];
}

struct Q8;

impl Stored for Q8 {
    const VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn block(at: *const v128, sign: v128) -> [v128; 2] {
        unsafe { [v128_load(at), v128_load(at.add(1))].map(|bytes| v128_xor(bytes, sign)) }
    }
}

struct Q4;

impl Stored for Q4 {
    const VECTORS: usize = 1;

    #[inline(always)]
    unsafe fn block(at: *const v128, _: v128) -> [v128; 2] {
        let bytes = unsafe { v128_load(at) };
        [v128_and(bytes, u8x16_splat(15)), u8x16_shr(bytes, 4)]
    }
}

/// One block of a row times one of a column.
#[inline(always)]
unsafe fn dot<W: Stored>(
    row: *const v128,
    shift: *const u32,
    words: *const v128,
    sign: v128,
) -> v128 {
    unsafe {
        let [low, high] = W::block(words, sign);
        let sum = i32x4_relaxed_dot_i8x16_i7x16_add(v128_load(row), low, v128_load32_zero(shift));
        let sum = i32x4_relaxed_dot_i8x16_i7x16_add(v128_load(row.add(1)), high, sum);
        f32x4_convert_i32x4(sum)
    }
}

#[expect(clippy::too_many_arguments, reason = "a module takes numbers")]
#[inline(always)]
unsafe fn dots_of<W: Stored>(
    row: *const v128,
    scales: *const f32,
    shifts: *const u32,
    mut words: *const v128,
    mut factors: *const u16,
    sign: u8,
    out: *mut f32,
    blocks: usize,
    cols: usize,
) {
    unsafe {
        let sign = u8x16_splat(sign);
        for col in 0..cols {
            let mut sums = [f32x4_splat(0.0); 2];
            let mut first = 0;
            while first + 4 <= blocks {
                let halves =
                    u32x4_extend_low_u16x8(v128_load64_zero(factors.add(first) as *const u64));
                let scale = f32x4_mul(widened(halves), v128_load(scales.add(first) as *const v128));
                let scale = [
                    i32x4_shuffle::<0, 0, 0, 0>(scale, scale),
                    i32x4_shuffle::<1, 1, 1, 1>(scale, scale),
                    i32x4_shuffle::<2, 2, 2, 2>(scale, scale),
                    i32x4_shuffle::<3, 3, 3, 3>(scale, scale),
                ];
                for (n, scale) in scale.into_iter().enumerate() {
                    let block = first + n;
                    let at = words.add(block * W::VECTORS);
                    let sum = dot::<W>(row.add(2 * block), shifts.add(block), at, sign);
                    sums[n % 2] = f32x4_relaxed_madd(sum, scale, sums[n % 2]);
                }
                first += 4;
            }
            for block in first..blocks {
                let at = words.add(block * W::VECTORS);
                let sum = dot::<W>(row.add(2 * block), shifts.add(block), at, sign);
                let scale = widened(i32x4_splat(i32::from(*factors.add(block))));
                let scale = f32x4_mul(scale, f32x4_splat(*scales.add(block)));
                sums[0] = f32x4_relaxed_madd(sum, scale, sums[0]);
            }
            let sum = f32x4_add(sums[0], sums[1]);
            let sum = f32x4_add(sum, i32x4_shuffle::<2, 3, 0, 1>(sum, sum));
            let sum = f32x4_add(sum, i32x4_shuffle::<1, 0, 3, 2>(sum, sum));
            *out.add(col) = f32x4_extract_lane::<0>(sum);
            words = words.add(blocks * W::VECTORS);
            factors = factors.add(blocks);
        }
    }
}

/// The products of a row with `cols` columns as they are stored, in nibbles or in bytes, over `blocks` blocks.
///
/// # Safety
/// `row`: 32 bytes for each block, in the order of [`Stored::block`]; `scales` and `shifts`: one for each; `words` and
/// `factors`: the weights; `sign`: what turns 8-bit weights into what the processor takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dots(
    nibbles: bool,
    row: *const v128,
    scales: *const f32,
    shifts: *const u32,
    words: *const v128,
    factors: *const u16,
    sign: u8,
    out: *mut f32,
    blocks: usize,
    cols: usize,
) {
    let dots = match nibbles {
        false => dots_of::<Q8>,
        true => dots_of::<Q4>,
    };
    unsafe {
        dots(row, scales, shifts, words, factors, sign, out, blocks, cols);
    }
}

/// The products of `groups` groups of four rows with eight columns, over `depth`, to `out`, eight columns for each row.
///
/// # Safety
/// `rows`: for each group and depth four values; `columns`: for each depth eight.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn floats(
    mut rows: *const u32,
    columns: *const v128,
    mut out: *mut v128,
    depth: usize,
    groups: usize,
) {
    unsafe {
        for _ in 0..groups {
            let mut sums = [[f32x4_splat(0.0); 2]; 4];
            let mut columns = columns;
            for _ in 0..depth {
                let eight = [v128_load(columns), v128_load(columns.add(1))];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let value = v128_load32_splat(rows.add(row));
                    sums[0] = f32x4_relaxed_madd(value, eight[0], sums[0]);
                    sums[1] = f32x4_relaxed_madd(value, eight[1], sums[1]);
                }
                (rows, columns) = (rows.add(4), columns.add(2));
            }
            for four in sums {
                v128_store(out, four[0]);
                v128_store(out.add(1), four[1]);
                out = out.add(2);
            }
        }
    }
}

/// Leaves at the third vector of `at` the dot products of the first two, whose second may have bytes above 127.
///
/// # Safety
/// `at` is three vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe(at: *mut v128) {
    unsafe {
        let (left, right) = (v128_load(at), v128_load(at.add(1)));
        let sums = i32x4_relaxed_dot_i8x16_i7x16_add(left, right, i32x4_splat(0));
        v128_store(at.add(2), sums);
    }
}
