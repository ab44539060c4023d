/**
 * Stands in for www/pkg/pagelens.js where a test is about the page and not about the model. The answer tells the size of the
 * last picture, so that a test sees whether the right bytes arrived. Words in the question steer it:
 * "echo:" answers with what follows it; "crash" traps after two tokens, "lost" traps in a task that nobody waits for, "slow" takes 40 ms a token, "long" does not end by itself, "decode" fails typed, "fail:CODE" with that code.
 */

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const failure = (code, message) => Object.assign(new Error(message), { code });

/** What the server's "raw" model is long; a checkpoint's header would say. */
const RAW_BYTES = 30_000_000;

export default async function init() {
  return {};
}

/** Nothing of the mock models is listed by a digest alone. */
export class Digest {}

export class Engine {
  static async load({ read, plan, write }, { device }, onProgress) {
    const bytes = await read("manifest.json", 0, -1);
    if (bytes === null) throw failure("missing-file", "manifest.json is missing");
    const { raw = false, shards } = JSON.parse(new TextDecoder().decode(bytes));
    const files = shards.map(({ file }) => file);
    if (raw) for (const file of files) file.size = RAW_BYTES;
    await plan({ spans: files.map(({ name, size }) => ({ file: name, start: 0, end: size })), files: raw ? [] : files }, { verdict: "fits", vision: 1, language: 1 });
    for (const { name, size } of files) {
      // A checkpoint's tensors are read in pieces, and not in the order of the file.
      const half = Math.ceil(size / 2);
      const [tail, front] = raw ? [await read(name, half, size), await read(name, 0, half)] : [new Uint8Array(0), await read(name, 0, -1)];
      if (front === null || tail === null) throw failure("missing-file", `${name} is missing`);
      if (front.some((byte, at) => byte !== at % 251) || tail.some((byte, at) => byte !== (half + at) % 251)) throw failure("pack", `${name}: wrong bytes`);
    }
    if (raw && write) {
      await write("small.bin", Uint8Array.from({ length: 5_000_000 }, (_, at) => at % 251));
      await write("manifest.json", new TextEncoder().encode(JSON.stringify({ shards: [{ file: { name: "small.bin", size: 5_000_000 } }] })));
    }
    onProgress("load", 0, 1);
    await wait(50);
    onProgress("load", 1, 1);
    return new Engine(device);
  }

  constructor(device) {
    this.device = device === "gpu" ? "gpu" : "cpu";
    this.adapter = this.device === "gpu" ? "Mock GPU" : "";
  }

  info() {
    return { model: "mock", device: this.device, adapter: this.adapter, max_tiles: 12, image_size: 448, context: 4096 };
  }

  async start(messages, images, options, onProgress) {
    const question = messages.at(-1).content.filter((part) => part.type === "text").map((part) => part.text).join("");
    const sizes = images.map((bytes, at) => pictureSize(bytes, `picture ${at + 1}`));
    const tiles = sizes.map(({ width, height }) => Math.min(options.max_tiles ?? 12, Math.ceil(width / 448) * Math.ceil(height / 448)));
    const turn = messages.filter((message) => message.role === "user").length;
    const last = sizes.at(-1);
    const echoed = /echo:([\s\S]*)/.exec(question)?.[1];
    const words = (echoed ?? `Turn ${turn}: the last of ${images.length} pictures is ${last?.width} by ${last?.height} pixels.`).match(/\s*\S+\s*/g);
    this.slow = question.includes("slow");
    this.crash = question.includes("crash");
    this.lost = question.includes("lost");
    this.long = question.includes("long");
    const code = /fail:([a-z-]+)/.exec(question)?.[1];
    if (code) throw failure(code, "as the question wanted");
    if (question.includes("decode")) throw failure("image-decode", "image 1 cannot be decoded");
    for (let tile = 0; tile <= tiles.reduce((sum, count) => sum + count, 0); tile++) {
      if ((await onProgress("vision", tile, tiles.length)) === false) throw failure("aborted", "stopped");
      if (this.slow) await wait(40);
    }
    this.words = words.slice(0, options.max_tokens ?? 512);
    this.reason = this.words.length < words.length ? "length" : "stop";
    this.usage = { prompt_tokens: 256 * tiles.length + question.length, image_tokens: 256 * tiles.length, completion_tokens: 0, ttft_ms: 12.5, tokens_per_s: 80 };
    return { prompt_tokens: this.usage.prompt_tokens, image_tokens: this.usage.image_tokens, tiles };
  }

  async next() {
    if (this.slow) await wait(40);
    const at = this.usage.completion_tokens++;
    if (this.crash && at === 2) throw new WebAssembly.RuntimeError("unreachable");
    if (this.lost && at === 2) {
      void Promise.reject(new WebAssembly.RuntimeError("unreachable"));
      await new Promise(() => {});
    }
    const done = !this.long && at + 1 >= this.words.length;
    const text = this.words[at % this.words.length];
    return done ? { text, done, stop_reason: this.reason, usage: this.finish() } : { text, done };
  }

  finish() {
    return { ...this.usage };
  }

  free() {}
}

/** Width and height of a PNG, from its header. */
function pictureSize(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 24 || view.getUint32(0) !== 0x89504e47) throw failure("image-decode", `${name}: not a PNG, JPEG, WebP, GIF, BMP or TIFF file, or it is damaged`);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
