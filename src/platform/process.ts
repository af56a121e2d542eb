/** Whether a process of this machine is running. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's is running too; it only can't be signalled.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
