// What an application's own server does with sandboxes: the client with the key, and no browser in between.
import { Matrx, MatrxError } from "matrx-sandbox";
import { userOf } from "../../session";

export async function GET(request: Request): Promise<Response> {
  const user = userOf(request);
  if (!user) return Response.json({ detail: "Sign in first." }, { status: 401 });
  try {
    const matrx = Matrx.fromEnvironment();
    const { total } = await matrx.list({ user_id: user, limit: 1 });
    return Response.json({ total });
  } catch (error) {
    const code = error instanceof MatrxError ? error.code : "internal";
    return Response.json({ detail: "The sandboxes could not be counted.", code }, { status: 502 });
  }
}
