// The dashboard in a real browser, on the real orchestrator and real Docker: node run.mjs [part of a test's name]
//   MATRX_SCREENSHOTS=1   writes docs/screenshots
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEY, launch, Orchestrator, ROOT, runAll, SLOWNESS, test, until } from "./world.mjs";
import { Relay } from "./relay.mjs";
import { addExample } from "./example.mjs";
import { addMore } from "./more.mjs";
import { addPorts } from "./ports.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 780 };
const MB = 1024 * 1024;

const one = await new Orchestrator().start();
const relay = await new Relay(one.port).start();
const browser = await launch();
const complaints = [];

// A window that nobody has signed in to yet.
async function newWindow({ base = relay.url, viewport = DESKTOP, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ baseURL: base, viewport, colorScheme, acceptDownloads: true });
  context.setDefaultTimeout(20_000 * SLOWNESS);
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security|Refused to/.test(message.text()))
      complaints.push(message.text());
  });
  return page;
}

async function signIn(page, path = "/dashboard") {
  await page.goto(path);
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Live", { exact: true }).waitFor();
  return page;
}

const screenText = (page) => page.locator(".terminal-area:not([hidden]) .xterm-rows").innerText();
const sees = (page, what, pattern) => until(what, async () => pattern.test(await screenText(page)));
const rowOf = (page, name) => page.getByRole("row", { name: new RegExp(name) });

const me = await newWindow();
const other = await newWindow();
let id = "";

test("a wrong key is refused, the right one opens the list", async () => {
  await me.goto("/dashboard");
  await me.getByLabel("API key").fill("wrong");
  await me.getByRole("button", { name: "Sign in" }).click();
  await me.getByText("This key is not known").waitFor();
  await me.getByLabel("API key").fill(KEY);
  await me.getByRole("button", { name: "Sign in" }).click();
  await me.getByText("No sandbox yet").waitFor();
  await signIn(other);
});

test("no key in the address, in what the browser stores, or in the log", async () => {
  assert.ok(!me.url().includes(KEY));
  const stored = await me.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.equal(stored, '[{},{},""]');
  const [cookie] = await me.context().cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["matrx_session", true, "Strict"]);
  assert.ok(!one.text().includes(KEY) && !one.text().includes(cookie.value));
});

test("a sandbox is created and becomes ready without a reload, here and in a second browser", async () => {
  await me.evaluate(() => (window.notReloaded = true));
  await me.getByRole("button", { name: "New sandbox" }).click();
  const dialog = me.getByRole("dialog");
  await dialog.getByLabel("User").fill("ada");
  await dialog.getByLabel("Name").fill("first");
  await dialog.getByLabel("Environment").fill("GREETING=hello");
  await dialog.getByRole("button", { name: "Create sandbox" }).click();
  await me.waitForURL(/sandboxes\/sbx-/);
  await me.getByText("Ready", { exact: true }).first().waitFor();
  id = /sbx-[0-9a-f]+/.exec(me.url())[0];
  assert.equal(await me.evaluate(() => window.notReloaded), true);
  await rowOf(other, "first").getByText("Ready").waitFor();
});

test("top runs in the terminal, and takes another size", async () => {
  await me.getByRole("tab", { name: "Terminal" }).click();
  await sees(me, "a prompt", /\$/);
  await me.keyboard.type("echo $GREETING from $(hostname)\n");
  await sees(me, "an answer", /hello from/);
  await me.keyboard.type("top\n");
  await sees(me, "top", /load average/);
  await me.keyboard.press("q");
  const before = await me.locator(".terminal-foot").innerText();
  await me.setViewportSize({ width: 1000, height: 700 });
  await until("another size", async () => (await me.locator(".terminal-foot").innerText()) !== before);
  await me.keyboard.type("clear; stty size\n");
  const [cols, rows] = /(\d+) × (\d+)/.exec(await me.locator(".terminal-foot").innerText()).slice(1);
  await sees(me, "the same size inside", new RegExp(`${rows} ${cols}`));
  await me.setViewportSize(DESKTOP);
});

