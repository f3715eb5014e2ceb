// All keys, in a dialog.
import { Modal } from "./dialogs.js";
import { html } from "./parts.js";

const KEYS = [
  ["everywhere", [["g r, g e, g s, g x, g p", "runs, endpoints, schedules, errors, process"],
    ["/", "to the filters"], ["?", "these keys"], ["Esc", "close a dialog"]]],
  ["the list of runs", [["↑ ↓, j k, Page Up, Page Down, Home, End", "move"], ["Enter", "open the run"],
    ["Space, x", "choose the run"], ["Shift with ↑ ↓", "choose several"],
    ["Ctrl A", "choose all that are loaded"], ["Esc", "choose none"]]],
  ["the children of a run", [["↑ ↓, j k, Page Up, Page Down, Home, End", "move"], ["Enter", "open the run"]]],
  ["the steps of a run", [["↑ ↓, j k, Home, End", "move: the panel shows the step"],
    ["← →", "fold and unfold, to the parent"], ["Enter, Space", "fold or unfold"],
    ["+ − 0", "zoom in, out, whole"], ["Shift with ← →", "earlier and later"]]],
];

export const HelpDialog = ({ close }) => html`
  <${Modal} title="Keys" close=${close}>
    ${KEYS.map(([where, keys]) => html`<h3>${where}</h3><dl class="keys">${keys.map(([key, does]) => html`
      <div><dt>${key}</dt><dd>${does}</dd></div>`)}</dl>`)}
    <div class="buttons"><button type="button" onClick=${close}>Close</button></div>
  <//>`;
