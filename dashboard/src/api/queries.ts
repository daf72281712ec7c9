// What the pages read and do. Lists are kept fresh by the events (live.ts), not by polling.
import { QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, api, data } from "./client";
import type { CreateRequest, Sandbox } from "./types";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) =>
        failures < 4 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
      retryDelay: (attempt) => Math.min(5000, 500 * 2 ** attempt),
      staleTime: 2000,
      refetchOnWindowFocus: false,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const PAGE = 1000;
const PAGES_MAX = 20;

async function allSandboxes(): Promise<Sandbox[]> {
  const all: Sandbox[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await data(api.GET("/sandboxes", { params: { query: { limit: PAGE, cursor } } }));
    all.push(...answer.sandboxes);
    cursor = answer.next_cursor ?? undefined;
    if (!cursor) break;
  }
  return all;
}

const at = (id: string) => ({ path: { sandbox_id: id } });

export const sandboxesQuery = queryOptions({ queryKey: ["sandboxes"], queryFn: allSandboxes, staleTime: Infinity });

export const sandboxQuery = (id: string) =>
  queryOptions({
    queryKey: ["sandbox", id],
    queryFn: () => data(api.GET("/sandboxes/{sandbox_id}", { params: at(id) })),
    staleTime: 30_000,
    placeholderData: () =>
      queryClient.getQueryData<Sandbox[]>(["sandboxes"])?.find((sandbox) => sandbox.sandbox_id === id),
  });

export const historyQuery = (id: string) =>
  queryOptions({
    queryKey: ["history", id],
    queryFn: () => data(api.GET("/sandboxes/{sandbox_id}/events", { params: at(id) })),
  });

export const metricsQuery = (id: string, interval: number, enabled = true) =>
  queryOptions({
    queryKey: ["metrics", id],
    queryFn: () => data(api.GET("/sandboxes/{sandbox_id}/metrics", { params: at(id) })),
    refetchInterval: enabled ? interval : false,
    staleTime: interval - 1000,
    enabled,
  });

export const processesQuery = (id: string) =>
  queryOptions({
    queryKey: ["processes", id],
    queryFn: () => data(api.GET("/sandboxes/{sandbox_id}/processes", { params: at(id) })),
    refetchInterval: 3000,
  });

export const portsQuery = (id: string) =>
  queryOptions({
    queryKey: ["ports", id],
    queryFn: () => data(api.GET("/sandboxes/{sandbox_id}/ports", { params: at(id) })),
    refetchInterval: 4000,
  });

// A page of a program has an origin of its own, so no cookie comes with what it loads: its address lets it in.
export const makeLink = (id: string, port: number) =>
  data(api.POST("/sandboxes/{sandbox_id}/links", { params: at(id), body: { port } }));

export const logsQuery = (id: string) =>
  queryOptions({
    queryKey: ["logs", id],
    queryFn: async () => {
      const log: unknown = await data(api.GET("/sandboxes/{sandbox_id}/logs", { params: at(id), parseAs: "text" }));
      return typeof log === "string" ? log : ""; // no body: it has written nothing
    },
    refetchInterval: 5000,
  });

export const filesQuery = (id: string, path: string) =>
  queryOptions({
    queryKey: ["files", id, path],
    queryFn: () =>
      data(
        api.GET("/sandboxes/{sandbox_id}/files/list", {
          params: { ...at(id), query: { path: path || "~" } },
        }),
      ),
  });

export const storedQuery = (user: string, tier: string, path: string) =>
  queryOptions({
    queryKey: ["stored", user, tier, path],
    queryFn: () =>
      data(
        api.GET("/users/{user_id}/storage/{tier}/files", {
          params: { path: { user_id: user, tier }, query: { path } },
        }),
      ),
  });

// --- Doing -------------------------------------------------------------------------------------

// Puts a sandbox that has been read into every place that shows it.
export function put(sandbox: Sandbox) {
  queryClient.setQueryData(["sandbox", sandbox.sandbox_id], sandbox);
  queryClient.setQueryData<Sandbox[]>(["sandboxes"], (all) => {
    if (!all) return all;
    const index = all.findIndex((each) => each.sandbox_id === sandbox.sandbox_id);
    if (index < 0) return [sandbox, ...all];
    return all.map((each, i) => (i === index ? sandbox : each));
  });
}

export async function refresh(id: string) {
  try {
    put(await data(api.GET("/sandboxes/{sandbox_id}", { params: at(id) })));
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}

export async function createSandbox(body: CreateRequest) {
  const sandbox = await data(api.POST("/sandboxes", { body }));
  put(sandbox);
  return sandbox;
}

export async function endSandbox(id: string, graceful: boolean) {
  await data(api.DELETE("/sandboxes/{sandbox_id}", { params: { ...at(id), query: { graceful } } }));
  await refresh(id);
}

export async function extendSandbox(id: string, seconds: number) {
  put(await data(api.POST("/sandboxes/{sandbox_id}/extend", { params: at(id), body: { ttl_seconds: seconds } })));
}

export async function setPaused(id: string, paused: boolean) {
  put(
    paused
      ? await data(api.POST("/sandboxes/{sandbox_id}/pause", { params: at(id) }))
      : await data(api.POST("/sandboxes/{sandbox_id}/resume", { params: at(id) })),
  );
}
