/** The load client as a process: reads a job per line of standard input, answers with a line, ends with its input. */
import { createInterface } from 'node:readline';
import { command, type Job } from './protocol.ts';
import { runClosed, runProbe, runRate } from './requests.ts';
import { HeldStreams, runStreams } from './streams.ts';

async function run(job: Job, held: HeldStreams): Promise<unknown> {
  switch (job.type) {
    case 'probe':
      return runProbe(job);
    case 'closed':
      return runClosed(job);
    case 'rate':
      return runRate(job);
    case 'streams':
      return runStreams(job);
    case 'hold':
      return held.hold(job);
    case 'held':
      return held.state();
    case 'release':
      return held.release();
  }
}

const held = new HeldStreams();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, job } = command.parse(JSON.parse(line));
  try {
    console.log(JSON.stringify({ id, result: await run(job, held) }));
  } catch (error) {
    console.log(JSON.stringify({ id, error: error instanceof Error ? error.message : String(error) }));
  }
}
process.exit(0);