test("a cut connection comes back, and nothing that was shown meanwhile is missing", async () => {
  await me.keyboard.type("clear; for i in 1 2 3 4 5 6; do echo tick-$i; sleep 1; done\n");
  await sees(me, "the beginning", /tick-1/);
  relay.cut();
  await me.getByText("Connection lost, trying again").waitFor();
  await new Promise((done) => setTimeout(done, 3000));
  relay.mend();
  await sees(me, "the end", /tick-6/);
  const text = await screenText(me);
  for (let i = 1; i <= 6; i += 1) assert.equal(text.split(`tick-${i}`).length, 2, text);
  await me.getByText("Live", { exact: true }).waitFor();
});

test("who comes second looks on, and can take over", async () => {
  await other.goto(`/dashboard/sandboxes/${id}/terminal`);
  await other.getByText("Somebody else has the keyboard").waitFor();
  await other.getByRole("button", { name: "Take over" }).click();
  await other.keyboard.type("echo from-the-other\n");
  await sees(me, "what the other one types", /from-the-other/);
  await me.getByText("Somebody else has the keyboard").waitFor();
  await me.getByRole("button", { name: "Take over" }).click();
  await other.getByText("Somebody else has the keyboard").waitFor();
});

test("several terminals in tabs, each of its own", async () => {
  await me.getByRole("button", { name: "New terminal" }).click();
  await me.keyboard.type("echo second-$((40+2))\n");
  await sees(me, "the second", /second-42/);
  await me.getByRole("button", { name: /^1 / }).click();
  assert.ok(!(await screenText(me)).includes("second-42"));
  await me.getByRole("button", { name: "End terminal 2" }).click();
});

test("a file of 50 MB goes up and comes down whole", async () => {
  await me.getByRole("tab", { name: "Files" }).click();
  const content = randomBytes(50 * MB);
  const path = join(one.data, "fifty.bin");
  writeFileSync(path, content);
  await me.locator('input[type="file"]').setInputFiles(path);
  await me.getByText("uploaded, 50.0 MB").waitFor({ timeout: 60_000 * SLOWNESS });
  const row = me.getByRole("row", { name: /fifty\.bin/ });
  await row.getByRole("button", { name: "Actions for fifty.bin" }).click();
  const [download] = await Promise.all([
    me.waitForEvent("download"),
    me.getByRole("menuitem", { name: "Download" }).click(),
  ]);
  const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(download.suggestedFilename(), "fifty.bin");
  assert.equal(sum(readFileSync(await download.path())), sum(content));
});

test("a file is made, edited, saved, renamed and deleted", async () => {
  await me.getByRole("button", { name: "New file" }).click();
  await me.getByRole("textbox", { name: "Name" }).fill("notes.txt");
  await me.getByRole("button", { name: "Create", exact: true }).click();
  await me.getByRole("button", { name: "notes.txt", exact: true }).click();
  await me.getByLabel("Content of notes.txt").fill("grüße\nsecond line\n");
  await me.getByRole("button", { name: "Save" }).click();
  await me.getByText("notes.txt is saved").waitFor();
  assert.equal(await one.call("GET", `/sandboxes/${id}/files?path=notes.txt`), "grüße\nsecond line\n");
  await me.getByRole("button", { name: "Close the file" }).click();
  await me.getByRole("button", { name: "Actions for notes.txt" }).click();
  await me.getByRole("menuitem", { name: "Rename" }).click();
  await me.getByRole("textbox", { name: "Name" }).fill("kept.txt");
  await me.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await me.getByRole("button", { name: "kept.txt", exact: true }).waitFor();
  await me.getByRole("button", { name: "Actions for fifty.bin" }).click();
  await me.getByRole("menuitem", { name: "Delete" }).click();
  await me.getByRole("button", { name: "Delete fifty.bin" }).click();
  await until("it is gone", async () => (await me.getByRole("row", { name: /fifty\.bin/ }).count()) === 0);
});

