// What an operator can do to a run: for which states, at which route, and in words what will happen. Draws nothing.
import { ask } from "./api.js";
import { isOver, plural, stepLabel, time } from "./words.js";

const pathOf = (id, what) => `_sw/runs/${encodeURIComponent(id)}${what}`;
const names = (steps) => {
  const shown = steps.slice(0, 8).map(stepLabel).join(", ");
  return steps.length > 8 ? `${shown} and ${steps.length - 8} more` : shown;
};
const stepsOf = (run) => run.steps ?? []; // a bulk action knows no single run: says({})
const inState = (run, ...states) => stepsOf(run).filter((step) => states.includes(step.state));

function cutOff(run) {
  const steps = inState(run, "running");
  return steps.length > 0 ? `Now at work, and cut off: ${names(steps)}.` : "";
}

function kept(run) {
  const done = inState(run, "done").length;
  if (done === 0) return "";
  return `${plural(done, "step")} that ${done === 1 ? "is" : "are"} done stay${done === 1 ? "s" : ""} done.`;
}

// What the server says of each step: "anew" or "next"; a failure that the handler has dealt with is neither.
function again(run) {
  const all = stepsOf(run).filter((step) => step.again === "anew");
  const next = stepsOf(run).filter((step) => step.again === "next");
  const anew = all.filter((step) => !step.child), called = all.filter((step) => step.child);
  return [anew.length > 0 ? `Begun anew, with all attempts: ${names(anew)}.` : "",
    called.length > 0 ? `Gone on with, in the runs that were called: ${names(called)}.` : "",
    next.length > 0 ? `Tried once more, with the attempts that are left: ${names(next)}.` : ""];
}

export const STEERING = {
  cancel: {
    label: "Cancel", method: "DELETE", path: (id) => pathOf(id, ""), when: (state) => !isOver(state), isGrave: true,
    done: "was cancelled",
    says: (run) => ["No step of the run begins any more, and its clients get 410.", cutOff(run), kept(run)],
  },
  stop: {
    label: "Stop", method: "POST", path: (id) => pathOf(id, "/stop"),
    when: (state) => state === "running" || state === "sleeping", done: "was stopped", asks: "why",
    says: (run) => ["The run stands still until somebody releases it. Its deadline stands still too.", cutOff(run),
      kept(run)],
  },
  release: {
    label: "Release", method: "POST", path: (id) => pathOf(id, "/release"), when: (state) => state === "stopped",
    done: "was released",
    says: (run) => ["The run goes on from its journal.", ...again(run), kept(run)],
  },
  resume: {
    label: "Resume", method: "POST", path: (id) => pathOf(id, "/resume"),
    when: (state) => state === "failed" || state === "cancelled", done: "was reopened", asks: "timeout",
    says: (run) => ["The run goes on under its own id, as its next generation; its former response is void.",
      run.calledBy ? "Another run has called it: to have that one go on, too, resume that one instead." : "",
      ...again(run), kept(run)],
  },
};

// A resume says which generation it means: of two operators who saw the same end, the second does not have the run go
// on once more when it has failed again meanwhile. Lists do not always know how often a run was reopened.
export function steer(name, run, fields = {}) {
  const { method, path, asks } = STEERING[name], body = {};
  if (asks === "why" && fields.why) body.text = fields.why;
  if (asks === "timeout" && fields.timeout > 0) body.timeoutMs = fields.timeout * 1000;
  if (name === "resume" && run.entries) body.generation = (run.reopened ?? 0) + 1;
  return ask(method, path(run.runId), asks ? body : undefined);
}

// `answer`: its status is "cancelled", or "cancelling" if that is still to come.
export function doneText(name, answer) {
  const { done } = STEERING[name];
  return `The run ${answer.status?.endsWith("ing") ? done.replace("was", "will be") : done}.`;
}

// What has happened to the run last, by its journal: for somebody whose wish was refused.
export function lastSteering(run) {
  const kinds = { cancel: "cancelled", released: "released", stopped: "stopped", reopened: "reopened", ended: "ended" };
  const entry = (run.entries ?? []).findLast((e) => kinds[e.kind]);
  if (!entry) return `It is ${run.state}.`;
  const by = entry.by ? ` by ${entry.by}` : "", why = entry.error ? ` (${entry.error})` : "";
  return `It is ${run.state}: ${kinds[entry.kind]}${by} at ${time(entry.at)}${why}.`;
}
