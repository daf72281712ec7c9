import { cookieOf, userOf } from "../../session";

export function GET(request: Request): Response {
  const widget = process.env.EXAMPLE_WIDGET_URL; // the orchestrator as a browser reaches it; none: no widget
  return Response.json({ user: userOf(request) ?? null, widget: widget ?? null });
}

export async function POST(request: Request): Promise<Response> {
  const { user } = (await request.json()) as { user?: unknown };
  if (typeof user !== "string" || !/^[a-z0-9-]{1,32}$/.test(user))
    return Response.json({ detail: "A name has small letters, digits and dashes." }, { status: 422 });
  return Response.json({ user }, { headers: { "Set-Cookie": cookieOf(user) } });
}
