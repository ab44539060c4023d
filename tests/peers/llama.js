/**
 * llama.cpp for native.py, on the CPU:  node llama.js MODEL.gguf THREADS REPEATS  prints { prefill, token }, medians in milliseconds.
 * It is node-llama-cpp's build: the kernels are those of llama.cpp for this very processor.
 */

import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [modelPath = "", threads, repeats] = process.argv.slice(2);
const [turns, answer] = [Number(repeats), 8];
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 0, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();
const prompt = Array.from({ length: 512 }, (_, id) => /** @type {import("node-llama-cpp").Token} */ (id));
const median = (/** @type {number[]} */ times) => times.sort((a, b) => a - b)[times.length >> 1];

const prefill = [];
for (let turn = 0; turn <= turns; turn++) {
  await sequence.clearHistory();
  const began = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt);
  if (turn > 0) prefill.push(performance.now() - began);
}

const token = [];
let began = performance.now();
let count = 0;
for await (const _ of sequence.evaluate(prompt.slice(0, 1), { temperature: 0, yieldEogToken: true })) {
  if (count++ % answer > 0) continue;
  if (count > answer) token.push((performance.now() - began) / answer);
  began = performance.now();
  if (token.length === turns) break;
}
console.log(JSON.stringify({ prefill: median(prefill), token: median(token) }));
process.exit(0); // its threads would keep this one
