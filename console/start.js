// A form to start a run of an endpoint, by the admin API: pages of this address may not ask the public one.
import { useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useWork } from "./dialogs.js";
import { html } from "./parts.js";
import { go } from "./place.js";

export function StartDialog({ endpoint, close, tell }) {
  const [method, path] = endpoint.split(" "), [fields, set] = useState({ target: path, body: "" });
  const hasBody = method !== "GET" && method !== "DELETE";
  const work = useWork(null, async (isLeft) => {
    const wish = { endpoint, target: fields.target, ...(hasBody && fields.body ? { body: fields.body } : {}) };
    const { runId } = await ask("POST", "_sw/runs", wish);
    tell("The run has begun.");
    if (isLeft()) return;
    close();
    go({ run: runId });
  });
  return html`
    <${Modal} title=${`Start ${endpoint}`} close=${close}>
      <form onSubmit=${work.start}>
        <label class="field"><span>path and query</span><input id="start-target" value=${fields.target} spellcheck=${false}
          onInput=${(e) => set({ ...fields, target: e.currentTarget.value })} /></label>
        ${hasBody && html`<label class="field"><span>body (application/json)</span><textarea id="start-body" rows="8" spellcheck=${false}
          value=${fields.body} onInput=${(e) => set({ ...fields, body: e.currentTarget.value })}></textarea></label>`}
        <${Refused} error=${work.error} />
        <${Buttons} label="Start" busy=${work.busy} close=${close} />
      </form><//>`;
}
