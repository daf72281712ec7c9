// An application in a sandbox, as a person opens it from the dashboard: its page has scripts, styles, requests and a
// WebSocket, and still no say over the dashboard.
import assert from "node:assert/strict";
import { test } from "./world.mjs";

const SERVER = `
const { createServer } = require("http");
const { createHash } = require("crypto");
const files = {
  "/": ["text/html", '<!doctype html><title>app</title><link rel="stylesheet" href="./style.css">' +
    '<p id="out">no script</p><script type="module" crossorigin src="./app.js"></script>'],
  "/style.css": ["text/css", "#out { color: rgb(1, 2, 3) }"],
  "/part.js": ["text/javascript", "export const part = 'part';"],
  "/app.js": ["text/javascript", \`
    import { part } from "./part.js";
    const out = [part];
    out.push(await (await fetch("./api?x=1", { credentials: "include" })).text());
    out.push(await (await fetch("./api", { method: "PUT", headers: { "X-Own": "own" }, body: "sent" })).text());
    out.push(await (await fetch("./moved")).text());
    out.push(await new Promise((done, fail) => {
      const socket = new WebSocket(new URL("./ws", location.href).href.replace("http", "ws"));
      socket.onmessage = (message) => done(message.data);
      socket.onerror = () => fail(new Error("no WebSocket"));
    }));
    document.querySelector("#out").textContent = out.join(" ");
  \`],
};
const server = createServer(async (request, answer) => {
  const path = request.url.split("?")[0];
  if (path === "/moved") return answer.writeHead(302, { Location: "/api?moved" }).end();
  if (path === "/api") {
    let body = "";
    for await (const piece of request) body += piece;
    const { origin = "none", cookie = "none" } = request.headers;
    return answer.end([request.method, request.url, origin, cookie, request.headers["x-own"], body].join("|"));
  }
  if (path === "/cookies") {
    return answer.writeHead(200, { "Content-Type": "text/plain" }).end("cookies:" + request.headers.cookie);
  }
  const [type, content] = files[path] ?? ["text/plain", "nothing here"];
  const cookies = ["mine=1; Path=/; Domain=127.0.0.1", "matrx_session=evil; Path=/", "=matrx_session=evil"];
  answer.writeHead(files[path] ? 200 : 404, { "Content-Type": type, "Set-Cookie": cookies }).end(content);
});
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" +
    "Sec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  const text = "socket:" + request.headers.origin;
  socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
});
server.listen(5173, "127.0.0.1", () => console.log("serving"));
`;

export function addPorts({ one, newWindow, signIn }) {
  test("an application with scripts, styles, requests and a WebSocket works behind its link", async () => {
    const box = await one.create({ user_id: "web", name: "web app" });
    const at = `/sandboxes/${box.sandbox_id}`;
    const put = await fetch(`${one.url}${at}/files?path=server.cjs`, {
      method: "PUT",
      headers: { "X-API-Key": one.settings.MATRX_API_KEY },
      body: SERVER,
    });
    assert.equal(put.status, 200);
    await one.call("POST", `${at}/processes`, { command: "exec node server.cjs" });
    const page = await newWindow();
    await signIn(page);
    await page.goto(`/dashboard${at}/ports`);
    const [opened] = await Promise.all([
      page.context().waitForEvent("page"),
      page.getByRole("row", { name: /5173/ }).getByRole("button", { name: "Open" }).click(),
    ]);
    await opened.getByText(/^part /).waitFor();
    assert.equal(
      await opened.locator("#out").innerText(),
      "part GET|/api?x=1|http://localhost:5173|none|| PUT|/api|http://localhost:5173|none|own|sent " +
        "GET|/api?moved|http://localhost:5173|none|| socket:http://localhost:5173",
    );
    assert.equal(await opened.locator("#out").evaluate((out) => getComputedStyle(out).color), "rgb(1, 2, 3)");

    // The page knows its own link, and comes to nothing else with it.
    const link = new URL(opened.url());
    assert.match(link.pathname, /^\/links\/[0-9a-f]{64}\/$/);
    const tried = await opened.evaluate(async (path) => {
      const status = (url, init) =>
        fetch(url, { credentials: "include", ...init }).then(
          (answer) => answer.status,
          () => "blocked",
        );
      return [
        await status(path),
        await status(path, { method: "DELETE" }),
        await status("/dashboard/session"),
        String(window.opener),
        window.origin,
        (() => {
          try {
            return document.cookie;
          } catch {
            return "no cookies";
          }
        })(),
      ];
    }, at);
    assert.deepEqual(tried, ["blocked", "blocked", "blocked", "null", "null", "no cookies"]);
    assert.ok(!one.text().includes(link.pathname.split("/")[2]), "the secret is not in the log");

    // Of all cookies that the browser has for this host its server sees those that it has set itself.
    const kept = await page.context().cookies();
    assert.deepEqual(
      kept.map(({ name, path }) => [name.replace(/^mx-[0-9a-f]{12}-5173-/, "program's "), path]).sort(),
      [
        ["matrx_session", "/"],
        ["program's matrx_session", link.pathname.slice(0, -1)],
        ["program's mine", link.pathname.slice(0, -1)],
      ],
    );
    await opened.goto(`${link.pathname}cookies`);
    await opened.getByText("cookies:mine=1; matrx_session=evil", { exact: true }).waitFor();

    // Nobody else's page reads what is behind it, and it ends with the session.
    const outside = await fetch(one.url + link.pathname, { headers: { Origin: "http://evil.example" } });
    assert.equal(outside.headers.get("access-control-allow-origin"), null);
    await opened.close();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    assert.equal((await fetch(one.url + link.pathname)).status, 404);
    await page.context().close();
    await one.call("DELETE", `${at}?graceful=false`);
  });
}
