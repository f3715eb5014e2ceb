// One run: on top why it is not finished, then what can be done to it, then when it did what.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, followWhileSeen } from "./api.js";
import { ChildrenView } from "./children_view.js";
import { SteerDialog } from "./dialogs.js";
import { ExchangeView } from "./exchange_view.js";
import { ForkDialog } from "./fork.js";
import { Forks, hasForks } from "./forks.js";
import { JournalView } from "./journal_view.js";
import { Link, State, Time, Trouble, copy, download, html, useAnswer, useClock, useFocus } from "./parts.js";
import { go } from "./place.js";
import { Questions, Sent } from "./questions.js";
import { findNode, isBulk, isOfFunction, treeOf } from "./run_model.js";
import { SignalDialog, canSignal } from "./signal.js";
import { STEERING } from "./steering.js";
import { StepPanel } from "./step_panel.js";
import { Waterfall } from "./waterfall.js";
import { count, duration, inWords, isOver, plural, runTime } from "./words.js";

const LOOK_MS = 1000, FED_MS = 10000, SOON_MS = 150, URL_MS = 400;

// What has come by the feed is asked for anew: its events say that something has changed, the run says what.
function useRun(id) {
  const [fed, setFed] = useState(false), [over, setOver] = useState(false);
  const load = async (signal) => {
    const run = await ask("GET", `_sw/runs/${encodeURIComponent(id)}`, undefined, { signal });
    setOver(isOver(run.state));
    return run;
  };
  const answer = useAnswer(load, over ? 0 : fed ? FED_MS : LOOK_MS, [id]), again = useRef(null);
  again.current = answer.again;
  useEffect(() => {
    const end = new AbortController();
    let due = null;
    const event = () => { due ??= setTimeout(() => { due = null; again.current(); }, SOON_MS); };
    followWhileSeen(`_sw/feed?run=${encodeURIComponent(id)}`, end.signal, { event, connected: setFed });
    return () => { end.abort(); clearTimeout(due); };
  }, [id]);
  return answer;
}

// ---- The head ----

// A run may go on, or have ended, although its journal is damaged: its state does not show that.
const Damage = ({ run }) => (run.damage ? html`
  <p class="why failed" id="damage">Its journal cannot be read to its end: ${run.damage}</p>` : null);

function Why({ run, now }) {
  const why = run.why ?? (run.state === "stopped" && run.detail ? { kind: "stopped", text: run.detail } : null);
  if (!why) return run.error ? html`<p class="why failed" id="why">${run.error}</p>` : null;
  return html`
    <div class=${`why ${why.kind}`} id="why"><p><span class="unseen">Not finished: </span>${why.text}</p>
      ${why.until > now && html`<p class="soft">until <${Time} at=${why.until} />
        ${" "}(${duration(why.until - now)} more)</p>`}</div>`;
}

const RunLink = ({ id }) => html`<${Link} to=${{ run: id }}><code>${id}</code><//>`;

const Fact = ({ name, children }) => (children == null || children === "" || children === false ? null
  : html`<div><dt>${name}</dt><dd>${children}</dd></div>`);

function Facts({ run, now, tell }) {
  const labels = Object.entries(run.labels ?? {});
  return html`
    <dl class="facts">
      <${Fact} name="began"><${Time} at=${run.startedAt} /><//>
      <${Fact} name=${run.endedAt ? "took" : "for"}>${duration(runTime(run, now))}<//>
      <${Fact} name="steps done">${count(run.stepsDone)}<//>
      <${Fact} name="failed attempts">${run.failedAttempts ? count(run.failedAttempts) : null}<//>
      <${Fact} name="crashes">${run.crashes ? count(run.crashes) : null}<//>
      <${Fact} name="stopped by">${run.stoppedBy}<//>
      <${Fact} name="cancelled by">${run.cancelledBy}<//>
      <${Fact} name="used for another input">${run.inputsDiffered ? plural(run.inputsDiffered, "result") : null}<//>
      <${Fact} name="returned unasked">${run.resultsUnasked ? plural(run.resultsUnasked, "result") : null}<//>
      <${Fact} name="entries">${count(run.entryCount)}<//>
      <${Fact} name="version">${run.version}<//>
      <${Fact} name="reopened">${run.reopened ? plural(run.reopened, "time") : null}<//>
      <${Fact} name="begun by schedule for">${run.scheduledAt && html`<${Time} at=${run.scheduledAt} />`}<//>
      <${Fact} name="called by">${run.calledBy && html`<${RunLink} id=${run.calledBy} />`}<//>
      <${Fact} name="forked from">${run.forkedFrom && html`<${RunLink} id=${run.forkedFrom} />`}<//>
      <${Fact} name="forks">${hasForks(run) && html`<${Forks} run=${run} tell=${tell} />`}<//>
      <${Fact} name="status">${run.status != null && html`<span id="run-status">${inWords(run.status)}</span>`}<//>
      <${Fact} name="usage">${run.usage != null && html`<span id="run-usage">${inWords(run.usage)}</span>`}<//>
      <${Fact} name="labels">${labels.length > 0 && labels.map(([name, value]) => html`
        <span class="label">${name}: ${String(value)}</span> `)}<//>
    </dl>`;
}

