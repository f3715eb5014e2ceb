// Where the tab is: said by the URL's query alone, so that reload, Back, and a link sent to somebody else change nothing.
// Relative to the page, so that it also works below a proxy's prefix.
export const FILTERS = ["endpoint", "state", "version", "label", "id", "error", "from", "to"];

// {view, run, tab, filters}
export function readPlace(search = location.search) {
  const query = new URLSearchParams(search);
  const filters = {};
  for (const name of FILTERS) {
    const values = query.getAll(name).filter(Boolean);
    if (values.length > 0) filters[name] = name === "label" ? values : values[0];
  }
  const run = query.get("run");
  return { view: run ? "run" : (query.get("view") ?? "runs"), run, step: query.get("step"), filters };
}

export function filterQuery(filters) {
  const query = new URLSearchParams();
  for (const name of FILTERS)
    for (const value of [filters[name] ?? []].flat()) if (value) query.append(name, value);
  return query;
}

export function urlOf({ view = "runs", run = null, step = null, filters = {} }) {
  const query = filterQuery(view === "runs" && !run ? filters : {});
  if (run) query.set("run", run);
  else if (view !== "runs") query.set("view", view);
  if (run && step) query.set("step", step);
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
