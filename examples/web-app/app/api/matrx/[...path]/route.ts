// All that the pages ask of the orchestrator comes by here: it adds the key and keeps everybody to his own sandboxes.
import { forward } from "matrx-sandbox/server";
import { userOf } from "../../../session";

const handle = forward({
  url: process.env.MATRX_ORCHESTRATOR_URL ?? "http://localhost:8000",
  apiKey: process.env.MATRX_ORCHESTRATOR_API_KEY ?? "",
  prefix: "/api/matrx",
  userOf,
});

export { handle as DELETE, handle as GET, handle as POST, handle as PUT };
