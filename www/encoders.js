/**
 * On the CPU a page's tiles are encoded by as many workers as the machine has cores for, each with an encoder of its own:
 * that takes no shared memory, and so no cross-origin isolation.
 */

import { Link } from "./link.js";
import { lock } from "./lock.js";
import { keptPlace } from "./sources.js";

/** @typedef {import("./pagelens.js").EngineInfo} EngineInfo */

const MOST = 8;
/** Bytes of a worker beside its encoder. */
const WORKER = 64 << 20;

/** How many are worth their memory; 0 where one worker does it all. @param {EngineInfo} info */
function worthwhile({ device, fit }) {
  if (device !== "cpu" || fit.vision === 0) return 0;
  const memory = /** @type {{ deviceMemory?: number }} */ (navigator).deviceMemory ?? 4; // GiB, as far as browsers tell
  const room = Math.floor((memory * 2 ** 30) / 2 / (fit.vision + fit.activations + WORKER));
  const count = Math.min(navigator.hardwareConcurrency ?? 1, room, MOST);
  return count > 1 ? count : 0;
}

/**
 * Starts them beside a worker that has loaded a model; from then on they end with it, and it with them. Where they cannot be,
 * that worker goes on alone.
 * @param {Link} link
 * @param {EngineInfo} info what was loaded
 * @param {{ model: import("./sources.js").Place, options: object, module: WebAssembly.Module }} asked
 */
export async function addEncoders(link, info, { model, options, module }) {
  const encoders = Array.from({ length: worthwhile(info) }, () => new Link(lock.locked ? lock.start("engine").worker : undefined));
  if (encoders.length === 0) return;
  try {
    const ports = await Promise.all(encoders.map(async (encoder) => {
      encoder.follow(link);
      const { port1, port2 } = new MessageChannel();
      await encoder.send({ type: "encode", model: keptPlace(model), options, module, port: port2 }, [port2], () => {}).result;
      return port1;
    }));
    if (!encoders.every(({ alive }) => alive)) throw new Error("one has died");
    for (const encoder of encoders) link.follow(encoder);
    link.post({ type: "encoders", ports }, ports);
  } catch (error) {
    for (const encoder of encoders) encoder.close(error);
  }
}
