// A small summary for a frame in another page.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import { follow } from "../api/live";
import { createSandbox, sandboxesQuery } from "../api/queries";
import { isLive } from "../api/types";
import { secondsSince } from "../lib/format";
import { useNow } from "../lib/now";
import { detailPath, listPath } from "../router";
import { Icon, Mark } from "../ui/icons";
import { Button } from "../ui/kit";

const SOON_SECONDS = 30 * 60;

export function WidgetPage({ signedIn, known }: { signedIn: boolean; known: boolean }) {
  useEffect(() => (signedIn ? follow() : undefined), [signedIn]);
  return (
    <main className="widget">
      <title>Matrx Sandbox</title>
      <div className="row">
        <h1 className="brand grow" style={{ fontSize: "1rem" }}>
          <Mark />
          Sandboxes
        </h1>
        <a className="button quiet tiny" href={listPath} target="_blank" rel="noreferrer">
          <Icon name="open" />
          Dashboard
        </a>
      </div>
      {signedIn ? (
        <Summary />
      ) : (
        <p className="muted" role="status">
          {known ? "You are not signed in: open the dashboard, sign in, and come back." : "Connecting…"}
        </p>
      )}
    </main>
  );
}

function Summary() {
  const { data } = useQuery(sandboxesQuery);
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ text: string; id?: string }>();
  const live = (data ?? []).filter(isLive);
  const soon = live.filter((each) => -secondsSince(each.expires_at, now) < SOON_SECONDS);
  const create = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const user = String(new FormData(event.currentTarget).get("user") ?? "").trim();
    setBusy(true);
    try {
      const sandbox = await createSandbox({ user_id: user });
      setSaid({ text: "It is ready.", id: sandbox.sandbox_id });
    } catch (error) {
      setSaid({ text: error instanceof Error ? error.message : "It could not be created." });
    }
    setBusy(false);
  };
  return (
    <>
      <div className="widget-numbers">
        <div>
          <strong>{data ? live.length : "–"}</strong>
          <span className="muted small">live</span>
        </div>
        <div>
          <strong>{data ? soon.length : "–"}</strong>
          <span className="muted small">end within 30 min</span>
        </div>
      </div>
      <form className="row" onSubmit={(event) => void create(event)} style={{ flexWrap: "nowrap" }}>
        <input
          className="input"
          name="user"
          aria-label="User of the new sandbox"
          required
          pattern="[a-zA-Z0-9._\-]+"
          defaultValue="me"
          maxLength={255}
        />
        <Button look="primary" type="submit" icon="add" busy={busy}>
          Create
        </Button>
      </form>
      {said && (
        <p className="small" role="status">
          {said.text}{" "}
          {said.id && (
            <a href={detailPath(said.id)} target="_blank" rel="noreferrer">
              Open {said.id}
            </a>
          )}
        </p>
      )}
    </>
  );
}
