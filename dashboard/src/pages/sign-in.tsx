// The key is asked once and not kept: what stays is a cookie that scripts cannot read.
import { useState, type FormEvent } from "react";
import { queryClient } from "../api/queries";
import { signIn } from "../api/session";
import { Mark } from "../ui/icons";
import { Button, Dialog } from "../ui/kit";

function KeyForm({ button }: { button: string }) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const key = String(new FormData(form).get("key") ?? "").trim();
    if (!key) return setProblem("Enter an API key: a value of MATRX_API_KEY of this orchestrator.");
    setBusy(true);
    const why = await signIn(key);
    setBusy(false);
    setProblem(why);
    if (!why) void queryClient.invalidateQueries();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <div className="field">
        <label htmlFor="key">API key</label>
        <input
          id="key"
          name="key"
          type="password"
          className="input"
          autoComplete="current-password"
          autoFocus
          spellCheck={false}
          aria-invalid={problem !== undefined}
          aria-describedby={problem ? "key-problem" : undefined}
        />
      </div>
      {problem && (
        <div className="problem" role="alert" id="key-problem">
          {problem}
        </div>
      )}
      <Button look="primary" type="submit" busy={busy}>
        {button}
      </Button>
    </form>
  );
}

export function SignIn() {
  return (
    <main className="gate">
      <div className="card">
        <div className="brand">
          <Mark />
          Matrx Sandbox
        </div>
        <div>
          <h1>Sign in</h1>
          <p className="muted">With an API key of this orchestrator. It is not kept in this browser.</p>
        </div>
        <KeyForm button="Sign in" />
      </div>
    </main>
  );
}

export function SignInAgain() {
  return (
    <Dialog open title="Sign in again" about="Your session has ended. What you see stays as it is.">
      <div className="gate-again">
        <KeyForm button="Go on" />
      </div>
    </Dialog>
  );
}
