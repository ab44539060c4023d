/** The GPU devices that this worker's engine asks for: WebGPU tells of a loss only those who hold the device. */

/**
 * Watches over every device that is handed out from now on. A GPU that goes while it is asked for leaves no device that could
 * be lost, only a refusal: it is asked for once more.
 * @param {(why: string) => void} lost told of a device that is gone, and that nobody destroyed
 */
export function watchDevices(lost) {
  if (!globalThis.GPUAdapter) return;
  const { requestAdapter } = GPU.prototype;
  const { requestDevice } = GPUAdapter.prototype;
  /** @type {GPURequestAdapterOptions | undefined} */
  let wanted;
  const ask = () => requestAdapter.call(navigator.gpu, wanted).catch(() => null);
  GPU.prototype.requestAdapter = async (options) => {
    wanted = options;
    return (await ask()) ?? ask();
  };
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor).catch(async (error) => {
      const another = await ask();
      if (another === null) throw error;
      return requestDevice.call(another, descriptor);
    });
    void device.lost.then(({ reason, message }) => reason !== "destroyed" && lost(`The GPU was lost: ${message}`));
    return device;
  };
}
