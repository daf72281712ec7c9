// The one way to the API. Its types are generated from the orchestrator's own document.
import createClient from "openapi-fetch";
import type { paths } from "./schema";
import { csrfToken, sessionLost } from "./session";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
  ) {
    super(message);
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });

api.use({
  onRequest({ request }) {
    const token = csrfToken();
    if (token && request.method !== "GET") request.headers.set("X-Matrx-CSRF", token);
    return request;
  },
  onResponse({ response }) {
    if (response.status === 401) sessionLost();
    return undefined;
  },
  onError() {
    return new ApiError("The orchestrator cannot be reached. It is tried again by itself.", 0, "unreachable");
  },
});

// What an error body says, in words for a person.
export function messageOf(body: unknown, status: number): string {
  const detail = body && typeof body === "object" ? (body as { detail?: unknown }).detail : undefined;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) {
    const lines = detail.map((problem: { loc?: unknown[]; msg?: string }) => {
      const field = problem.loc?.slice(1).join(" › ");
      return field ? `${field}: ${problem.msg}` : String(problem.msg);
    });
    return lines.join("\n");
  }
  return `The orchestrator answered ${status}. Try again; its log says more.`;
}

export function codeOf(body: unknown): string {
  const code = body && typeof body === "object" ? (body as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

// The data of an answer, or its error thrown.
export async function data<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw new ApiError(messageOf(error, response.status), response.status, codeOf(error));
  return data as T;
}
