// The frame: signing in, the bar at the top, and which page is shown.
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, type MouseEvent, type ReactNode } from "react";
import { follow, useLiveness } from "./api/live";
import { queryClient } from "./api/queries";
import { loadSession, signOut, useSession, type Session } from "./api/session";
import { ListPage } from "./pages/list";
import { SignIn, SignInAgain } from "./pages/sign-in";
import { go, listPath, placeOf, usePathname } from "./router";
import { Mark } from "./ui/icons";
import { Button, Empty, Loading, Toasts } from "./ui/kit";

// What the list does not need comes when it is asked for.
const DetailPage = lazy(() => import("./pages/detail").then((page) => ({ default: page.DetailPage })));
const WidgetPage = lazy(() => import("./pages/widget").then((page) => ({ default: page.WidgetPage })));

const AGAIN_MS = 2000;

export function App() {
  const state = useSession();
  const place = placeOf(usePathname());
  useEffect(() => {
    if (state.at === "unknown") void loadSession();
    if (state.at !== "unreachable") return;
    const timer = setInterval(() => void loadSession(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [state.at]);
  const known = state.at === "in" || state.at === "out";
  const session = known ? state.session : undefined;
  const inside = state.at === "in" || (state.at === "out" && state.again);
  if (place.page === "widget") {
    return (
      <QueryClientProvider client={queryClient}>
        <Suspense>
          <WidgetPage signedIn={state.at === "in"} known={known} />
        </Suspense>
      </QueryClientProvider>
    );
  }
  if (state.at === "unreachable") {
    return (
      <main className="gate">
        <div className="card">
          <Empty icon="alert" title="The orchestrator does not answer">
            <p>Check that it runs. This page tries again every two seconds.</p>
          </Empty>
        </div>
      </main>
    );
  }
  if (!session)
    return (
      <main className="gate">
        <Loading what="the session" />
      </main>
    );
  if (!inside) return <SignIn />;
  return (
    <QueryClientProvider client={queryClient}>
      <Shell session={session} live={state.at === "in"}>
        {place.page === "list" && <ListPage session={session} />}
        {place.page === "detail" && (
          <Suspense
            fallback={
              <div className="card">
                <Loading what="the page" />
              </div>
            }
          >
            <DetailPage key={place.id} id={place.id} tab={place.tab} session={session} />
          </Suspense>
        )}
        {place.page === "unknown" && (
          <div className="card">
            <Empty icon="search" title="There is no such page">
              <Button look="primary" onClick={() => go(listPath)}>
                See all sandboxes
              </Button>
            </Empty>
          </div>
        )}
      </Shell>
      {state.at === "out" && <SignInAgain />}
      <Toasts />
    </QueryClientProvider>
  );
}

// A link within the dashboard: no reload, but what else a link can do.
type LinkProps = { to: string; children: ReactNode; className?: string; label?: string };

export function Link({ to, children, className, label }: LinkProps) {
  const open = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} className={className} aria-label={label} onClick={open}>
      {children}
    </a>
  );
}

const LIVE_WORDS = { connecting: "Connecting…", live: "Live", lost: "Connection lost, trying again…" };

function Shell({ session, live, children }: { session: Session; live: boolean; children: ReactNode }) {
  const liveness = useLiveness();
  useEffect(() => (live ? follow() : undefined), [live]);
  return (
    <>
      <a className="button skip" href="#main">
        To the content
      </a>
      {!session.key_needed && (
        <div className="banner" role="note">
          No API key is set: everybody who reaches this address can do all of this. Set <code>MATRX_API_KEY</code>.
        </div>
      )}
      <header className="top">
        <div className="top-inner">
          <Link to={listPath} className="brand" label="Matrx Sandbox: all sandboxes">
            <Mark />
            <span className="wide-only">Matrx Sandbox</span>
          </Link>
          <span className="grow" />
          <span className="liveness" data-state={liveness} role="status">
            <i />
            {LIVE_WORDS[liveness]}
          </span>
          <a className="button quiet tiny" href="/docs" target="_blank" rel="noreferrer">
            API
          </a>
          {session.key_needed && (
            <Button look="quiet tiny" icon="out" onClick={() => void signOut()}>
              Sign out
            </Button>
          )}
        </div>
      </header>
      <main className="page" id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
