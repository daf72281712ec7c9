// Ports, logs and configuration of a sandbox.
import { useQuery } from "@tanstack/react-query";
import { logsQuery, makeLink, portsQuery } from "../api/queries";
import type { Sandbox } from "../api/types";
import { Button, Empty, Loading, Problem, sayError, toast } from "../ui/kit";
import { copy } from "./actions";

export function Ports({ sandboxId }: { sandboxId: string }) {
  const { data, error, refetch } = useQuery(portsQuery(sandboxId));
  const open = async (port: number) => {
    // At once, while the browser still sees the click; where it leads is known only after the answer.
    const tab = window.open("about:blank");
    if (tab) tab.opener = null;
    try {
      const { path } = await makeLink(sandboxId, port);
      if (tab) tab.location.replace(path);
      else toast("The browser has blocked the new tab: allow it for this page, then try again.", true);
    } catch (problem) {
      tab?.close();
      sayError(problem);
    }
  };
  return (
    <section className="card" aria-label="Ports">
      <div className="card-head">
        <h2>Who listens</h2>
      </div>
      {error && !data ? (
        <Problem error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading what="the ports" />
      ) : data.ports.length === 0 ? (
        <Empty icon="link" title="Nobody listens">
          <p>As soon as a program in the sandbox listens on a TCP port, it shows here and can be opened.</p>
        </Empty>
      ) : (
        <div className="scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Port</th>
                <th scope="col" className="wide-only">
                  Address
                </th>
                <th scope="col">Program</th>
                <th scope="col" className="end">
                  <span className="hidden-text">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.ports.map((port) => (
                <tr key={`${port.port} ${port.address ?? ""}`}>
                  <td>
                    <strong>{port.port}</strong>
                  </td>
                  <td className="mono muted wide-only">{port.address}</td>
                  <td className="muted">
                    {port.process ?? "unknown"}
                    {port.pid ? ` (pid ${port.pid})` : ""}
                  </td>
                  <td className="end">
                    <Button look="tiny" icon="open" onClick={() => void open(port.port)}>
                      Open<span className="hidden-text"> port {port.port} in a new tab</span>
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function Logs({ sandboxId }: { sandboxId: string }) {
  const { data, error, refetch } = useQuery(logsQuery(sandboxId));
  return (
    <section className="card" aria-label="Logs">
      <div className="card-head">
        <h2>What its first process wrote</h2>
        <Button look="tiny" icon="copy" disabled={!data} onClick={() => void copy(String(data))}>
          Copy
        </Button>
      </div>
      {error && data === undefined ? (
        <Problem error={error} retry={() => void refetch()} />
      ) : data === undefined ? (
        <Loading what="the log" />
      ) : (
        <pre className="output" tabIndex={0} aria-label="Log">
          {data || "Nothing yet."}
        </pre>
      )}
    </section>
  );
}

export function Config({ sandbox }: { sandbox: Sandbox }) {
  const labels = Object.entries(sandbox.labels ?? {});
  const config = JSON.stringify(sandbox.config ?? {}, null, 2);
  return (
    <div className="grid two">
      <section className="card" aria-label="Configuration">
        <div className="card-head">
          <h2>Configuration</h2>
          <Button look="tiny" icon="copy" onClick={() => void copy(config)}>
            Copy
          </Button>
        </div>
        <pre className="output" tabIndex={0} aria-label="Configuration as JSON">
          {config}
        </pre>
      </section>
      <section className="card" aria-label="Labels">
        <div className="card-head">
          <h2>Labels</h2>
        </div>
        {labels.length === 0 ? (
          <p className="card-body muted">It has none.</p>
        ) : (
          <dl className="facts card-body">
            {labels.map(([name, value]) => (
              <div key={name} style={{ display: "contents" }}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        )}
      </section>
      <section className="card wide" aria-label="All of it">
        <div className="card-head">
          <h2>All that is known</h2>
        </div>
        <pre className="output" tabIndex={0} aria-label="The sandbox as JSON">
          {JSON.stringify(sandbox, null, 2)}
        </pre>
      </section>
    </div>
  );
}
