/**
 * Uploads a dataset and writes a small report: how to use ndi-courier from a script.
 *
 *   node examples/upload-and-report.ts <dataset folder> [name for a new cloud dataset]
 *
 * In a project of your own the first import reads `from 'ndi-courier'`.
 */
import { createCourier, isCourierError } from '../client/index.ts';

const [dir, name] = process.argv.slice(2);
if (dir === undefined) {
  console.error('usage: upload-and-report.ts <dataset folder> [name]');
  process.exit(2);
}

// Finds the Temporal server and the cloud account by the environment, as the command line does; starts the
// service when it is not running.
const courier = createCourier({ log: (line) => console.error(line) });
try {
  // Started once, however often this script is: an upload that goes on is attached to.
  const run = await courier.upload({ dir, ...(name === undefined ? {} : { new: name }) });
  console.error(`Watch it at ${(await courier.linkTo(run.workflowId)) ?? 'your Temporal server'}`);

  // The stream ends with the run; leaving it early would let the run go on.
  for await (const { phase, bytes, waitingFor } of run.watch({ intervalMs: 500 })) {
    const waiting = waitingFor === null ? '' : `, waits: ${waitingFor.sentence} ${waitingFor.nextStep}`;
    console.error(`${phase}: ${bytes.transferred} of ${bytes.total} bytes${waiting}`);
  }

  const { status, datasetId, documents, files, problems } = await run.result();
  console.log(JSON.stringify({ status, datasetId, documents, files, problems }, null, 2));
  process.exitCode = status === 'done' ? 0 : 3;
} catch (error) {
  // Every error has a stable code and says what can be done about it.
  if (!isCourierError(error)) throw error;
  console.error(`${error.message}\n${error.nextStep} (${error.code})`);
  process.exitCode = 1;
} finally {
  // Lets go of the connection; the service stays.
  await courier.close();
}
