// RMSNorm of each query's and each key's head before its rotation (Qwen3): q_weight, k_weight [HEAD_DIM].
@group(0) @binding(4) var<storage, read_write> q_weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> k_weight: array<f32>;

// 1 / sqrt(mean square + eps) of the head whose lanes bring their shares of the squares. All lanes must call.
fn head_scale(lane: u32, squares: f32) -> f32 {
    return inverseSqrt(reduce_sum(lane, squares) / f32(HEAD_DIM) + params.eps);
}
fn head_weight(is_key: bool, d: u32) -> f32 {
    return select(q_weight[d], k_weight[d], is_key);
}
