// The sandboxes of who is signed in, and a command line to one of them.
import { useState, type FormEvent } from "react";
import { isUsable, MatrxError, type Matrx } from "matrx-sandbox";
import { useExec, useSandbox, useSandboxes } from "matrx-sandbox/react";

export function Workspace({ client, user }: { client: Matrx; user: string }) {
  const { sandboxes, error, loading, live } = useSandboxes(client);
  const [chosen, setChosen] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const active = sandboxes.filter((each) => !["stopped", "expired", "failed"].includes(each.status));

  const create = async () => {
    setBusy(true);
    setProblem("");
    try {
      // The handler puts the user's id; what is written here counts for nothing.
      const made = await client.create({ user_id: user, name: "from the example", ttl_seconds: 900 });
      setChosen(made.id);
    } catch (failure) {
      setProblem(failure instanceof MatrxError ? failure.message : String(failure));
    }
    setBusy(false);
  };

  return (
    <main>
      <h1>Sandboxes of {user}</h1>
      <p role="status">
        {live === "live" ? "Live" : live === "lost" ? "Connection lost, trying again" : "Connecting…"}
      </p>
      <button onClick={() => void create()} disabled={busy}>
        {busy ? "Starting…" : "New sandbox"}
      </button>
      {(problem || error) && <p role="alert">{problem || error?.message}</p>}
      {loading ? <p>Loading…</p> : active.length === 0 && <p>None is running.</p>}
      <ul>
        {active.map((each) => (
          <li key={each.sandbox_id}>
            <button aria-pressed={each.sandbox_id === chosen} onClick={() => setChosen(each.sandbox_id)}>
              {each.name ?? each.sandbox_id}
            </button>{" "}
            {each.status}
          </li>
        ))}
      </ul>
      {chosen && <CommandLine key={chosen} client={client} id={chosen} />}
    </main>
  );
}

function CommandLine({ client, id }: { client: Matrx; id: string }) {
  const { sandbox, error, destroy, extend } = useSandbox(client, id);
  const { run, stop, output, running, exitCode, error: failure } = useExec(client, id);
  const [command, setCommand] = useState("");
  const send = (event: FormEvent) => {
    event.preventDefault();
    void run(command);
  };
  if (!sandbox) return error ? <p role="alert">{error.message}</p> : <p>Loading…</p>;
  return (
    <section aria-label="Sandbox">
      <p>
        {sandbox.sandbox_id}: {sandbox.status}, until {new Date(sandbox.expires_at).toLocaleTimeString()}
      </p>
      <button onClick={() => void extend(3600)}>One hour from now</button>{" "}
      <button onClick={() => void destroy()}>Stop it</button>
      <form onSubmit={send}>
        <label>
          Command <input value={command} onChange={(event) => setCommand(event.target.value)} />
        </label>
        <button disabled={running || !isUsable(sandbox)}>Run</button>
        <button type="button" onClick={stop} disabled={!running}>
          Kill
        </button>
      </form>
      <pre aria-label="Output">{output}</pre>
      {exitCode !== undefined && <p>It ended with {exitCode}.</p>}
      {failure && <p role="alert">{failure.message}</p>}
    </section>
  );
}
