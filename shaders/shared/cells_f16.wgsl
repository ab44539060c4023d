// The KV cache's cells in f16: four neighbouring channels, or two, the first in the low half of its word.
alias Four = vec2<u32>;
alias Two = u32;

const LARGEST = vec2<f32>(65504.0);

fn channels(cell: Four) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(cell.x), unpack2x16float(cell.y));
}
fn cell_of(channels: vec2<f32>) -> Two {
    return pack2x16float(clamp(channels, -LARGEST, LARGEST));
}
