// A new sandbox. The request answers when it is ready; until then the list shows how far it is.
import { useEffect, useMemo, useState, type FormEvent } from "react";
import { createSandbox } from "../api/queries";
import type { Session } from "../api/session";
import type { CreateRequest, Sandbox } from "../api/types";
import { duration } from "../lib/format";
import { parsePairs } from "../lib/pairs";
import { Button, Dialog } from "../ui/kit";

const LIFETIMES = [900, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600];

type Props = { session: Session; user: string; open: boolean; onClose: () => void; onMade: (sandbox: Sandbox) => void };

export function CreateDialog(props: Props) {
  return (
    <Dialog
      open={props.open}
      title="New sandbox"
      onClose={props.onClose}
      about="A computer of its own for an agent, ready in a moment and removed when its time is over."
    >
      {props.open && <CreateForm {...props} />}
    </Dialog>
  );
}

const numberOf = (form: FormData, name: string) => {
  const text = String(form.get(name) ?? "").trim();
  return text ? Number(text) : undefined;
};

function CreateForm({ session, user, onClose, onMade }: Props) {
  const [problem, setProblem] = useState<string>();
  const [since, setSince] = useState<number>();
  const [egress, setEgress] = useState<NonNullable<CreateRequest["egress"]>>("open");
  const lifetimes = useMemo(() => {
    const all = new Set([...LIFETIMES.filter((s) => s <= session.ttl_seconds_max), session.ttl_seconds_default]);
    return [...all].sort((a, b) => a - b);
  }, [session]);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const env = parsePairs(text("env"));
    if (typeof env === "string") return setProblem(env);
    const cpu = numberOf(form, "cpu");
    const memory = numberOf(form, "memory");
    const body: CreateRequest = { user_id: text("user"), ttl_seconds: Number(form.get("ttl")) };
    if (text("name")) body.name = text("name");
    if (Object.keys(env).length > 0) body.env = env;
    if (cpu !== undefined || memory !== undefined) {
      body.resources = { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory_mb: memory }) };
    }
    if (egress !== "open") body.egress = egress;
    if (egress === "allowlist")
      body.egress_allow = text("allow")
        .split(/[\s,]+/)
        .filter(Boolean);
    setProblem(undefined);
    setSince(Date.now());
    try {
      onMade(await createSandbox(body));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "It could not be created.");
    } finally {
      setSince(undefined);
    }
  };

  return (
    <form onSubmit={(event) => void submit(event)} style={{ display: "contents" }}>
      <div className="pair">
        <div className="field">
          <label htmlFor="new-user">User</label>
          <input
            id="new-user"
            name="user"
            className="input"
            required
            maxLength={255}
            pattern="[a-zA-Z0-9._\-]+"
            defaultValue={user}
            autoComplete="off"
            autoFocus
            title="Letters, digits, dot, dash and underscore"
          />
          <span className="hint">Decides whose home it gets</span>
        </div>
        <div className="field">
          <label htmlFor="new-name">Name</label>
          <input
            id="new-name"
            name="name"
            className="input"
            maxLength={100}
            autoComplete="off"
            placeholder="optional"
          />
        </div>
      </div>
      <div className="pair">
        <div className="field">
          <label htmlFor="new-ttl">Lifetime</label>
          <select id="new-ttl" name="ttl" className="select" defaultValue={session.ttl_seconds_default}>
            {lifetimes.map((seconds) => (
              <option key={seconds} value={seconds}>
                {duration(seconds)}
              </option>
            ))}
          </select>
        </div>
        <div className="field">
          <label htmlFor="new-template">Template</label>
          <select id="new-template" name="template" className="select" defaultValue="default">
            <option value="default">default</option>
          </select>
        </div>
      </div>
      <div className="pair">
        <div className="field">
          <label htmlFor="new-cpu">Cores</label>
          <input
            id="new-cpu"
            name="cpu"
            type="number"
            className="input"
            min={0.1}
            max={128}
            step={0.1}
            placeholder="default"
          />
        </div>
        <div className="field">
          <label htmlFor="new-memory">Memory, MB</label>
          <input
            id="new-memory"
            name="memory"
            type="number"
            className="input"
            min={64}
            max={1048576}
            step={1}
            placeholder="default"
          />
        </div>
      </div>
      <div className="field">
        <label htmlFor="new-egress">Network</label>
        <select
          id="new-egress"
          className="select"
          value={egress}
          onChange={(event) => setEgress(event.target.value as typeof egress)}
        >
          <option value="open">The internet</option>
          <option value="allowlist">Only what is listed</option>
          <option value="none">None</option>
        </select>
        {egress !== "allowlist" && <span className="hint">Private networks and other sandboxes are closed to it</span>}
      </div>
      {egress === "allowlist" && (
        <div className="field">
          <label htmlFor="new-allow">It reaches</label>
          <textarea
            id="new-allow"
            name="allow"
            className="textarea"
            required
            spellCheck={false}
            placeholder="pypi.org  *.pythonhosted.org  192.0.2.0/24"
            style={{ minHeight: "4rem" }}
          />
          <span className="hint">Domains, *.domain for what is below one, and IPv4 ranges</span>
        </div>
      )}
      <div className="field">
        <label htmlFor="new-env">Environment</label>
        <textarea
          id="new-env"
          name="env"
          className="textarea"
          spellCheck={false}
          placeholder="NAME=value, one in a line"
          style={{ minHeight: "4rem" }}
        />
      </div>
      {problem && (
        <div className="problem" role="alert">
          {problem}
        </div>
      )}
      {since !== undefined && <Progress since={since} />}
      <div className="dialog-end">
        <Button onClick={onClose}>{since === undefined ? "Cancel" : "Go on in the background"}</Button>
        <Button look="primary" type="submit" busy={since !== undefined}>
          Create sandbox
        </Button>
      </div>
    </form>
  );
}

function Progress({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(timer);
  }, []);
  const seconds = (now - since) / 1000;
  const step =
    seconds < 0.3 ? "Registering it" : seconds < 20 ? "Starting its container, bringing its home" : "Still starting";
  return (
    <div className="notice row" role="status">
      <span className="spinner" aria-hidden="true" />
      <span className="grow">{step}…</span>
      <span className="muted small" aria-hidden="true">
        {seconds.toFixed(1)} s
      </span>
    </div>
  );
}
