// The list of runs: filters in the URL, rows in sight alone, a selection for what is done with many.
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { ask, followWhileSeen } from "./api.js";
import { BulkBar } from "./bulk.js";
import { Filters } from "./filters.js";
import { Link, State, Time, Trouble, html, useClock, useRepeat } from "./parts.js";
import { filterQuery, go } from "./place.js";
import { RunsList } from "./runs_list.js";
import { Virtual } from "./virtual.js";
import { count, duration, isOver, note, plural, runTime } from "./words.js";

const HEAD = 30, NEAR_END = 40, REFRESH_MS = 2000, FED_MS = 10000;
const SOON_MS = 300, LOOK_EVERY_MS = 1000; // when the feed says that more has changed than it tells
// Events a second that the list wants of a feed: more than a page can show. Of others it looks now and then.
const RATE = 200;

const isNarrow = matchMedia("(max-width: 48rem)");
export function useNarrow() {
  const [narrow, set] = useState(isNarrow.matches);
  useEffect(() => {
    const changed = () => set(isNarrow.matches);
    isNarrow.addEventListener("change", changed);
    return () => isNarrow.removeEventListener("change", changed);
  }, []);
  return narrow;
}

// The list that was shown last, and the row that the keys were at: who comes back from a run finds them as they were.
const kept = { list: null, activeId: null };

function useList(query, onRefusal) {
  const [, paint] = useReducer((n) => n + 1, 0);
  const list = useMemo(() => {
    const load = (q, signal) => ask("GET", `_sw/runs?${q}`, undefined, { signal });
    if (kept.list?.query !== query) Object.assign(kept, { list: new RunsList(query, load), activeId: null });
    else kept.list.enter();
    return kept.list;
  }, [query]);
  list.changed = paint;
  useEffect(() => () => list.leave(), [list]);
  const seen = useRef([0, 0]), [fed, setFed] = useState(false);
  const look = async () => {
    await list.refresh();
    await list.look(...seen.current);
    if (list.error) onRefusal(list.error);
  };
  const again = useRepeat(look, fed ? FED_MS : REFRESH_MS, [list]);
  useFeed(list, setFed, again);
  return { list, seen };
}

// The feed says which rows have changed; what it does not tell of a row, the next look does.
function useFeed(list, setFed, again) {
  useEffect(() => {
    const over = new AbortController();
    let due = null;
    let last = -Infinity;
    const lookNow = () => { due = null; last = performance.now(); again(); };
    const lookSoon = () => {
      due ??= setTimeout(lookNow, Math.max(SOON_MS, last + LOOK_EVERY_MS - performance.now()));
    };
    const event = (name, data) => {
      if (name === "lost" || !list.tell(data) || isOver(data.state)) lookSoon();
    };
    followWhileSeen(`_sw/feed?rate=${RATE}`, over.signal, { event, connected: setFed });
    return () => {
      over.abort();
      clearTimeout(due);
    };
  }, [list]);
}

// ---- Rows ----

function Cells({ run, now, narrow }) {
  const at = html`<span role="gridcell" class="at"><${Time} at=${run.startedAt} /></span>`;
  const took = html`<span role="gridcell" class="took">${duration(runTime(run, now))}</span>`;
  return html`
    <span role="gridcell"><${State} state=${run.state} /></span>
    <span role="gridcell" class="what">
      <${Link} to=${{ run: run.runId }} tabIndex=${-1}>${run.endpoint || "unknown endpoint"}<//>
      ${" "}<span class="soft">${run.target ?? ""}</span>
    </span>
    ${at}${took}
    ${!narrow && html`<span role="gridcell" class="steps">${run.stepsDone == null ? "" : count(run.stepsDone)}</span>`}
    <span role="gridcell" class="note">${note(run, now)}${labels(run)}</span>`;
}

const labels = (run) => Object.entries(run.labels ?? {}).map(([name, value]) =>
  html` <span class="label">${name}: ${String(value)}</span>`);

function Row({ index, run, now, narrow, isActive, isChosen, choose }) {
  const cls = `run${isActive ? " active" : ""}${isChosen ? " chosen" : ""}`;
  return html`
    <div id=${`row-${run.runId}`} class=${cls} role="row" aria-rowindex=${index + 2}
      aria-selected=${isChosen} onClick=${(e) => choose.click(e, index)}>
      <span role="gridcell" class="tick">
        <input type="checkbox" tabIndex=${-1} checked=${isChosen} aria-label=${`select run ${run.runId}`}
          onClick=${(e) => { e.stopPropagation(); choose.tick(index, e.shiftKey); }} />
      </span>
      <${Cells} run=${run} now=${now} narrow=${narrow} />
    </div>`;
}

const Head = ({ narrow }) => html`
  <div class="run head" role="row" aria-rowindex="1">
    <span role="columnheader" class="tick"><span class="unseen">selected</span></span>
    <span role="columnheader">state</span><span role="columnheader">endpoint</span>
    <span role="columnheader" class="at">began</span><span role="columnheader" class="took">took</span>
    ${!narrow && html`<span role="columnheader" class="steps">steps</span>`}
    <span role="columnheader" class="note">${narrow ? "more" : ""}<span class="unseen">remark</span></span>
  </div>`;

// ---- Which rows are chosen, and which one the keys are at ----

