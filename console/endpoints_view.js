// The endpoints: how often, how well and how fast they answer; and stopping one, which refuses its new requests.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useWork } from "./dialogs.js";
import { JsonView } from "./json_view.js";
import { Link, Time, Trouble, html, useAnswer, useFocus } from "./parts.js";
import { StartDialog } from "./start.js";
import { count, duration, plural } from "./words.js";

const LOOK_MS = 3000;
const settingOf = (endpoint) => `_sw/settings/${encodeURIComponent(`endpoint:${endpoint}`)}`;

const load = (signal) => ask("GET", "_sw/endpoints", undefined, { signal });

function StopDialog({ endpoint, close, changed, tell }) {
  const [seconds, set] = useState(60), isStopped = Boolean(endpoint.stopped);
  const work = useWork(null, async () => {
    if (isStopped) await ask("DELETE", settingOf(endpoint.endpoint));
    else await ask("PUT", settingOf(endpoint.endpoint), { value: { stopped: true, retryAfter: seconds } });
    tell(isStopped ? "The endpoint takes requests again." : "The endpoint is stopped.");
    changed();
    close();
  }, changed);
  return html`
    <${Modal} title=${isStopped ? "Let it take requests again?" : "Stop this endpoint?"} close=${close}>
      <form onSubmit=${work.start}><p><strong>${endpoint.endpoint}</strong></p>
        ${isStopped ? html`<p>New requests begin runs again, at once.</p>` : html`
          <p>New requests get 503 with Retry-After. ${endpoint.running == null ? "Runs" : plural(endpoint.running, "run")} under way
            ${" "}${endpoint.running === 1 ? "goes" : "go"} on. It stays so over restarts, until somebody lets it take requests again.</p>
          <label class="field"><span>Retry-After, in seconds</span><input id="retry-after" type="number" min="1" value=${seconds}
            onInput=${(e) => set(Number(e.currentTarget.value))} /></label>`}
        <${Refused} ...${work} />
        <${Buttons} label=${isStopped ? "Take requests" : "Stop the endpoint"} grave=${!isStopped} busy=${work.busy} close=${close} />
      </form><//>`;
}

const STARTED = ["durable", "function"]; // kinds of which runs can be begun here

const cell = (value) => html`<td class="number">${value == null ? "" : value}</td>`;

function Row({ of, open, heads }) {
  const to = (state) => ({ filters: { endpoint: of.endpoint, ...(state && { state }) } });
  return html`
    <tr><th scope="row"><${Link} to=${to()}>${of.endpoint}<//>
        ${of.kind !== "durable" && html` <span class="soft">${of.kind}</span>`}
        ${of.stopped && html` <span class="state stopped">stopped</span> <span class="soft">by ${of.stopped.by} <${Time} at=${of.stopped.at} /></span>`}
        ${of.options && html`<details><summary>options</summary><${JsonView} title="options" value=${of.options} /></details>`}</th>
      ${heads.map(({ value, state }) => cell(value(of) == null || !state ? value(of) : html`<${Link} to=${to(state)}>${value(of)}<//>`))}
      <td>${(of.versions ?? []).join(", ")}</td>
      <td class="row-actions">${STARTED.includes(of.kind) && html`<button type="button" onClick=${() => open({ start: of })}>Start …</button>`}
        ${of.kind !== "gone" && html`<button type="button" class="stop-endpoint" onClick=${() => open({ stop: of })}>
          ${of.stopped ? "Take requests …" : "Stop …"}</button>`}</td></tr>`;
}

const number = (name) => (of) => (of[name] == null ? null : count(of[name]));
const ended = (of) => (of.lastHour ? (of.lastHour.succeeded ?? 0) + (of.lastHour.failed ?? 0) : null);
const took = (name) => (of) => (of[name] == null ? null : duration(of[name]));

// Columns that no endpoint has a value for are left out.
const HEADS = [
  { title: "at work", value: number("running"), state: "running,sleeping" },
  { title: "stopped", value: number("stoppedRuns"), state: "stopped" },
  { title: "succeeded", value: number("succeeded"), state: "succeeded" },
  { title: "failed", value: number("failed"), state: "failed" },
  { title: "cancelled", value: number("cancelled"), state: "cancelled" },
  { title: "last hour", value: (of) => (ended(of) === null ? null : count(ended(of))) },
  { title: "errors", value: (of) => (ended(of) ? `${((100 * (of.lastHour.failed ?? 0)) / ended(of)).toFixed(1)} %` : null) },
  { title: "p50", value: took("p50Ms") }, { title: "p95", value: took("p95Ms") }, { title: "p99", value: took("p99Ms") },
];

export function EndpointsView({ onRefusal, tell }) {
  const { value, error, again } = useAnswer(load, LOOK_MS, []);
  const title = useFocus(), [open, setOpen] = useState(null), close = () => setOpen(null);
  const heads = HEADS.filter(({ value: of }) => value?.endpoints.some((endpoint) => of(endpoint) != null));
  useEffect(() => { if (error) onRefusal(error); }, [error]);
  return html`
    <section class="endpoints-page"><h1 ref=${title} tabIndex=${-1}>Endpoints</h1>
      <${Trouble} error=${error} />
      ${value?.counted === false && html`<p class="soft">Runs of earlier processes are still being counted.</p>`}
      ${value?.moreStopped && html`<p class="soft" id="more-stopped">More runs are stopped than were counted here: some of those at work
        are.</p>`}
      ${value && html`<div class="wide-table card" tabIndex=${0} role="region" aria-label="endpoints"><table class="endpoints">
        <thead><tr><th scope="col">endpoint</th>${heads.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}
          <th scope="col">versions</th><th scope="col"><span class="unseen">actions</span></th></tr></thead>
        <tbody>${value.endpoints.map((of) => html`<${Row} key=${of.endpoint} of=${of} open=${setOpen} heads=${heads} />`)}</tbody>
      </table></div>`}
      ${open?.stop && html`<${StopDialog} endpoint=${open.stop} close=${close} changed=${again} tell=${tell} />`}
      ${open?.start && html`<${StartDialog} of=${open.start} close=${close} tell=${tell} />`}
    </section>`;
}
