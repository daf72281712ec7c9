// Who is signed in. An application has this already; here a name is enough, signed so that nobody is somebody else.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const COOKIE = "example_user";
const secret = process.env.EXAMPLE_SESSION_SECRET ?? randomBytes(32).toString("hex");
const sign = (user: string) => createHmac("sha256", secret).update(user).digest("hex");

export function cookieOf(user: string): string {
  return `${COOKIE}=${user}.${sign(user)}; Path=/; HttpOnly; SameSite=Lax`;
}

// The user's id at the orchestrator; nothing: nobody is signed in.
export function userOf(request: Request): string | undefined {
  const cookies = request.headers.get("Cookie") ?? "";
  const value = new RegExp(`(?:^|; )${COOKIE}=([^;]+)`).exec(cookies)?.[1];
  const [, user, given] = /^(.+)\.([0-9a-f]{64})$/.exec(value ?? "") ?? [];
  if (!user || !given) return undefined;
  return timingSafeEqual(Buffer.from(given), Buffer.from(sign(user))) ? user : undefined;
}
