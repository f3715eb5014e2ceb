// A run's request and its response; of a function its input and its result.
import { curlOf } from "./curl.js";
import { readJson } from "./json.js";
import { JsonView } from "./json_view.js";
import { copy, download, html } from "./parts.js";
import { isOfFunction } from "./run_model.js";
import { bytes } from "./words.js";

const Headers = ({ headers, title }) => (headers?.length > 0 ? html`
  <table class="headers"><caption class="unseen">${title}</caption>
    <thead class="unseen"><tr><th scope="col">name</th><th scope="col">value</th></tr></thead>
    <tbody>${headers.map(({ name, value }) => html`
      <tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>` : null);

// JSON as a tree if the body is JSON, whatever its header says: else its text.
function valueOf(body) {
  try {
    return readJson(body);
  } catch {
    return body;
  }
}

function Body({ of, title, name }) {
  const raw = of.bodyBase64 !== undefined ? Uint8Array.from(atob(of.bodyBase64), (c) => c.charCodeAt(0)) : of.body;
  const size = of.bodyBytes ?? raw?.length ?? 0;
  if (!size) return html`<p class="soft">no body</p>`;
  const why = of.bodyRedacted ? ", not text, and hidden in part" : ", too long to be shown";
  return html`
    <p class="soft">${bytes(size)}${raw === undefined ? why : ""}${
      of.bodyBase64 !== undefined ? ", not text" : ""}
      ${raw !== undefined && html` <button type="button" class="tiny"
        onClick=${() => download(name, raw)}>download</button>`}</p>
    ${of.body !== undefined && html`<${JsonView} title=${title} value=${valueOf(of.body)} />`}`;
}

function Request({ run, tell }) {
  const { request } = run;
  return html`
    <section class="card"><h2>Request</h2>
      ${request ? html`<p class="line"><strong>${request.method}</strong> <code>${request.target}</code></p>
        <button type="button" id="curl"
          onClick=${() => copy(curlOf(request)).then(() => tell("Copied, without secret headers."))}>
          copy as curl</button>
        <${Headers} headers=${request.headers} title="request headers" />
        <${Body} of=${request} title="request body" name=${`${run.runId}-request`} />`
          : html`<p class="soft">not known</p>`}
    </section>`;
}

const Input = ({ run }) => html`
  <section class="card" id="input"><h2>Input</h2>
    ${run.inputLeftOut ? html`<p class="soft">${bytes(run.inputLeftOut)}, too long to be shown</p>`
      : html`<${JsonView} title="input" value=${run.input} />`}
  </section>`;

export function ExchangeView({ run, tell }) {
  const { response } = run;
  return html`
    <div class="exchange">
      ${isOfFunction(run) ? html`<${Input} run=${run} />` : html`<${Request} run=${run} tell=${tell} />`}
      <section class="card"><h2>Response</h2>
        ${response ? html`<p class="line"><strong>${response.status}</strong></p>
          <${Headers} headers=${response.headers} title="response headers" />
          <${Body} of=${response} title="response body" name=${`${run.runId}-response`} />`
          : html`<p class="soft">There is none yet.</p>`}
      </section>
    </div>`;
}
