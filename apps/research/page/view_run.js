// A research: what is going on, the report, the levels, steps and sources.
import { h } from "preact";
import htm from "htm";
import { render, safeUrl } from "./report.js";
import { learningCount, levelsOf, percentOf, reportOf, sourcesOf, stateOf, usageOf } from "./research.js";
import { count, dollars, duration, goingOn, label, queryNote, stepNote, stepTitle, trouble } from "./words.js";

const html = htm.bind(h);
const out = { target: "_blank", rel: "noopener noreferrer nofollow" };

function host(url) {
  try { return new URL(url).hostname.replace(/^www\./, ""); } catch { return "?"; }
}

function Letter({ url }) {
  const name = host(url);
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return html`<span class="letter hue${hash % 8}" aria-hidden="true">${name[0]}</span>`;
}

function Facts({ run, now }) {
  const r = run.research, { tokens, dollars: cost, partly, onlySearches } = usageOf(r);
  const until = r.endedAt ?? (r.end ? run.endedAt : now);
  const facts = [
    ["level", "Level", r.levels.length ? `${r.levels.at(-1).depth} of ${r.levels.at(-1).of}` : "–"],
    ["queries", "Queries", r.levels.reduce((n, l) => n + l.queries.length, 0)],
    ["sources", "Sources", sourcesOf(r).length],
    ["learnings", "Learnings", learningCount(r)],
    ["retries", "Retries", r.retries],
    ["elapsed", "Time", r.begun && until ? duration(until - r.begun.startedAt) : "–"],
    ["tokens", "Tokens", count(tokens)],
    ["cost", !partly || cost === null ? "Cost" : onlySearches ? "Cost of searches" : "Cost, at least", cost === null ? "–" : dollars(cost)],
  ];
  return html`<dl class="facts">${facts.map(([id, name, value]) => html`<div key=${id}><dt>${name}</dt><dd id="fact-${id}">${value}</dd></div>`)}</dl>`;
}

function Trouble({ run, actions }) {
  const told = trouble(run.research), state = stateOf(run.research);
  if (!told) return null;
  const mine = run.control, releasable = state === "stopped" && (run.research.stopped.reason ?? "exhausted") === "exhausted";
  return html`
    <div id="run-error" class=${state === "failed" ? "error" : "notice"} role="alert">
      ${told.step && html`<strong>${told.step}</strong>`}
      <p>${told.why} ${told.attempts > 1 ? `(${told.attempts} attempts)` : ""}</p>
      ${told.said && html`<details><summary>What was said</summary><code>${told.said}</code></details>`}
      <div class="row">
        ${releasable && mine && html`<button type="button" class="primary" id="release" onClick=${actions.release}>Go on</button>`}
        ${releasable && !mine && html`<p class="soft">Whoever began it can let it go on.</p>`}
        ${state !== "stopped" && html`<button type="button" id="retry" onClick=${actions.again}>Start again</button>`}
      </div>
    </div>`;
}

function Controls({ run, actions }) {
  const r = run.research, done = r.end?.state === "done";
  const stoppable = !r.end && run.control && r.begun;
  return html`
    <div class="row controls-row">
      ${stoppable && !run.asking && html`<button type="button" id="stop" onClick=${() => actions.confirm(true)}>Stop</button>`}
      ${stoppable && run.asking && html`<span class="confirm" role="group" aria-label="Stop the research?" onKeyDown=${(e) => { if (e.key === "Escape") actions.confirm(false); }}>Stop it for good?
        <button type="button" id="stop-yes" class="danger" onClick=${actions.stop}>Stop the research</button>
        <button type="button" id="stop-no" onClick=${() => actions.confirm(false)}>Go on</button></span>`}
      ${!r.end && "Notification" in window && html`<button type="button" id="notify" aria-pressed=${run.notify ? "true" : "false"} onClick=${actions.notify}>${run.notify ? "You will be notified" : "Notify me when it is done"}</button>`}
      <button type="button" id="share" onClick=${() => actions.copy(actions.runLink(run), "Link copied: whoever has it can read this research, and not stop it.")}>Copy link</button>
      ${done && html`
        <button type="button" id="copy" onClick=${() => actions.copy(reportOf(r), "Report copied.")}>Copy as Markdown</button>
        <button type="button" id="download" onClick=${actions.download}>Download</button>
        <button type="button" id="print" onClick=${() => window.print()}>Print</button>
        <button type="button" id="again" onClick=${actions.again}>Ask again</button>`}
      ${r.end && html`<button type="button" id="fresh" onClick=${actions.fresh}>New research</button>`}
    </div>
    <p id="note" class="soft" hidden=${!run.note}>${run.note}</p>`;
}

const nothingTold = { found: "The search found nothing.", new: "Nothing that earlier levels had not found." };

function Cited({ sources }) {
  const linked = sources.filter((s) => s.n && safeUrl(s.url));
  return html` <span class="cited">${linked.map((s) => html`<sup><a href=${s.url} title=${s.title} aria-label="Source ${s.n}: ${s.title}" ...${out}>[${s.n}]</a></sup>`)}</span>`;
}

