// Forms to start a run of an endpoint, or of a function, by the admin API: pages of this address may not ask the
// public one.
import { useState } from "preact/hooks";
import { ask } from "./api.js";
import { Buttons, Modal, Refused, useKey, useWork } from "./dialogs.js";
import { html } from "./parts.js";
import { go } from "./place.js";

// The work of such a form. `begin`: asks for the run.
const useStart = (begin, { close, tell }) => useWork(null, async (isLeft) => {
  const { runId } = await begin();
  tell("The run has begun.");
  if (isLeft()) return;
  close();
  go({ run: runId });
});

// The input is sent as it is written: the server says what is wrong with it.
function StartFunction({ name, close, tell }) {
  const [input, set] = useState(""), path = `_sw/functions/${name.split("/").map(encodeURIComponent).join("/")}`;
  const key = useKey(input), work = useStart(() => ask("POST", path, input || undefined, { key }), { close, tell });
  return html`
    <${Modal} title=${`Start ${name}`} close=${close}>
      <form onSubmit=${work.start}>
        <label class="field"><span>input (JSON; nothing is null)</span>
          <textarea id="start-input" rows="8" spellcheck=${false} value=${input}
            onInput=${(e) => set(e.currentTarget.value)}></textarea></label>
        <${Refused} error=${work.error} />
        <${Buttons} label="Start" busy=${work.busy} close=${close} />
      </form><//>`;
}

function StartEndpoint({ name, close, tell }) {
  const [method, path] = name.split(" "), [fields, set] = useState({ target: path, body: "" });
  const hasBody = method !== "GET" && method !== "DELETE";
  const wish = { endpoint: name, target: fields.target, ...(hasBody && fields.body ? { body: fields.body } : {}) };
  const key = useKey(wish), work = useStart(() => ask("POST", "_sw/runs", wish, { key }), { close, tell });
  return html`
    <${Modal} title=${`Start ${name}`} close=${close}>
      <form onSubmit=${work.start}>
        <label class="field"><span>path and query</span>
          <input id="start-target" value=${fields.target} spellcheck=${false}
            onInput=${(e) => set({ ...fields, target: e.currentTarget.value })} /></label>
        ${hasBody && html`<label class="field"><span>body (application/json)</span>
          <textarea id="start-body" rows="8" spellcheck=${false} value=${fields.body}
            onInput=${(e) => set({ ...fields, body: e.currentTarget.value })}></textarea></label>`}
        <${Refused} error=${work.error} />
        <${Buttons} label="Start" busy=${work.busy} close=${close} />
      </form><//>`;
}

export const StartDialog = ({ of, close, tell }) => (of.kind === "function"
  ? html`<${StartFunction} name=${of.endpoint} close=${close} tell=${tell} />`
  : html`<${StartEndpoint} name=${of.endpoint} close=${close} tell=${tell} />`);
