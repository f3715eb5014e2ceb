// The schedules: when functions begin by themselves; pausing one, and beginning a run at once.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useWork } from "./dialogs.js";
import { Link, Time, Trouble, html, useAnswer, useFocus } from "./parts.js";
import { go } from "./place.js";

const LOOK_MS = 3000;
const pathOf = (schedule) => `_sw/schedules/${schedule.name.split("/").map(encodeURIComponent).join("/")}`;
const load = (signal) => ask("GET", "_sw/schedules", undefined, { signal });

const ACTIONS = {
  pause: {
    title: "Pause this schedule?", label: "Pause", grave: true, said: "The schedule is paused.",
    text: "No run begins for its points until it is resumed, over restarts too. Runs under way go on; a point that waits is dropped.",
    work: (of) => ask("PUT", pathOf(of), { paused: true }),
  },
  resume: {
    title: "Resume this schedule?", label: "Resume", said: "The schedule is resumed.",
    text: "Its points count again, from now on. None of those that have passed is made up for.",
    work: (of) => ask("PUT", pathOf(of), { paused: false }),
  },
  trigger: {
    title: "Begin a run now?", label: "Begin", said: "A run has begun.",
    text: "It is given the present time as its point. The schedule's own points stay as they are.",
    work: (of) => ask("POST", pathOf(of)),
  },
  forget: {
    title: "Forget this schedule?", label: "Forget", grave: true, said: "The schedule is forgotten.",
    text: "What is on disk of it goes. If the program has it, it begins anew, with the next point; its runs stay.",
    work: (of) => ask("DELETE", pathOf(of)),
  },
};

function ActDialog({ of, name, close, changed, tell }) {
  const action = ACTIONS[name];
  const work = useWork(null, async (isLeft) => {
    const answer = await action.work(of);
    tell(action.said);
    changed();
    if (isLeft()) return;
    close();
    if (name === "trigger") go({ run: answer.runId });
  }, changed);
  return html`
    <${Modal} title=${action.title} close=${close}>
      <form onSubmit=${work.start}><p><strong>${of.name}</strong></p><p>${action.text}</p>
        <${Refused} ...${work} />
        <${Buttons} label=${action.label} grave=${action.grave} busy=${work.busy} close=${close} />
      </form><//>`;
}

function Standing({ of }) {
  if (of.missing) return html`<span class="state stopped">not in the program</span>`;
  if (of.paused) return html`<span class="state stopped">paused</span> <span class="soft">by ${of.by} <${Time} at=${of.at} /></span>`;
  if (of.stopped) return html`<span class="state stopped">function stopped</span>`;
  if (of.waiting != null) return html`<span class="soft">the point <${Time} at=${of.waiting} /> waits for the last run</span>`;
  return null;
}

function Next({ times }) {
  if (times.length === 0) return null;
  return html`<${Time} at=${times[0]} /><details><summary>then</summary>
    ${times.slice(1).map((at) => html`<div><${Time} at=${at} /></div>`)}</details>`;
}

function Row({ of, open }) {
  const button = (name) => html`<button type="button" onClick=${() => open({ of, name })}>${ACTIONS[name].label} …</button>`;
  return html`
    <tr><th scope="row"><${Link} to=${{ filters: { endpoint: of.name } }}>${of.name}<//> <${Standing} of=${of} /></th>
      <td><code>${of.cron}</code></td><td>${of.timezone}</td><td>${of.overlap}</td>
      <td>${of.lastRun && html`<${Link} to=${{ run: of.lastRun }}><${Time} at=${of.lastPoint} /><//>`}</td>
      <td>${of.paused || of.stopped ? null : html`<${Next} times=${of.next} />`}</td>
      <td class="row-actions">${!of.missing && button("trigger")} ${button(of.paused ? "resume" : "pause")} ${of.missing && button("forget")}</td></tr>`;
}

export function SchedulesView({ onRefusal, tell }) {
  const { value, error, again } = useAnswer(load, LOOK_MS, []);
  const title = useFocus(), [open, setOpen] = useState(null), close = () => setOpen(null);
  useEffect(() => { if (error) onRefusal(error); }, [error]);
  return html`
    <section class="endpoints-page"><h1 ref=${title} tabIndex=${-1}>Schedules</h1>
      <${Trouble} error=${error} />
      ${value?.schedules.length === 0 && html`<p class="soft">No function of this program begins by itself: see .cron of sw_function.</p>`}
      ${value?.schedules.length > 0 && html`<div class="wide-table card" tabIndex=${0} role="region" aria-label="schedules"><table class="endpoints schedules">
        <thead><tr><th scope="col">schedule</th><th scope="col">cron</th><th scope="col">time zone</th><th scope="col">overlap</th>
          <th scope="col">last point</th><th scope="col">next</th><th scope="col"><span class="unseen">actions</span></th></tr></thead>
        <tbody>${value.schedules.map((of) => html`<${Row} key=${of.name} of=${of} open=${setOpen} />`)}</tbody>
      </table></div>`}
      ${open && html`<${ActDialog} ...${open} close=${close} changed=${again} tell=${tell} />`}
    </section>`;
}
