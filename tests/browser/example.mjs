// The example application, built and run as docs/integration.md says, on a real orchestrator.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { KEY, Orchestrator, ROOT, test, until } from "./world.mjs";

const run = promisify(execFile);
const PROGRAM = join(ROOT, "examples/web-app/dist/server/server.js");

async function startApplication(settings) {
  const program = spawn(process.execPath, [PROGRAM], {
    env: { PATH: process.env.PATH, PORT: settings.PORT ?? "0", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  program.stdout.on("data", (piece) => (text += piece));
  const port = await until("the application", () => /listening on (\d+)/.exec(text)?.[1]);
  return { url: `http://127.0.0.1:${port}`, port, stop: () => program.kill() };
}

export function addExample({ one, newWindow, signIn }) {
  test("the first steps that the client's README shows are what happens", async () => {
    const readme = readFileSync(join(ROOT, "sdk/typescript/README.md"), "utf8");
    const steps = /```ts\n([^]*?)```/.exec(readme)[1].replace("http://localhost:8000", one.url);
    const path = join(ROOT, "examples/web-app/dist/first-steps.mjs"); // where the package is found
    writeFileSync(path, steps);
    const { stdout } = await run(process.execPath, [path], {
      env: { PATH: process.env.PATH, MATRX_ORCHESTRATOR_API_KEY: KEY },
    });
    assert.match(stdout, /^0 Python 3[^]*1\n2\n3\ntext, bytes or a stream[^]*http:.*\/links\/[0-9a-f]{64}\//);
  });

  test("the example application: its users work in their sandboxes and see nobody else's", async () => {
    assert.ok(existsSync(PROGRAM), "it is not built: run tools/build-web.sh");
    const first = await startApplication({ MATRX_ORCHESTRATOR_URL: "http://127.0.0.1:1" });
    const home = await new Orchestrator({ MATRX_WIDGET_ORIGINS: first.url }).start();
    first.stop();
    const application = await startApplication({
      PORT: first.port,
      MATRX_ORCHESTRATOR_URL: home.url,
      MATRX_ORCHESTRATOR_API_KEY: KEY,
      EXAMPLE_WIDGET_URL: `${home.url}/dashboard/widget`,
    });
    try {
      const others = await home.create({ user_id: "grace", name: "not for ada" });
      const page = await newWindow({ base: application.url });
      await page.goto("/");
      await page.getByLabel("Name").fill("ada");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByText("None is running").waitFor();

      await page.getByRole("button", { name: "New sandbox" }).click();
      await page.getByRole("button", { name: "from the example" }).waitFor();
      const box = (await home.call("GET", "/sandboxes?user_id=ada")).sandboxes[0];
      assert.equal(box.name, "from the example");
      await page.getByLabel("Command").fill("for i in 1 2 3; do echo step-$i; sleep 1; done; exit 5");
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByLabel("Output").getByText("step-1").waitFor();
      assert.ok(!(await page.getByLabel("Output").innerText()).includes("step-3"), "it comes as it is written");
      await page.getByText("It ended with 5.").waitFor();
      await page.getByLabel("Command").fill("sleep 1000");
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByRole("button", { name: "Kill" }).click();
      await page.getByText(/It ended with \d+\./).waitFor();

      // A second user, and what the first one tries on him.
      const tried = await page.evaluate(async (id) => {
        const status = async (path, init) => (await fetch(`/api/matrx${path}`, init)).status;
        const listed = await (await fetch("/api/matrx/sandboxes?user_id=grace")).json();
        return [
          await status(`/sandboxes/${id}`),
          await status(`/sandboxes/${id}/exec`, { method: "POST", body: '{"command":"id"}' }),
          await status(`/sandboxes/${id}`, { method: "DELETE" }),
          await status("/metrics"),
          listed.sandboxes.map((each) => each.user_id).join(),
          (await (await fetch("/api/count")).json()).total,
        ];
      }, others.sandbox_id);
      assert.deepEqual(tried, [404, 404, 404, 404, "ada", 1]);
      assert.equal((await fetch(`${application.url}/api/matrx/sandboxes`)).status, 401);
      const all = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage }));
      assert.ok(!all.includes(KEY));

      // What happens elsewhere shows by itself, also after the orchestrator was away.
      await home.call("POST", `/sandboxes/${box.sandbox_id}/pause`);
      await home.call("POST", `/sandboxes/${box.sandbox_id}/resume`);
      await home.stop();
      await page.getByText("Connection lost, trying again").waitFor();
      await home.start();
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByRole("button", { name: "One hour from now" }).click();
      await until("the extension", async () => {
        const { expires_at } = await home.call("GET", `/sandboxes/${box.sandbox_id}`);
        return Date.parse(expires_at) - Date.now() > 3_500_000;
      });

      // The widget of who is signed in to the dashboard, in a frame of the application.
      const desk = await newWindow({ base: home.url });
      await signIn(desk);
      await desk.goto(application.url);
      await desk.getByLabel("Name").fill("grace");
      await desk.getByRole("button", { name: "Sign in" }).click();
      await desk.getByRole("button", { name: "not for ada" }).waitFor();
      await desk.frameLocator("iframe").locator("strong").first().getByText("2", { exact: true }).waitFor();
      await desk.context().close();

      await page.getByRole("button", { name: "Stop it" }).click();
      await page.getByText("None is running").waitFor();
      assert.equal((await home.call("GET", `/sandboxes/${box.sandbox_id}`)).stop_reason, "user_requested");
      await page.context().close();
    } finally {
      application.stop();
      await home.close();
    }
  });
}
