// The process: what its loops, its journal and its memory are doing, now and in the last half hour for which this view was shown.
import { useEffect, useReducer } from "preact/hooks";
import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { JsonView } from "./json_view.js";
import { History, figure } from "./metrics.js";
import { Time, Trouble, html, useAnswer, useFocus } from "./parts.js";
import { bytes, count, duration } from "./words.js";

const LOOK_MS = 2000, history = new History();
const rate = (n) => (n >= 100 ? count(Math.round(n)) : n >= 10 ? n.toFixed(0) : n >= 1 ? n.toFixed(1) : n === 0 ? "0" : n.toFixed(2));
const perSecond = (n) => `${rate(n)}/s`, ms = (n) => (n >= 1 || n === 0 ? duration(n) : `${(n * 1000).toFixed(0)} µs`);

const CHARTS = [
  { title: "Runs", say: perSecond, lines: [
    { name: "stepwell_runs_started_total", label: "begun", colour: "--blue" },
    { name: "stepwell_runs_succeeded_total", label: "succeeded", colour: "--good" },
    { name: "stepwell_runs_failed_total", label: "failed", colour: "--bad" }] },
  { title: "Steps", say: perSecond, lines: [
    { name: "stepwell_steps_done_total", label: "done", colour: "--good" },
    { name: "stepwell_attempts_failed_total", label: "failed attempts", colour: "--bad" }] },
  { title: "In flight", say: (n) => count(Math.round(n)), lines: [
    { name: "stepwell_runs_in_memory", label: "in memory", colour: "--blue" },
    { name: "stepwell_runs_unfinished", label: "unfinished", colour: "--soft" },
    { name: "stepwell_runs_stopped", label: "stopped", colour: "--warn" }] },
  { title: "Commit latency", say: ms, lines: [
    { name: "commit50", label: "half below", colour: "--blue" }, { name: "commit99", label: "99% below", colour: "--warn" }] },
  { title: "Requests", say: ms, lines: [
    { name: "request50", label: "half below", colour: "--blue" }, { name: "request99", label: "99% below", colour: "--warn" }] },
  { title: "Turns of the loops", say: ms, lines: [
    { name: "turn50", label: "half below", colour: "--blue" }, { name: "turn99", label: "99% below", colour: "--warn" }] },
  { title: "Journal", say: perSecond, lines: [
    { name: "stepwell_journal_commits_total", label: "commits", colour: "--blue" },
    { name: "stepwell_journal_segments_total", label: "segments", colour: "--soft" }] },
  { title: "Memory and disk", say: bytes, lines: [
    { name: "process_resident_memory_bytes", label: "memory", colour: "--blue" },
    { name: "stepwell_journal_disk_bytes", label: "journal on disk", colour: "--soft" }] },
];

async function look(signal) {
  const get = (path) => ask("GET", path, undefined, { signal });
  const [text, process] = await Promise.all([get("_sw/metrics"), get("_sw/process")]);
  history.add(text, Date.now());
  return process;
}

function Facts({ all, process }) {
  const began = figure(all, "process_start_time_seconds"), version = all.find((m) => m.name === "stepwell_build_info")?.labels.version;
  const facts = [
    ["version", process?.version ?? version], ["up since", began && html`<${Time} at=${began * 1000} />`],
    ["memory", figure(all, "process_resident_memory_bytes") !== null && bytes(figure(all, "process_resident_memory_bytes"))],
    ["open files", figure(all, "process_open_fds") !== null && count(figure(all, "process_open_fds"))],
    ["runs in memory", count(figure(all, "stepwell_runs_in_memory"))], ["unfinished", count(figure(all, "stepwell_runs_unfinished"))],
    ["stopped", count(figure(all, "stepwell_runs_stopped"))], ["requests refused", count(figure(all, "stepwell_requests_refused_total"))],
    ["commits", count(figure(all, "stepwell_journal_commits_total"))],
    ["the disk", figure(all, "stepwell_journal_read_only") ? "takes no writes" : "takes writes"],
  ];
  return html`<dl class="facts">${facts.filter(([, value]) => value).map(([name, value]) => html`
    <div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function Loops({ loops }) {
  if (!loops?.length) return null;
  const names = [...new Set(loops.flatMap((loop) => Object.keys(loop)))];
  return html`<section class="card"><h2>Loops</h2><div class="wide-table" tabIndex=${0} role="region" aria-label="loops"><table>
    <thead><tr><th scope="col">loop</th>${names.map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
    <tbody>${loops.map((loop, i) => html`<tr><th scope="row">${i}</th>${names.map((name) => html`
      <td class="number">${typeof loop[name] === "number" ? count(loop[name]) : String(loop[name] ?? "")}</td>`)}</tr>`)}</tbody>
    </table></div></section>`;
}

export function ProcessView({ onRefusal }) {
  const { value: process, error } = useAnswer(look, LOOK_MS, []), title = useFocus(), [, paint] = useReducer((n) => n + 1, 0);
  useEffect(() => { if (error) onRefusal(error); paint(); }, [error]);
  const all = history.last?.all;
  return html`
    <section class="process-page"><h1 ref=${title} tabIndex=${-1}>Process</h1>
      <${Trouble} error=${error} />
      ${all && html`<${Facts} all=${all} process=${process} />`}
      ${history.points.length === 0 && html`<p class="soft">Figures are drawn from the second reading on, a moment from now.</p>`}
      <div class="charts">${history.points.length > 0 && CHARTS.map((chart) => html`<${Chart} key=${chart.title} ...${chart}
        data=${history.series(chart.lines.map((line) => line.name))} />`)}</div>
      <${Loops} loops=${process?.loops} />
      ${process && html`<section class="card"><${JsonView} title="all that the process tells" value=${process} /></section>`}
    </section>`;
}
