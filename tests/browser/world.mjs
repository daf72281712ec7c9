// What the browser tests stand on: a real orchestrator on a port of its own, and Debian's Chromium.
import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

export const ROOT = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
export const KEY = "browser-test-key-0815";
const KEEP = process.env.MATRX_KEEP === "1";

const builds = [process.env.MATRX_TEST_BUILD_DIR, "build/release", "build/dev"].filter(Boolean);
const build = builds
  .map((each) => resolve(ROOT, each))
  .find((each) => existsSync(join(each, "bin/matrx-orchestrator")));

// How many times slower than a quiet machine this one is (tools/slowness.py): limits against hanging grow by it.
export const SLOWNESS = Math.max(Number(process.env.MATRX_TEST_SLOWNESS) || 1, 1);

export async function until(what, condition, seconds = 30) {
  const end = Date.now() + seconds * SLOWNESS * 1000;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export class Orchestrator {
  constructor(settings = {}) {
    if (!build) throw new Error("the programs are not built: run 'make build' first");
    this.data = mkdtempSync(join(tmpdir(), "matrx-browser-"));
    this.log = join(this.data, "log");
    this.network = `matrx-browser-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
    this.settings = {
      MATRX_HOST: "127.0.0.1",
      MATRX_PORT: "0",
      MATRX_DATA_DIR: join(this.data, "data"),
      MATRX_SANDBOX_STORE: "sqlite",
      MATRX_API_KEY: KEY,
      MATRX_LOG_FORMAT: "json",
      MATRX_DOCKER_NETWORK: this.network,
      MATRX_FIREWALL: "off", // rules of the host, which would outlive the test
      MATRX_CONTAINER_MEMORY_LIMIT: "512m",
      ...settings,
    };
  }

  text() {
    return readFileSync(this.log, "utf8");
  }

  async start() {
    const before = existsSync(this.log) ? this.text().length : 0;
    const out = openSync(this.log, "a");
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith("MATRX_") || name === "MATRX_AGENT_PATH"),
    );
    this.process = spawn(join(build, "bin/matrx-orchestrator"), [], {
      env: { ...environment, ...this.settings },
      stdio: ["ignore", out, out],
    });
    const ended = new Promise((done) => this.process.once("exit", done));
    this.ended = ended;
    this.port = await until("orchestrator ready", () => {
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.text().slice(before)}`);
      return /"orchestrator ready".*?"port":(\d+)/.exec(this.text().slice(before))?.[1];
    });
    this.settings.MATRX_PORT = this.port; // a restart comes back at the same place
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  async call(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { "X-API-Key": KEY, ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && answer.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text;
  }

  create(fields = {}) {
    return this.call("POST", "/sandboxes", { user_id: "ada", ...fields });
  }

  async close() {
    if (KEEP) return;
    if (this.process?.exitCode === null) await this.stop();
    const installation = join(this.data, "data/installation");
    if (existsSync(installation)) {
      const label = `label=matrx.installation=${readFileSync(installation, "utf8").trim()}`;
      const ids = docker("ps", "-aq", "--filter", label).split("\n").filter(Boolean);
      if (ids.length > 0) docker("rm", "-f", ...ids);
    }
    docker("network", "rm", this.network);
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
      const point = line.split(" ")[4];
      if (point?.startsWith(this.data)) quietly("umount", "-l", point);
    }
    rmSync(this.data, { recursive: true, force: true });
  }
}

function quietly(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}
const docker = (...args) => quietly("docker", ...args);

export function launch() {
  const executablePath = process.env.MATRX_CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath))
    throw new Error("Chromium is missing: apt-get install chromium, or set MATRX_CHROMIUM.");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

// --- A runner: tests in order, results as JUnit ---------------------------------------------------

const tests = [];
export const test = (name, act) => tests.push({ name, act });

export async function runAll(file) {
  const only = process.argv[2];
  let failed = 0;
  const cases = [];
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\x00-\x08\x0b-\x1f]/g, "");
  for (const { name, act } of tests) {
    if (only && !name.includes(only)) continue;
    const begun = Date.now();
    let failure = "";
    try {
      await act();
    } catch (error) {
      failed += 1;
      failure = `<failure message="${escape(String(error?.message ?? error)).slice(0, 2000)}"/>`;
      console.log(`FAILED ${name}\n${error?.stack ?? error}`);
    }
    const seconds = ((Date.now() - begun) / 1000).toFixed(2);
    if (!failure) console.log(`ok ${name} (${seconds} s)`);
    cases.push(`<testcase classname="browser" name="${escape(name)}" time="${seconds}">${failure}</testcase>`);
  }
  const { writeFileSync, mkdirSync } = await import("node:fs");
  mkdirSync(resolve(ROOT, "build/results"), { recursive: true });
  writeFileSync(
    file,
    `<testsuite name="browser" tests="${cases.length}" failures="${failed}">${cases.join("\n")}</testsuite>\n`,
  );
  console.log(`${cases.length - failed} of ${cases.length} passed`);
  return failed === 0;
}