function useChoice(list) {
  const [chosen, setChosen] = useState(() => new Set()), [activeId, setActive] = useState(kept.activeId);
  kept.activeId = activeId;
  const from = useRef(null);
  const active = activeId === null ? -1 : list.rows.findIndex((run) => run.runId === activeId);
  const at = (index) => list.rows[Math.max(0, Math.min(index, list.rows.length - 1))];
  const move = (index) => setActive(at(index)?.runId ?? null);
  function tick(index, isRange) {
    const id = at(index)?.runId, next = new Set(chosen);
    if (!id) return;
    const begun = isRange && from.current ? list.rows.findIndex((run) => run.runId === from.current) : -1;
    const first = begun < 0 ? index : begun; // the row that a range was to begin at may not be here any more
    const is = !chosen.has(id) || (isRange && first !== index);
    for (let i = Math.min(first, index); i <= Math.max(first, index); i++) next[is ? "add" : "delete"](at(i).runId);
    from.current = id;
    setChosen(next);
    setActive(id);
  }
  function click(event, index) {
    kept.activeId = at(index).runId;
    if (event.defaultPrevented || event.target.closest("a, input")) return;
    if (event.shiftKey || event.ctrlKey || event.metaKey) tick(index, event.shiftKey);
    else if (!getSelection().toString()) go({ run: kept.activeId });
  }
  const all = () => setChosen(new Set(list.rows.map((run) => run.runId)));
  return { chosen, active, activeId, move, tick, click, all, none: () => setChosen(new Set()) };
}

function keysOf(list, choose, page) {
  const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
  return (event) => {
    if (event.target.closest("input, a") && event.key === "Enter") return;
    const { key } = event;
    if (key === "a" && (event.ctrlKey || event.metaKey)) choose.all();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (steps[key] && event.shiftKey && choose.active >= 0) choose.tick(choose.active + steps[key], true);
    else if (steps[key]) choose.move(choose.active + steps[key]);
    else if (key === "Home") choose.move(0);
    else if (key === "End") choose.move(list.rows.length - 1);
    else if ((key === " " || key === "x") && choose.active >= 0) choose.tick(choose.active, event.shiftKey);
    else if (key === "Enter" && choose.active >= 0) go({ run: choose.activeId });
    else if (key === "Escape" && choose.chosen.size > 0) choose.none();
    else return;
    event.preventDefault();
  };
}

// ---- The view ----

function Summary({ list }) {
  const { rows, isWhole, loading, error } = list;
  const said = rows.length === 0 && loading ? "loading"
    : isWhole ? plural(rows.length, "run") : `${count(rows.length)}+ runs`;
  return html`<p class="summary" role="status">${error ? "not up to date" : said}</p>`;
}

// More runs have come than a list that is being read can take without losing its rows.
const Behind = ({ list }) => (list.isBehind ? html`
  <p class="behind" role="status">Many newer runs have come.
    ${" "}<button type="button" id="show-newest" onClick=${() => list.restart()}>Show the newest</button></p>` : null);

function Empty({ list, filtered }) {
  if (list.rows.length > 0 || !list.isWhole) return null;
  return html`<p class="empty">${filtered ? "No run fits these filters." : "There are no runs yet. Each request to a "
    + "durable endpoint becomes one."}</p>`;
}

export function RunsView({ place, onRefusal }) {
  const query = filterQuery(place.filters).toString();
  const { list, seen } = useList(query, onRefusal);
  const narrow = useNarrow(), height = narrow ? 64 : 34, now = useClock(1000);
  const choose = useChoice(list), page = useRef(20);
  useEffect(() => choose.none(), [query]);
  list.isHeld = () => seen.current[0] > 0 || choose.chosen.size > 0;
  const isSeen = (first, last) => {
    seen.current = [first, last];
    list.look(first, last);
    page.current = Math.max(1, last - first - NEAR_END / 2);
    if (last >= list.rows.length - NEAR_END) list.more();
  };
  const row = (index) => {
    const run = list.rows[index];
    return html`<${Row} key=${run.runId} index=${index} run=${run} now=${now} narrow=${narrow} choose=${choose}
      isActive=${run.runId === choose.activeId} isChosen=${choose.chosen.has(run.runId)} />`;
  };
  return html`
    <section class="runs" aria-labelledby="title">
      <div class="title"><h1 id="title" tabIndex=${-1}>Runs</h1><${Summary} list=${list} /></div>
      <${Filters} filters=${place.filters} />
      <${Trouble} error=${list.error?.needsSignIn ? null : list.error} />
      <${BulkBar} list=${list} chosen=${choose.chosen} none=${choose.none} filters=${place.filters} />
      <${Behind} list=${list} />
      <${Virtual} class="grid" role="grid" aria-label="runs" aria-multiselectable="true" tabIndex=${0}
        aria-rowcount=${list.isWhole ? list.rows.length + 1 : -1} onKeyDown=${keysOf(list, choose, page.current)}
        aria-activedescendant=${choose.active >= 0 ? `row-${choose.activeId}` : undefined}
        head=${html`<div role="rowgroup" class="heads"><${Head} narrow=${narrow} /></div>`} headHeight=${HEAD}
        count=${list.rows.length} height=${height} row=${row} seen=${isSeen} active=${choose.active}
        anchor=${list.takeInserted()} />
      <${Empty} list=${list} filtered=${query !== ""} />
    </section>`;
}
