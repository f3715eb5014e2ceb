// Signing in: the token of an operator, which stays in this tab; or the code of the link that --dev prints.
import { useState } from "preact/hooks";
import { ask, session } from "./api.js";
import { Trouble, html, useFocus } from "./parts.js";

export function SignIn({ refusal, enter }) {
  const [error, setError] = useState(session.token ? refusal : null), field = useFocus();
  const submit = async (event) => {
    event.preventDefault();
    session.keep(field.current.value.trim());
    try {
      await ask("GET", "_sw/runs?limit=1");
      enter();
    } catch (refused) {
      if (!refused.needsSignIn) return enter(); // it is a token, if not one for everything
      session.forget();
      setError(refused);
      field.current.select();
    }
    return undefined;
  };
  return html`
    <section class="sign-in"><h1>Sign in</h1>
      <form class="card" onSubmit=${submit}>
        <label class="field"><span>token</span><input id="token" ref=${field} type="password" autocomplete="off" required
          spellcheck=${false} /></label>
        <p class="soft">That of an operator: the content of the file that <code>--token NAME:SCOPES:FILE</code> names. It is
          kept until this tab is closed. A program with <code>--dev</code> logs a link that needs none.</p>
        <${Trouble} error=${error} />
        <button type="submit" class="primary">Sign in</button>
      </form>
    </section>`;
}