// As the server says it, to the last digit.
const save = (id, tell) => ask("GET", `_sw/runs/${encodeURIComponent(id)}`, undefined, { asText: true }).then(
  (text) => download(`${id}.json`, text), (error) => tell(error.message));

function Actions({ run, open, tell }) {
  const names = Object.keys(STEERING).filter((name) => STEERING[name].when(run.state));
  return html`
    <div class="actions" role="toolbar" aria-label="what to do with this run">
      ${names.map((name) => html`<button type="button" id=${`do-${name}`} class=${STEERING[name].isGrave ? "grave" : ""}
        onClick=${() => open({ name })}>${STEERING[name].label} …</button>`)}
      ${canSignal(run) && html`
        <button type="button" id="do-signal" onClick=${() => open({ name: "signal" })}>Send signal …</button>`}
      ${!isBulk(run) && html`
        <button type="button" id="do-fork" onClick=${() => open({ name: "fork" })}>Fork …</button>`}
      <button type="button" id="copy-id"
        onClick=${() => copy(run.runId).then(() => tell("Copied the run's id."))}>copy id</button>
      <button type="button" id="download" onClick=${() => save(run.runId, tell)}>download</button>
    </div>`;
}

// ---- Tabs ----

function tabsOf(run) {
  const calls = run.steps.filter((step) => step.child).length;
  return {
    steps: "Steps", ...(calls > 0 && { children: `Children (${count(calls)})` }),
    exchange: isOfFunction(run) ? "Input and result" : "Request and response", journal: "Journal",
  };
}

function Tabs({ titles, tab, set }) {
  const names = Object.keys(titles);
  const key = (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    e.preventDefault();
    const next = names[(names.indexOf(tab) + by + names.length) % names.length];
    set(next);
    document.getElementById(`tab-${next}`).focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="parts of the run" onKeyDown=${key}>
      ${names.map((name) => html`<button type="button" role="tab" id=${`tab-${name}`} aria-selected=${tab === name}
        aria-controls="tab-panel" tabIndex=${tab === name ? 0 : -1}
        onClick=${() => set(name)}>${titles[name]}</button>`)}
    </div>`;
}

function Steps({ run, now, place, fork }) {
  const [chosen, setChosen] = useState(place.step), timer = useRef(null);
  const tree = useMemo(() => treeOf(run, now), [run, now]), row = chosen ? findNode(tree, chosen) : null;
  const choose = (row) => {
    setChosen(row.key);
    clearTimeout(timer.current); // browsers bear a hundred changes in half a minute
    timer.current = setTimeout(() => go({ run: run.runId, step: row.key }, { replace: true }), URL_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<div class="steps-view">
    <${Waterfall} run=${run} tree=${tree} now=${now} chosen=${chosen} choose=${choose} />
    <${StepPanel} row=${row} now=${now} fork=${fork} /></div>`;
}

const DIALOGS = { fork: ForkDialog, signal: SignalDialog };
const Dialog = (props) => html`<${DIALOGS[props.name] ?? SteerDialog} ...${props} />`;

export function RunView({ place, onRefusal, tell }) {
  const { value: run, error, again } = useRun(place.run);
  const [open, setOpen] = useState(null);
  const clock = useClock(run && isOver(run.state) ? 0 : 500), title = useFocus();
  useEffect(() => { if (error) onRefusal(error); }, [error]);
  if (!run) return html`<section class="run-page"><h1 ref=${title} tabIndex=${-1}>Run <code>${place.run}</code></h1>
    ${error ? html`<${Trouble} error=${error} />` : html`<p class="soft">loading</p>`}</section>`;
  const now = run.endedAt ?? clock, close = () => setOpen(null), titles = tabsOf(run);
  const tab = Object.hasOwn(titles, place.tab ?? "") ? place.tab : "steps";
  const setTab = (name) => go({ run: run.runId, tab: name === "steps" ? null : name }, { replace: true });
  const fork = (from) => setOpen({ name: "fork", from });
  return html`
    <section class="run-page">
      <div class="title">
        <h1 ref=${title} tabIndex=${-1}>${run.endpoint || "Run"} <span class="soft">${run.target}</span></h1>
        <span role="status"><${State} state=${run.state} /></span></div>
      <p class="run-id"><code>${run.runId}</code></p>
      <${Trouble} error=${error} />
      <${Damage} run=${run} />
      <${Why} run=${run} now=${now} />
      <${Actions} run=${run} open=${setOpen} tell=${tell} />
      <${Questions} run=${run} changed=${again} tell=${tell} key=${run.runId} />
      <${Facts} run=${run} now=${now} tell=${tell} />
      <${Sent} run=${run} />
      <${Tabs} titles=${titles} tab=${tab} set=${setTab} />
      <div id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
        ${tab === "steps" && html`<${Steps} run=${run} now=${now} place=${place} fork=${fork} />`}
        ${tab === "children" && html`<${ChildrenView} run=${run} onRefusal=${onRefusal} />`}
        ${tab === "exchange" && html`<${ExchangeView} run=${run} tell=${tell} />`}
        ${tab === "journal" && html`<${JournalView} run=${run} />`}
      </div>
      ${open && html`<${Dialog} ...${open} run=${run} close=${close} changed=${again} tell=${tell} />`}
    </section>`;
}
