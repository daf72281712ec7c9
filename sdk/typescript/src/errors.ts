// What can go wrong, with a code that a program can decide by.

export type ErrorCode =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "home_not_saved"
  | "gone"
  | "too_large"
  | "exhausted"
  | "unavailable"
  | "timeout"
  | "internal"
  | "unreachable"; // of this client: no answer came

export interface FieldProblem {
  loc: (string | number)[];
  msg: string;
  type: string;
}

export class MatrxError extends Error {
  override readonly name = "MatrxError";

  constructor(
    message: string,
    readonly code: ErrorCode | (string & {}),
    readonly status = 0,
    readonly fields: FieldProblem[] = [], // of a 422: what is wrong with which field
    readonly requestId?: string, // for the operator: it is in the orchestrator's log
    readonly retryAfterSeconds?: number,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  // May the same be asked again in a while?
  get isTemporary() {
    return ["unavailable", "unreachable", "exhausted", "timeout"].includes(this.code);
  }
}

const BY_STATUS: Record<number, ErrorCode> = {
  400: "invalid",
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  410: "gone",
  413: "too_large",
  422: "invalid",
  429: "exhausted",
  502: "unavailable",
  503: "unavailable",
  504: "timeout",
};

function sentence(detail: unknown, fields: FieldProblem[], status: number) {
  if (typeof detail === "string") return detail;
  if (fields.length > 0) return fields.map(({ loc, msg }) => `${loc.slice(1).join(".") || loc[0]}: ${msg}`).join("; ");
  return `The orchestrator answered ${status}.`;
}

export async function errorOf(answer: Response): Promise<MatrxError> {
  const text = await answer.text().catch(() => "");
  let body: { detail?: unknown; code?: unknown; request_id?: string } = {};
  try {
    body = (JSON.parse(text) as typeof body) ?? {};
  } catch {
    // Somebody between us and the orchestrator has answered in his own words.
  }
  const fields = Array.isArray(body.detail) ? (body.detail as FieldProblem[]) : [];
  const code = typeof body.code === "string" ? body.code : (BY_STATUS[answer.status] ?? "internal");
  const wait = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  return new MatrxError(
    sentence(body.detail, fields, answer.status),
    code,
    answer.status,
    fields,
    body.request_id ?? answer.headers.get("X-Request-Id") ?? undefined,
    Number.isFinite(wait) ? wait : undefined,
  );
}
