// The waterfall: each step a row with what it did when, branches side by side. Drawn by hand; only rows in sight exist.
// Owns what is folded and which part of the time is seen; the keys do all that the mouse does.
import { useMemo, useRef, useState } from "preact/hooks";
import { html } from "./parts.js";
import { rangeOf, rowsOf, ticksOf } from "./run_model.js";
import { useSize, Virtual } from "./virtual.js";
import { duration } from "./words.js";

const ROW = 26, BAR = 12, OVERVIEW = 44, OVERVIEW_BARS = 3000, LEAST_MS = 1;

const said = { queue: "waits", done: "attempt", failed: "failed attempt", abandoned: "abandoned attempt",
  backoff: "pause before a retry", sleep: "sleep",
  wait: "wait for a signal or a call", running: "at work", span: "" };

// ---- Bars ----

// One row's bars; `view` is {from, to} in time, `width` pixels.
function Bars({ bars, view, width }) {
  const x = (at) => ((at - view.from) / (view.to - view.from)) * width;
  const seen = bars.filter((bar) => bar.to >= view.from && bar.from <= view.to);
  return html`
    <svg class="bars" width=${width} height=${ROW} aria-hidden="true">
      ${seen.map((bar) => {
        const from = Math.min(Math.max(-2, x(bar.from)), width - 2), to = Math.min(width + 2, x(bar.to));
        const isThin = bar.kind === "backoff" || bar.kind === "queue";
        const height = bar.kind === "span" ? 5 : isThin ? 4 : BAR, w = Math.max(2, to - from);
        const title = `${said[bar.kind]}${bar.attempt ? ` ${bar.attempt.attempt}` : ""} ${duration(bar.to - bar.from)}`;
        return html`<rect class=${`bar ${bar.kind}`} x=${from} y=${(ROW - height) / 2} width=${w} height=${height}
          rx="2"><title>${title}</title></rect>`;
      })}
    </svg>`;
}

function Axis({ view, width, origin }) {
  const ticks = ticksOf(view.from - origin, view.to - origin, Math.max(2, Math.floor(width / 90)));
  const x = (t) => ((t + origin - view.from) / (view.to - view.from)) * width;
  return html`
    <svg class="axis" width=${width} height="30" aria-hidden="true">
      ${ticks.map((t) => html`<g><line x1=${x(t)} x2=${x(t)} y1="20" y2="30" />
        <text x=${Math.min(x(t), width - 4)} y="14"
          text-anchor=${x(t) > width - 40 ? "end" : x(t) < 20 ? "start" : "middle"}>
          ${t === 0 ? "0" : duration(t)}</text></g>`)}
    </svg>`;
}

// ---- The overview, whose brush chooses what is seen ----

function leaves(nodes, out = []) {
  for (const node of nodes) {
    if (node.children.length > 0) leaves(node.children, out);
    else out.push(node);
  }
  return out;
}

function Overview({ tree, range, view, zoom }) {
  const ref = useRef(null), { width } = useSize(ref), [drag, setDrag] = useState(null);
  const all = leaves(tree), every = Math.ceil(all.length / OVERVIEW_BARS);
  const x = (at) => ((at - range.from) / (range.to - range.from)) * width;
  const timeAt = (e) => {
    const box = ref.current.getBoundingClientRect();
    const part = Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
    return range.from + part * (range.to - range.from);
  };
  const down = (e) => { e.currentTarget.setPointerCapture(e.pointerId); setDrag([timeAt(e), timeAt(e)]); };
  const move = (e) => { if (drag) setDrag([drag[0], timeAt(e)]); };
  const up = () => {
    if (drag && Math.abs(x(drag[0]) - x(drag[1])) > 4) zoom({ from: Math.min(...drag), to: Math.max(...drag) });
    setDrag(null);
  };
  const shown = drag ? { from: Math.min(...drag), to: Math.max(...drag) } : view;
  return html`
    <div class="overview" ref=${ref} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}
      onDblClick=${() => zoom(null)}>
      <svg width=${width} height=${OVERVIEW} aria-hidden="true">
        ${all.filter((_, i) => i % every === 0).map((node, i, some) => html`
          <rect class=${`mini ${node.state}`} x=${x(node.from)} y=${2 + (i / some.length) * (OVERVIEW - 6)}
            width=${Math.max(1.5, x(node.to) - x(node.from))}
            height=${Math.max(1, Math.min(6, (OVERVIEW - 8) / some.length))} />`)}
        <rect class="brush" x=${x(shown.from)} y="0.5" width=${Math.max(2, x(shown.to) - x(shown.from))}
          height=${OVERVIEW - 1} />
      </svg>
    </div>`;
}

// ---- Rows ----

const MARK = {
  done: "✓", failed: "✕", retrying: "↻", sleeping: "☾", running: "▶", waiting: "…",
  "timed out": "⌛", cut: "–",
};

function describe(row) {
  const attempts = row.step?.attempts?.length ?? 0;
  return [row.state, attempts > 1 ? `${attempts} attempts` : "", duration(row.to - row.from),
    row.step?.chunks ? `${row.step.chunks} chunks` : ""].filter(Boolean).join(", ");
}