test("a background process shows with its output, and takes a signal", async () => {
  await me.getByRole("tab", { name: "Processes" }).click();
  await me.getByRole("button", { name: "Run in the background" }).click();
  await me.getByLabel("Command").fill("echo serving; cd /tmp && exec python3 -u -m http.server 8123 --bind 127.0.0.1");
  await me.getByRole("button", { name: "Run", exact: true }).click();
  await me.getByLabel("Output text").getByText("serving").waitFor();
  await me
    .getByRole("row", { name: /http\.server/ })
    .getByText("Running")
    .waitFor();
});

test("its port is found and opens through the proxy", async () => {
  await me.getByRole("tab", { name: "Ports" }).click();
  const row = me.getByRole("row", { name: /8123/ });
  const [opened] = await Promise.all([
    me.context().waitForEvent("page"),
    row.getByRole("button", { name: "Open" }).click(),
  ]);
  await opened.getByText("Directory listing for /").waitFor();
  // What a program shows has an origin of its own, and cannot act for who looks at it.
  const tried = await opened.evaluate(async (path) => {
    const answers = [];
    for (const method of ["GET", "DELETE"]) {
      answers.push(
        await fetch(path, { method, credentials: "include" }).then(
          (a) => a.status,
          () => "blocked",
        ),
      );
    }
    return answers;
  }, `/sandboxes/${id}`);
  assert.deepEqual(tried, ["blocked", "blocked"]);
  assert.equal((await one.call("GET", `/sandboxes/${id}`)).status, "running");
  await opened.close();
});

test("an hour more is given", async () => {
  const before = (await one.call("GET", `/sandboxes/${id}`)).expires_at;
  await me.getByRole("button", { name: "+1 h" }).click();
  await me.getByText("has an hour more").waitFor();
  const after = (await one.call("GET", `/sandboxes/${id}`)).expires_at;
  assert.ok(Math.abs(Date.parse(after) - Date.parse(before) - 3_600_000) < 5000 * SLOWNESS);
});

test("what is hostile in names and titles stays text", async () => {
  const evil = "<img src=x onerror=window.hurt=1>";
  const box = await one.create({ user_id: "mallory", name: evil, labels: { l: evil } });
  await one.call("POST", `/sandboxes/${box.sandbox_id}/exec`, {
    command: `touch -- '${evil}'; echo '${evil}' > page.html`,
  });
  const page = await newWindow();
  await signIn(page);
  await page.getByRole("link", { name: evil }).waitFor();
  await page.goto(`/dashboard/sandboxes/${box.sandbox_id}/files`);
  await page.getByRole("button", { name: evil, exact: true }).waitFor();
  await page.getByRole("tab", { name: "Configuration" }).click();
  await page.getByRole("tab", { name: "Terminal" }).click();
  await sees(page, "a prompt", /\$/);
  await page.keyboard.type(`printf '\\033]0;${evil}\\007'; sleep 1\n`);
  await page.getByRole("button", { name: /^1 <img/ }).waitFor();
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  await page.context().close();
  await one.call("DELETE", `/sandboxes/${box.sandbox_id}?graceful=false`);
});

test("no request of another page is obeyed", async () => {
  const [cookie] = await me.context().cookies();
  const ask = (method, path, headers) =>
    fetch(one.url + path, { method, headers: { Cookie: `matrx_session=${cookie.value}`, ...headers } });
  assert.equal((await ask("GET", "/sandboxes")).status, 200);
  assert.equal((await ask("DELETE", `/sandboxes/${id}`)).status, 403);
  assert.equal((await ask("DELETE", `/sandboxes/${id}`, { "X-Matrx-CSRF": "0".repeat(32) })).status, 403);
  assert.equal((await ask("DELETE", "/dashboard/session")).status, 403);
  const page = await fetch(`${one.url}/dashboard/sandboxes`);
  assert.match(page.headers.get("content-security-policy"), /script-src 'self';.*frame-ancestors 'none'/);
  assert.equal(page.headers.get("x-frame-options"), "DENY");
});

