// Signing in: the token of an operator, which stays in this tab; or the code of the link that --dev prints.
import { useState } from "preact/hooks";
import { ask, session } from "./api.js";
import { Trouble, html, useFocus } from "./parts.js";

// A header can say these alone.
const unsayable = (token) => token.match(/[^\x21-\x7e]/u)?.[0];
const sayCharacter = (c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

// `refusal`: why the page has to ask for a token; also where no token would help, it says what to do.
export function SignIn({ refusal, enter }) {
  const [error, setError] = useState(refusal), field = useFocus();
  const submit = async (event) => {
    event.preventDefault();
    const token = field.current.value.trim(), wrong = unsayable(token);
    if (wrong) return setError(new Error(`This is no token: it has the character ${sayCharacter(wrong)}. Was it copied with something beside it?`));
    session.keep(token);
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
        ${error?.status === 401 && !session.token ? null : html`<${Trouble} error=${error} />`}
        <button type="submit" class="primary">Sign in</button>
      </form>
    </section>`;
}
