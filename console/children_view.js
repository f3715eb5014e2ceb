// The runs that a run has called, newest first: rows in sight alone, as pages of the server. How many there are, and
// what the run has of each, its own page says.
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { ask } from "./api.js";
import { callsOf } from "./calls.js";
import { Link, State, Time, Trouble, html, useClock, useRepeat } from "./parts.js";
import { go } from "./place.js";
import { RunsList } from "./runs_list.js";
import { useNarrow } from "./runs_view.js";
import { Virtual } from "./virtual.js";
import { count, duration, isOver, note, plural, runTime, stepLabel } from "./words.js";

const HEAD = 30, ROW = 34, NARROW_ROW = 64, NEAR_END = 40, LIVE_MS = 2000, OVER_MS = 10000;

// The list that was shown last, and the row that the keys were at: who comes back from a child finds them as they were.
const kept = { of: null, list: null, activeId: null };

function useChildren(run, onRefusal) {
  const [, paint] = useReducer((n) => n + 1, 0);
  const list = useMemo(() => {
    const path = `_sw/runs/${encodeURIComponent(run.runId)}/children`;
    const load = async (query, signal) => {
      const { children, next } = await ask("GET", `${path}?${query}`, undefined, { signal });
      return { runs: children, next };
    };
    if (kept.of !== run.runId) Object.assign(kept, { of: run.runId, list: new RunsList("", load), activeId: null });
    else kept.list.enter();
    return kept.list;
  }, [run.runId]);
  list.changed = paint;
  useEffect(() => () => list.leave(), [list]);
  const seen = useRef([0, 0]);
  useRepeat(async () => {
    await list.refresh();
    await list.look(...seen.current);
    if (list.error) onRefusal(list.error);
  }, isOver(run.state) ? OVER_MS : LIVE_MS, [list]);
  return { list, seen };
}

// ---- Rows ----

const aside = (call) => (call?.detached ? "nobody waits for it"
  : call?.state === "cut" ? "its caller waits for it no more" : "");

function Row({ index, child, call, now, isActive, open }) {
  return html`
    <div id=${`child-${child.runId}`} class=${`run child${isActive ? " active" : ""}`} role="row"
      aria-rowindex=${index + 2} aria-selected=${isActive} onClick=${(e) => open(e, child.runId)}>
      <span role="gridcell"><${State} state=${child.state} /></span>
      <span role="gridcell" class="what">
        <${Link} to=${{ run: child.runId }} tabIndex=${-1}>${child.endpoint || "unknown endpoint"}<//>
        ${" "}<span class="soft">${call ? stepLabel(call) : ""}</span></span>
      <span role="gridcell" class="at"><${Time} at=${child.startedAt} /></span>
      <span role="gridcell" class="took">${duration(runTime(child, now))}</span>
      <span role="gridcell" class="note">${[aside(call), note(child, now)].filter(Boolean).join("; ")}</span>
    </div>`;
}

const Head = () => html`
  <div class="run child head" role="row" aria-rowindex="1">
    <span role="columnheader">state</span><span role="columnheader">function and call</span>
    <span role="columnheader" class="at">began</span><span role="columnheader" class="took">took</span>
    <span role="columnheader" class="note"><span class="unseen">remark</span></span></div>`;

function keysOf(list, active, move, page) {
  const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
  return (event) => {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("a")) return;
    if (steps[key]) move(active + steps[key]);
    else if (key === "Home") move(0);
    else if (key === "End") move(list.rows.length - 1);
    else if (key === "Enter" && active >= 0) go({ run: list.rows[active].runId });
    else return;
    event.preventDefault();
  };
}

// ---- The view ----

// What the caller has of its calls.
function Counts({ calls }) {
  const { made, succeeded, failed, awaited, detached, cut } = calls.counts;
  const parts = [[succeeded, "succeeded"], [failed, "failed"], [awaited, "waited for"], [detached, "detached"],
    [cut, "waited for no more"]];
  return html`<p class="summary" id="calls-made">${plural(made, "call")}: ${
    parts.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`).join(", ")}.</p>`;
}

export function ChildrenView({ run, onRefusal }) {
  const { list, seen } = useChildren(run, onRefusal);
  const calls = useMemo(() => callsOf(run), [run]);
  const height = useNarrow() ? NARROW_ROW : ROW, now = useClock(1000), page = useRef(10);
  const [activeId, setActive] = useState(kept.activeId);
  kept.activeId = activeId;
  const active = activeId === null ? -1 : list.rows.findIndex((child) => child.runId === activeId);
  const move = (index) => setActive(list.rows[Math.max(0, Math.min(index, list.rows.length - 1))]?.runId ?? null);
  list.isHeld = () => seen.current[0] > 0;
  const isSeen = (first, last) => {
    seen.current = [first, last];
    list.look(first, last);
    page.current = Math.max(1, last - first - NEAR_END / 2);
    if (last >= list.rows.length - NEAR_END) list.more();
  };
  const open = (event, id) => {
    kept.activeId = id;
    if (!event.defaultPrevented && !event.target.closest("a") && !getSelection().toString()) go({ run: id });
  };
  const row = (index) => {
    const child = list.rows[index];
    const call = calls.byChild.get(child.runId);
    return html`<${Row} key=${child.runId} index=${index} child=${child} call=${call} now=${now}
      isActive=${child.runId === activeId} open=${open} />`;
  };
  return html`
    <div class="children">
      <${Counts} calls=${calls} />
      <${Trouble} error=${list.error?.needsSignIn ? null : list.error} />
      <${Virtual} class="grid" role="grid" aria-label="children" tabIndex=${0} id="children"
        style=${{ height: `${list.rows.length * height + HEAD + 2}px` }}
        aria-rowcount=${list.isWhole ? list.rows.length + 1 : -1} onKeyDown=${keysOf(list, active, move, page.current)}
        aria-activedescendant=${active >= 0 ? `child-${activeId}` : undefined}
        head=${html`<div role="rowgroup" class="heads"><${Head} /></div>`} headHeight=${HEAD}
        count=${list.rows.length} height=${height} row=${row} seen=${isSeen} active=${active}
        anchor=${list.takeInserted()} />
      ${list.isWhole && list.rows.length === 0 && html`<p class="empty">The time of retention of all is over.</p>`}
    </div>`;
}
