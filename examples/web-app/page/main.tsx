import { StrictMode, useEffect, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";
import { Matrx } from "matrx-sandbox";
import { Workspace } from "./workspace";
import "./style.css";

// No key here: the route handler adds it.
export const matrx = new Matrx({ url: "/api/matrx" });

interface Session {
  user: string | null;
  widget: string | null;
}

function SignIn({ onDone }: { onDone: () => void }) {
  const [user, setUser] = useState("");
  const [problem, setProblem] = useState("");
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/api/session", { method: "POST", headers, body: JSON.stringify({ user }) });
    if (answer.ok) onDone();
    else setProblem(((await answer.json()) as { detail: string }).detail);
  };
  return (
    <form onSubmit={(event) => void send(event)}>
      <h1>Who are you?</h1>
      <label>
        Name <input value={user} onChange={(event) => setUser(event.target.value)} autoFocus />
      </label>
      <button>Sign in</button>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

function Application() {
  const [session, setSession] = useState<Session>();
  const load = async () => setSession((await (await fetch("/api/session")).json()) as Session);
  useEffect(() => void load(), []);
  if (!session) return <p>Loading…</p>;
  if (!session.user) return <SignIn onDone={() => void load()} />;
  return (
    <>
      <Workspace client={matrx} user={session.user} />
      {session.widget && <iframe title="All sandboxes" src={session.widget} width={360} height={260} />}
    </>
  );
}

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <Application />
    </StrictMode>,
  );
