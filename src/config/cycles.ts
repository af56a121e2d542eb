export interface Cycle {
  /** The nodes in order; the last one's edge leads back to the first. */
  readonly nodes: readonly number[];
  /** Which of the last node's edges that is. */
  readonly edge: number;
}

/**
 * The cycles that a depth-first walk closes: none exactly when the graph has none. `edges[n]` lists the nodes that
 * node `n` leads to. Iterative, so that a long chain cannot exhaust the stack.
 */
export function findCycles(edges: readonly (readonly number[])[]): Cycle[] {
  const cycles: Cycle[] = [];
  const done = new Set<number>();
  for (const start of edges.keys()) {
    const trail: { node: number; next: number }[] = [];
    const depth = new Map<number, number>();
    const enter = (node: number): void => {
      depth.set(node, trail.length);
      trail.push({ node, next: 0 });
    };
    if (!done.has(start)) enter(start);
    for (let step = trail.at(-1); step !== undefined; step = trail.at(-1)) {
      const edge = step.next++;
      const to = edges[step.node]?.[edge];
      if (to === undefined) {
        done.add(step.node);
        depth.delete(step.node);
        trail.pop();
        continue;
      }
      const since = depth.get(to);
      if (since !== undefined) cycles.push({ nodes: trail.slice(since).map(({ node }) => node), edge });
      else if (!done.has(to)) enter(to);
    }
  }
  return cycles;
}