function RowOf({ row, index, view, width, isActive, choose, toggle }) {
  const hasChildren = row.children.length > 0, chunks = row.step?.chunks;
  const fold = (e) => { e.stopPropagation(); toggle(row.key); };
  return html`
    <div id=${`step-${row.key}`} class=${`span-row${isActive ? " active" : ""}`} role="row" aria-level=${row.level}
      aria-posinset=${row.place} aria-setsize=${row.of} aria-selected=${isActive}
      aria-expanded=${hasChildren ? !row.isFolded : undefined} onClick=${() => choose(index)}>
      <span role="gridcell" class="name" style=${{ paddingLeft: `${(row.level - 1) * 14 + 6}px` }}>
        ${hasChildren && html`<span class="fold" onClick=${fold}
          aria-hidden="true">${row.isFolded ? "▸" : "▾"}</span>`}
        <span class=${`mark ${row.state}`} aria-hidden="true">${MARK[row.state] ?? ""}</span>
        <span class="label-text">${row.label}</span>
        ${chunks > 0 && html`<span class="soft" aria-hidden="true"> ≡${chunks}</span>`}
      </span>
      <span role="gridcell" class="drawn" aria-label=${describe(row)}>
        ${width > 0 && html`<${Bars} bars=${row.bars} view=${view} width=${width} />`}</span>
    </div>`;
}

// ---- Zooming ----

function zoomed(view, range, factor, shift = 0) {
  const length = Math.max(LEAST_MS, Math.min((view.to - view.from) * factor, range.to - range.from));
  const middle = (view.from + view.to) / 2 + shift * (view.to - view.from);
  const from = Math.max(range.from, Math.min(middle - length / 2, range.to - length));
  return length >= range.to - range.from ? null : { from, to: from + length };
}

function keysOf({ rows, active, choose, toggle, zoom, view, range }) {
  const row = rows[active], steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, j: 1, k: -1 };
  const canFold = row && row.children.length > 0;
  const parent = () => rows.slice(0, active).findLastIndex((r) => r.level < row.level);
  const acts = {
    "+": () => zoom(zoomed(view, range, 0.5)), "=": () => zoom(zoomed(view, range, 0.5)),
    "-": () => zoom(zoomed(view, range, 2)),
    0: () => zoom(null), Home: () => choose(0), End: () => choose(rows.length - 1),
  };
  return (event) => {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const aside = event.shiftKey && { ArrowLeft: -0.25, ArrowRight: 0.25 }[key];
    if (aside) zoom(zoomed(view, range, 1, aside));
    else if (steps[key]) choose(Math.max(0, Math.min(rows.length - 1, active + steps[key])));
    else if (acts[key]) acts[key]();
    else if (key === "ArrowRight" && canFold && row.isFolded) toggle(row.key);
    else if (key === "ArrowLeft" && canFold && !row.isFolded) toggle(row.key);
    else if (key === "ArrowLeft" && row && parent() >= 0) choose(parent());
    else if ((key === "Enter" || key === " ") && canFold) toggle(row.key);
    else return;
    event.preventDefault();
  };
}

const KINDS = {
  done: "done", failed: "failed", running: "at work", backoff: "pause before a retry", queue: "waits", sleep: "sleep",
  wait: "wait for a signal or a call", abandoned: "abandoned",
};
const Legend = () => html`<p class="legend" aria-hidden="true">${Object.entries(KINDS).map(([kind, means]) => html`
  <span><svg width="14" height="10"><rect class=${`bar ${kind}`} x="1" y="2" width="12" height="6" rx="2" /></svg> ${
    means}</span>`)}</p>`;

// `chosen` is the key of the row that the panel shows; choose(row) is told of another.
export function Waterfall({ run, tree, now, chosen, choose }) {
  const [toggled, setToggled] = useState(new Set()), [zoomTo, zoom] = useState(null), body = useRef(null);
  const { width: whole } = useSize(body), names = whole < 640 ? 130 : 270, width = Math.max(0, whole - names - 14);
  const rows = useMemo(() => rowsOf(tree, toggled), [tree, toggled]);
  const range = rangeOf(run, tree, now), view = zoomTo ?? range, active = rows.findIndex((row) => row.key === chosen);
  const toggle = (key) => setToggled((old) => {
    const next = new Set(old);
    if (!next.delete(key)) next.add(key);
    return next;
  });
  const chooseAt = (index) => { if (rows[index]) choose(rows[index]); };
  const row = (i) => html`<${RowOf} key=${rows[i].key} row=${rows[i]} index=${i} view=${view} width=${width}
    isActive=${i === active} choose=${chooseAt} toggle=${toggle} />`;
  const head = html`<div class="span-row heads" role="row"><span role="columnheader" class="name">step</span>
    <span role="columnheader" class="drawn"><span class="unseen">when</span>
      ${width > 0 && html`<${Axis} view=${view} width=${width} origin=${range.from} />`}</span></div>`;
  return html`
    <div class="waterfall" ref=${body} style=${{ "--names": `${names}px` }}>
      <div class="zooming"><${Overview} tree=${tree} range=${range} view=${view} zoom=${zoom} />
        <div class="zoom-buttons" role="toolbar" aria-label="zoom">
          <button type="button" aria-label="zoom in" onClick=${() => zoom(zoomed(view, range, 0.5))}>+</button>
          <button type="button" aria-label="zoom out" onClick=${() => zoom(zoomed(view, range, 2))}>−</button>
          <button type="button" disabled=${!zoomTo} onClick=${() => zoom(null)}>whole</button></div></div>
      <${Virtual} class="spans" role="treegrid" aria-label="steps" tabIndex=${0} aria-rowcount=${rows.length + 1}
        aria-activedescendant=${active >= 0 ? `step-${chosen}` : undefined} count=${rows.length} height=${ROW}
        headHeight=${30} onKeyDown=${keysOf({ rows, active, choose: chooseAt, toggle, zoom, view, range })}
        head=${head} row=${row} active=${active} />
      ${rows.length === 0 && html`<p class="empty">No step has begun.</p>`}
      <${Legend} />
    </div>`;
}
