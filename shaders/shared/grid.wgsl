// The workgroup's index where a launch spread its workgroups over two dimensions (65,535 is the limit of one).
fn flat_workgroup(id: vec3<u32>, count: vec3<u32>) -> u32 {
    return id.x + id.y * count.x;
}
