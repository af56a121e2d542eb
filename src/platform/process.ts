/** Whether a process of this machine is running. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is running too; it only cannot be signalled.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
