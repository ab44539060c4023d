// Tree reductions over the WORKGROUP lanes of one workgroup; every lane gets the result. All lanes must call.
var<workgroup> lanes: array<f32, WORKGROUP>;

fn reduce_sum(lane: u32, value: f32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    for (var stride = WORKGROUP / 2u; stride > 0u; stride /= 2u) {
        if (lane < stride) {
            lanes[lane] += lanes[lane + stride];
        }
        workgroupBarrier();
    }
    let sum = lanes[0];
    workgroupBarrier();
    return sum;
}
