// The page's side of tests/page/programs.py: fetch a job, run it, post what came of it, go on.

import { preparePlan, runPlan } from "/web/compute.mjs";
import { openDevice } from "/web/loading.mjs";
import { programDevice } from "/web/program.mjs";

/** What a plan depends on of this browser's adapter. */
export async function describe() {
  const adapter = await openDevice.adapter();
  return { ...openDevice.describe(adapter), shader_f16: adapter.features.has("shader-f16") };
}

/** A job: plan, writes with their bytes, reads.
 * @param {number} index */
async function fetchJob(index) {
  const data = await (await fetch(`/job/${index}`)).arrayBuffer();
  const head = new DataView(data).getUint32(0, true);
  const job = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, head)));
  let at = 4 + head;
  const writes = job.writes.map(([name, size]) => {
    at += size;
    return [name, new Uint8Array(data, at - size, size)];
  });
  return { ...job, writes };
}

/** @param {number} index @param {object} told @param {ArrayBuffer[]} buffers */
async function post(index, told, buffers) {
  const head = new TextEncoder().encode(JSON.stringify(told));
  const size = Uint32Array.of(head.length);
  await fetch(`/result/${index}`, { method: "POST", body: new Blob([size, head, ...buffers]) });
}

/** Run the jobs of these numbers, one after the other, while the next one is fetched.
 * @param {number} first @param {number} end */
export async function runJobs(first, end) {
  const adapter = await openDevice.adapter();
  const device = await programDevice(adapter);
  let lost = "";
  device.lost.then(({ message }) => { lost = message || "the device was lost"; });
  let next = fetchJob(first);
  for (let index = first; index < end; index++) {
    const job = await next;
    if (index + 1 < end) next = fetchJob(index + 1);
    let executor = null;
    try {
      const began = performance.now();
      executor = await preparePlan(device, job.plan, job.writes);
      const times = [performance.now()];
      const compileMs = times[0] - began;
      let buffers = [];
      for (let run = 0; run < job.runs; run++) {
        buffers = await runPlan(executor, job.reads);
        times.push(performance.now());
      }
      const runsMs = times.slice(1).map((time, i) => time - times[i]);
      if (lost) throw new Error(lost);
      await post(index, { error: null, compileMs, runsMs, lost }, buffers);
    } catch (error) {
      await post(index, { error: lost || `${error.message ?? error}`, lost }, []);
    } finally {
      executor?.destroy();
    }
    if (lost) return;
  }
  device.destroy();
}