// A page of another origin that tries to open a terminal, to frame, and to post.
test("a WebSocket and a frame of a foreign origin are refused", async () => {
  const server = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(`<title>foreign</title><iframe src="${relay.url}/dashboard/widget"></iframe>`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const page = await me.context().newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const socket = await page.evaluate(
    (url) =>
      new Promise((done) => {
        const made = new WebSocket(url);
        made.onopen = () => done("open");
        made.onerror = () => done("refused");
      }),
    `${relay.url.replace("http", "ws")}/sandboxes/${id}/pty`,
  );
  assert.equal(socket, "refused");
  await until("the frame stays empty", () => page.frames().some((frame) => frame.url().startsWith("chrome-error")));
  await page.close();
  server.close();
});

test("after a restart, who signs in again goes on where he was", async () => {
  await me.getByRole("tab", { name: "Terminal" }).click();
  await me.locator(".terminal-area:not([hidden]) .xterm").click();
  await me.keyboard.type("clear; echo before-the-restart\n");
  await sees(me, "it", /before-the-restart/);
  await one.stop();
  await me.getByText("Connection lost, trying again").waitFor();
  await one.start();
  await me.getByText("Your session has ended").waitFor();
  await me.getByLabel("API key").fill(KEY);
  await me.getByRole("button", { name: "Go on" }).click();
  await me.getByText("Live", { exact: true }).waitFor();
  await me.locator(".terminal-foot").getByText("Connected").waitFor();
  await me.locator(".terminal-area:not([hidden]) .xterm").click();
  await me.keyboard.type("echo after-the-restart\n");
  await sees(me, "both", /before-the-restart[^]*after-the-restart/);
  await signIn(other);
});

test("it is destroyed after a question that names it; the other browser sees it", async () => {
  await me.getByRole("button", { name: "Destroy…" }).click();
  await me.getByRole("dialog").getByRole("button", { name: "Destroy first" }).click();
  await me.getByText("You or a program asked for it").waitFor();
  await other.getByRole("button", { name: /^Ended/ }).click();
  await rowOf(other, "first").getByText("Stopped").waitFor();
});

test("its user's files are there afterwards", async () => {
  await me.getByRole("tab", { name: "Files" }).click();
  const row = me.getByRole("row", { name: /kept\.txt/ });
  const [download] = await Promise.all([
    me.waitForEvent("download"),
    row.getByRole("link", { name: /Download/ }).click(),
  ]);
  assert.equal(readFileSync(await download.path(), "utf8"), "grüße\nsecond line\n");
});

test("the widget counts, creates, and shows in an allowed frame only", async () => {
  const host = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(`<iframe title="w" width=360 height=260 src="${widgetHome.url}/dashboard/widget"></iframe>`);
  });
  await new Promise((done) => host.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${host.address().port}`;
  const widgetHome = await new Orchestrator({ MATRX_WIDGET_ORIGINS: origin }).start();
  try {
    const page = await newWindow({ base: widgetHome.url });
    await signIn(page);
    await page.goto(origin);
    const frame = page.frameLocator("iframe");
    await frame.getByText("end within 30 min").waitFor();
    await frame.getByLabel("User of the new sandbox").fill("widget-user");
    await frame.getByRole("button", { name: "Create" }).click();
    await frame.getByText("It is ready").waitFor();
    await frame.locator("strong").first().getByText("1", { exact: true }).waitFor();
    if (process.env.MATRX_SCREENSHOTS) {
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.locator("iframe").screenshot({ path: join(ROOT, "docs/screenshots", `widget-${scheme}.png`) });
      }
    }
    await page.context().close();
  } finally {
    host.close();
    await widgetHome.close();
  }
});

// --- How it looks ----------------------------------------------------------------------------------

async function axe(page, name) {
  await page.evaluate(readFileSync(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(
    ({ id: rule, nodes }) =>
      `${name}: ${rule}: ${nodes
        .slice(0, 3)
        .map((n) => n.html.slice(0, 160))
        .join(" | ")}`,
  );
}

test("every page in every look: no axe violation", async () => {
  const shots = process.env.MATRX_SCREENSHOTS ? join(ROOT, "docs/screenshots") : undefined;
  if (shots) mkdirSync(shots, { recursive: true });
  const people = ["ada", "grace", "linus", "barbara", "ken"];
  const boxes = [];
  for (const [index, user] of people.entries()) {
    boxes.push(
      await one.create({
        user_id: user,
        name: ["data pipeline", "web crawler", "test runner", "notebook", "build"][index],
        ttl_seconds: [3600, 500, 7200, 1800, 14400][index],
        labels: { team: index % 2 ? "core" : "research" },
        config: { model: "small", tools: ["shell", "files"] },
      }),
    );
  }
  const box = boxes[0].sandbox_id;
  const run = (command) => one.call("POST", `/sandboxes/${box}/exec`, { command });
  await run(
    "mkdir -p project/src data; echo 'print(\"hello\")' > project/main.py; seq 4000 > data/numbers.csv; " +
      "printf '# Notes\\n\\nThe crawler runs each hour.\\n' > README.md; ln -s project/main.py latest",
  );
  await one.call("POST", `/sandboxes/${box}/processes`, {
    command: "echo serving; exec python3 -u -m http.server 8080",
  });
  await one.call("POST", `/sandboxes/${box}/processes`, {
    command: "for i in $(seq 1 30); do timeout 0.$((i % 7 + 1)) sh -c 'while :; do :; done'; sleep 1; done; echo done",
  });
  await one.call("POST", `/sandboxes/${box}/processes`, { command: "ls /nowhere" });
  await one.call("POST", `/sandboxes/${boxes[3].sandbox_id}/pause`);
  const seconds = Number(process.env.MATRX_SCREENSHOT_WAIT ?? 0);
  await new Promise((done) => setTimeout(done, seconds * 1000)); // charts want a history
  const at = `/dashboard/sandboxes/${box}`;
  const ended = `/dashboard/sandboxes/${id}`;
  const places = [
    ["sign-in", undefined],
    ["list", "/dashboard/sandboxes", (page) => rowOf(page, "data pipeline").waitFor()],
    ["create", "/dashboard/sandboxes", (page) => page.getByRole("button", { name: "New sandbox" }).click()],
    ["overview", at, (page) => page.getByText("What has happened").waitFor()],
    [
      "terminal",
      `${at}/terminal`,
      async (page) => {
        await sees(page, "a prompt", /\$/);
        if (await page.getByRole("button", { name: "Take over" }).count())
          await page.getByRole("button", { name: "Take over" }).click();
        await page.locator(".terminal-area:not([hidden]) .xterm").click();
        await page.keyboard.type("clear; ls -la --color; python3 project/main.py\n");
        await sees(page, "the answer", /hello/);
      },
    ],
    [
      "files",
      `${at}/files`,
      async (page) => {
        await page.getByRole("button", { name: "README.md", exact: true }).click();
        await page.getByLabel("Content of README.md").waitFor();
      },
    ],
    [
      "processes",
      `${at}/processes`,
      async (page) => {
        await page
          .getByRole("button", { name: /http\.server/ })
          .first()
          .click();
        await page.getByLabel("Output text").getByText("serving").waitFor();
      },
    ],
    ["ports", `${at}/ports`, (page) => page.getByRole("row", { name: /8080/ }).first().waitFor()],
    ["logs", `${at}/logs`, (page) => page.getByLabel("Log", { exact: true }).waitFor()],
    ["configuration", `${at}/config`, (page) => page.getByText("All that is known").waitFor()],
    ["ended", `${ended}/files`, (page) => page.getByRole("row", { name: /kept\.txt/ }).waitFor()],
    ["widget", "/dashboard/widget", (page) => page.getByText("end within 30 min").waitFor()],
  ];
  const found = [];
  for (const [size, viewport] of [
    ["desktop", DESKTOP],
    ["phone", PHONE],
  ]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await newWindow({ viewport, colorScheme });
      for (const [name, path, prepare] of places) {
        if (path === undefined) {
          await page.goto("/dashboard");
          await page.getByLabel("API key").waitFor();
        } else {
          await page.goto(path);
          await prepare(page);
        }
        await page.mouse.move(0, 0);
        await new Promise((done) => setTimeout(done, 400)); // what fades in has done so
        const label = `${name}-${size}-${colorScheme}`;
        found.push(...(await axe(page, label)));
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (sideways > 0) found.push(`${label}: ${sideways} pixels wider than the window`);
        const tab = page.getByRole("tab", { selected: true }).and(page.locator(".tab"));
        const box = (await tab.count()) > 0 ? await tab.boundingBox() : null;
        if (box && (box.x < 0 || box.x + box.width > viewport.width)) found.push(`${label}: its tab is out of sight`);
        if (shots && name !== "widget") await page.screenshot({ path: join(shots, `${label}.png`) });
        if (path === undefined) await signIn(page);
      }
      await page.context().close();
    }
  }
  assert.deepEqual(found, []);
});

test("a thousand rows: only those in sight are in the document", async () => {
  const at = Date.now();
  const pattern = (await one.call("GET", "/sandboxes?limit=1")).sandboxes[0];
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    ...pattern,
    sandbox_id: `sbx-${String(i).padStart(12, "0")}`,
    name: `row ${i}`,
    status: "running",
    created_at: new Date(at - i * 1000).toISOString(),
    expires_at: new Date(at + 3_600_000).toISOString(),
  }));
  const usage = (i) => ({
    at: new Date(at + i * 15_000).toISOString(),
    cpus: 2,
    cpu_percent: i % 90,
    memory_used_bytes: i * 1e6,
    memory_total_bytes: 5e8,
    disk_used_bytes: 0,
    disk_total_bytes: 1,
    received_bytes: 0,
    sent_bytes: 0,
    processes: 1,
  });
  const series = Array.from({ length: 120 }, (_, i) => usage(i));
  const page = await newWindow();
  await signIn(page);
  await page.route(/sandboxes\?limit=1000/, (route) => route.fulfill({ json: { sandboxes: rows, total: 1000 } }));
  await page.route(/\/metrics$/, (route) => route.fulfill({ json: { sandbox_id: "x", series, current: usage(60) } }));
  const begun = Date.now();
  await page.reload();
  await rowOf(page, "row 0 ").waitFor();
  const shown = Date.now() - begun;
  assert.ok((await page.getByRole("row").count()) < 60);
  const frames = await page.evaluate(async () => {
    const times = [];
    for (let y = 0; y < 50_000; y += 1000) {
      window.scrollTo(0, y);
      const from = performance.now();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      times.push(performance.now() - from);
    }
    return times.sort((a, b) => a - b);
  });
  await page.getByLabel("Search").fill("row 999");
  await rowOf(page, "row 999").waitFor();
  const heap = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
  const frame = (share) => frames[Math.floor(frames.length * share)].toFixed(0);
  console.log(
    `   1,000 rows: shown after ${shown} ms, heap ${(heap / MB).toFixed(1)} MB, ` +
      `frame while scrolling p50 ${frame(0.5)} ms, p95 ${frame(0.95)} ms`,
  );
  await page.context().close();
});

const world = { one, relay, browser, newWindow, signIn, rowOf, sees };
addPorts(world);
addMore(world);
addExample(world);

test("no page complained: no script error, nothing that the policy had to stop", () =>
  assert.deepEqual(complaints, []));

const file = process.env.MATRX_JUNIT ?? join(ROOT, "build/results/browser.xml");
const good = await runAll(file).finally(async () => {
  await browser.close();
  relay.close();
  await one.close();
});
process.exit(good ? 0 : 1);
