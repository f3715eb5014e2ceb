// Where the tab is: said by the URL's query alone, so that reload, Back, and a link sent to somebody else change
// nothing.
// Relative to the page, so that it also works below a proxy's prefix.
export const FILTERS = ["endpoint", "state", "version", "label", "id", "error", "step", "kind", "from", "to"];
const CAN_BE_EMPTY = ["step", "kind"]; // "": a failure outside every step, a message without a word
const isSet = (name, value) => value != null && (value !== "" || CAN_BE_EMPTY.includes(name));

// {view, run, step, tab, filters}; step and tab: of a run's page
export function readPlace(search = location.search) {
  const query = new URLSearchParams(search);
  const run = query.get("run"), filters = {};
  for (const name of run ? [] : FILTERS) if (isSet(name, query.get(name))) filters[name] = query.get(name);
  const view = run ? "run" : (query.get("view") ?? "runs");
  return { view, run, step: run && query.get("step"), tab: run && query.get("tab"), filters };
}

export function filterQuery(filters) {
  const query = new URLSearchParams();
  for (const name of FILTERS) if (isSet(name, filters[name])) query.set(name, filters[name]);
  return query;
}

export function urlOf({ view = "runs", run = null, step = null, tab = null, filters = {} }) {
  const query = filterQuery(view === "runs" && !run ? filters : {});
  if (run) query.set("run", run);
  else if (view !== "runs") query.set("view", view);
  if (run && step) query.set("step", step);
  if (run && tab) query.set("tab", tab);
  const text = query.toString();
  return text ? `?${text}` : "./";
}

const listeners = new Set();
const moved = () => listeners.forEach((fn) => fn());

// Calls fn whenever the tab is somewhere else; returns what ends that.
export function onMove(fn) {
  listeners.add(fn);
  addEventListener("popstate", fn);
  return () => { listeners.delete(fn); removeEventListener("popstate", fn); };
}

export function go(place, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", urlOf(place));
  moved();
}

// Follows a link within the page; leaves to the browser what opens a tab or a window.
export function follow(event, place) {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(place);
}