function Query({ q, r }) {
  const note = queryNote(r, q.id);
  return html`
    <div class="card query">
      <h3>${q.query}${note && html` <span class="tag">${note}</span>`}</h3>
      ${q.reasoning && html`<p class="reason">${q.reasoning}</p>`}
      ${q.found.length > 0 && html`<ul class="found">${q.found.map((s) => html`
        <li key=${s.url}><a href=${safeUrl(s.url) ?? undefined} title=${`${s.title}\n${s.url}`} ...${out}><${Letter} url=${s.url} /><span>${s.title}</span></a></li>`)}</ul>`}
      ${q.nothing && html`<p class="soft">${nothingTold[q.nothing] ?? "Nothing."}</p>`}
      ${q.learned.length > 0 && html`<ul class="learned">${q.learned.map((l, i) => html`<li key=${i}>${l.insight}<${Cited} sources=${l.sources} /></li>`)}</ul>`}
      ${q.doubts.length > 0 && html`<ul class="doubts">${q.doubts.map((d, i) => html`<li key=${i}>Uncertain: ${d.doubt}</li>`)}</ul>`}
    </div>`;
}

const marks = { done: "●", waiting: "↻", dead: "✕", cut: "↻", running: "○" };
const marksRead = { done: "done", waiting: "waits", dead: "failed", cut: "waits", running: "runs" };

function Steps({ r, now }) {
  const steps = [...r.steps.values()].reverse();
  return html`
    <section class="card" aria-labelledby="log-title">
      <h2 id="log-title">Steps</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="log-title"><ol id="log" class="log">${steps.map((s) => {
        const note = stepNote(s, r, now), state = s.state === "running" && r.end ? "ended" : s.state;
        return html`<li key=${s.id} class=${state}><span class="mark" aria-hidden="true">${marks[state] ?? "–"}</span><span class="what">${stepTitle(s)}<span class="unseen"> (${marksRead[state] ?? state})</span>${note && html`<small>${note}</small>`}</span></li>`;
      })}</ol></div>
    </section>`;
}

function Sources({ r }) {
  const sources = sourcesOf(r);
  return html`
    <section class="card" aria-labelledby="sources-title">
      <h2 id="sources-title">Sources</h2>
      ${!sources.length && html`<p class="empty">None so far.</p>`}
      <div class="scroll" tabindex="0" role="group" aria-labelledby="sources-title"><ol id="sources" class="sources">${sources.map((s) => html`
        <li key=${s.url}><span class="number">${s.n ?? html`<span class="unseen">not numbered yet</span><span aria-hidden="true">·</span>`}</span>
          <a href=${safeUrl(s.url) ?? undefined} title=${s.url} ...${out}>${s.title || s.url}<small>${host(s.url)}</small></a></li>`)}</ol></div>
    </section>`;
}

// The report's HTML is made anew when the report has changed, not with every second that passes.
let made = { text: "", numbers: "", html: "" };
function reportHtml(text, sources) {
  const numbers = sources.map((s) => `${s.n} ${s.url}`).join("\n");
  if (text !== made.text || numbers !== made.numbers) made = { text, numbers, html: render(text, sources) };
  return made.html;
}

function Report({ r }) {
  const text = reportOf(r), sanitized = { __html: reportHtml(text, sourcesOf(r).filter((s) => s.n)) }; // by report.js
  return html`<article id="report" class="card report ${r.end ? "" : "writing"}" aria-label="Report" hidden=${!text} dangerouslySetInnerHTML=${sanitized}></article>`;
}

function Refused({ run, actions }) {
  return html`
    <section id="run" class="narrow">
      <h1 tabindex="-1">This research cannot be shown</h1>
      <p id="run-error" class="error" role="alert">${run.refused}</p>
      <div class="row"><button type="button" class="primary" onClick=${actions.fresh}>New research</button></div>
    </section>`;
}

export function RunView({ app, actions }) {
  const { run } = app, r = run.research, state = stateOf(r), now = Date.now() + run.skew, percent = percentOf(r);
  if (run.refused) return html`<${Refused} run=${run} actions=${actions} />`;
  return html`
    <section id="run" class=${state} aria-labelledby="run-title">
      <p class="eyebrow"><span id="run-state">${label(r)}</span>${!run.control && r.begun && html` <span class="tag">shared with you, to read</span>`}</p>
      <h1 id="run-title" tabindex="-1">${actions.topicOf(run)}</h1>
      <div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}><span style=${{ width: `${percent}%` }}></span></div>
      <p id="now" hidden=${!!r.end || state === "stopped"}>${app.connection ? "Nothing is heard from the server. What the research has done is kept there" : goingOn(r, now)}</p>
      <${Facts} run=${run} now=${now} />
      <${Trouble} run=${run} actions=${actions} />
      <${Controls} run=${run} actions=${actions} />
      <div class="columns">
        <div class="main-column">
          <${Report} r=${r} />
          <div id="levels">${levelsOf(r).map((l) => html`
            <section class="level" key=${l.depth} aria-label="Level ${l.depth}">
              <h2>Level ${l.depth} of ${l.of}</h2>
              ${l.queries.map((q) => html`<${Query} key=${q.id} q=${q} r=${r} />`)}
            </section>`)}
          </div>
        </div>
        <aside aria-label="Steps and sources"><${Sources} r=${r} /><${Steps} r=${r} now=${now} /></aside>
      </div>
    </section>`;
}
