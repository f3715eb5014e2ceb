// The calls of functions that a run has made. Pure: draws nothing, asks nobody.

// Each call by the run that it has called, and how many stand in which way. Of a call that was made again the last one.
export function callsOf(run) {
  const byChild = new Map(), counts = { made: 0, succeeded: 0, failed: 0, awaited: 0, detached: 0, cut: 0 };
  const way = { done: "succeeded", failed: "failed", cut: "cut" };
  for (const step of run.steps) {
    if (!step.child) continue;
    byChild.set(step.child, step);
    counts.made++;
    counts[step.detached ? "detached" : (way[step.state] ?? "awaited")]++;
  }
  return { byChild, counts };
}
