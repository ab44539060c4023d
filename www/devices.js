/** The GPU devices that this worker's engine asks for: WebGPU tells of a loss only those who hold the device. */

/**
 * Watches over every device that is handed out from now on.
 * @param {(why: string) => void} lost told of a device that is gone, and that nobody destroyed
 */
export function watchDevices(lost) {
  const adapter = globalThis.GPUAdapter?.prototype;
  if (!adapter) return;
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    void device.lost.then(({ reason, message }) => reason !== "destroyed" && lost(`The GPU was lost: ${message}`));
    return device;
  };
}
