// The KV cache's cells in f32: four neighbouring channels, or two.
alias Four = vec4<f32>;
alias Two = vec2<f32>;

fn channels(cell: Four) -> vec4<f32> {
    return cell;
}
fn cell_of(channels: vec2<f32>) -> Two {
    return channels;
}
