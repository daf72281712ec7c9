// What a walk with a mouse through one sandbox does not show: no mouse, many sandboxes, hostile logs, a restart seen
// from the list.
import assert from "node:assert/strict";
import { KEY, test, until } from "./world.mjs";

// Goes on with Tab until what has the focus is called so, as a screen reader would say it.
async function tabTo(page, name, key = "Tab", presses = 60) {
  const seen = [];
  for (let i = 0; i < presses; i += 1) {
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const labels = [...(element?.labels ?? [])].map((label) => label.innerText);
      return [element?.getAttribute("aria-label"), ...labels, element?.innerText].filter(Boolean).join(" ").trim();
    });
    if (name.test(at)) return;
    seen.push(at.slice(0, 40));
    await page.keyboard.press(key);
  }
  throw new Error(`nothing called ${name} has had the focus, but: ${seen.join(" | ")}`);
}

const hasFocusRing = (page) =>
  page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  });

export function addMore({ one, newWindow, signIn, rowOf, sees }) {
  test("everything is done by keyboard: sign in, create, terminal, destroy", async () => {
    const page = await newWindow();
    await page.goto("/dashboard");
    await page.getByLabel("API key").waitFor();
    await tabTo(page, /API key/);
    await page.keyboard.type(KEY);
    await page.keyboard.press("Enter");
    await page.getByText("Live", { exact: true }).waitFor();

    await tabTo(page, /^New sandbox/);
    assert.ok(await hasFocusRing(page), "who has the focus is seen");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await tabTo(page, /^User/);
    await page.keyboard.press("Control+A");
    await page.keyboard.type("keys");
    await tabTo(page, /^Name/);
    await page.keyboard.type("by keyboard");
    await tabTo(page, /^Create sandbox/);
    await page.keyboard.press("Space");
    await page.waitForURL(/sandboxes\/sbx-/);
    await page.getByText("Ready", { exact: true }).first().waitFor();

    await tabTo(page, /^Overview/);
    await tabTo(page, /^Terminal$/, "ArrowRight");
    await page.keyboard.press("Enter");
    await sees(page, "a prompt", /\$/);
    await tabTo(page, /Terminal input/, "Tab", 1); // a terminal takes the keyboard when it is shown
    await page.keyboard.type("echo typed-$((6*7))\n");
    await sees(page, "an answer", /typed-42/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Control+Shift+F6");
    await tabTo(page, /^1 /, "Tab", 1); // out of the trap that a terminal is

    await tabTo(page, /^Destroy…/, "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    const focused = page.locator(":focus");
    await until("the focus is back where it was", async () => /^Destroy…/.test(await focused.innerText()));
    await page.keyboard.press("Enter");
    await tabTo(page, /^Destroy by keyboard/);
    await page.keyboard.press("Enter");
    await page.getByText("You or a program asked for it").waitFor();
    await page.context().close();
  });

  test("Ctrl-C ends a command in the terminal; what is pasted and copied is text", async () => {
    const box = await one.create({ user_id: "keys", name: "clipboard" });
    const page = await newWindow();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await signIn(page);
    await page.goto(`/dashboard/sandboxes/${box.sandbox_id}/terminal`);
    await sees(page, "a prompt", /\$/);
    await page.keyboard.type("sleep 1000; echo code-$?\n");
    await sees(page, "it runs", /sleep 1000/);
    await page.keyboard.press("Control+C");
    await page.keyboard.type("echo alive-$((1+1))\n");
    await sees(page, "a prompt again", /alive-2/);
    await page.keyboard.type("clear; echo waits-$((1+1)); cat > pasted\n");
    await sees(page, "a program that reads", /waits-2/);
    await page.evaluate(() => navigator.clipboard.writeText("one ü\ntwo <b>\n"));
    await page.keyboard.press("Control+Shift+V");
    await sees(page, "what is pasted", /one ü[^]*two <b>/);
    await page.keyboard.press("Control+D");
    await until("the file", async () => {
      const { stdout } = await one.call("POST", `/sandboxes/${box.sandbox_id}/exec`, { command: "cat pasted" });
      return stdout === "one ü\ntwo <b>\n";
    });
    await page.keyboard.type("clear; echo copy-me\n");
    await sees(page, "it", /copy-me/);
    await page.locator(".xterm-rows > div").first().dblclick({ position: { x: 20, y: 8 } });
    await page.keyboard.press("Control+Shift+C");
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /\S/);
    await page.context().close();
    await one.call("DELETE", `/sandboxes/${box.sandbox_id}?graceful=false`);
  });

  test("what a new sandbox reaches is chosen in the dialog", async () => {
    const page = await newWindow();
    await signIn(page);
    await page.getByRole("button", { name: "New sandbox" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("User").fill("walls");
    await dialog.getByLabel("Network").selectOption("Only what is listed");
    await dialog.getByLabel("It reaches").fill("pypi.org http://example.com");
    await dialog.getByRole("button", { name: "Create sandbox" }).click();
    await dialog.getByRole("alert").getByText("'http://example.com' is neither").waitFor();
    await dialog.getByLabel("Network").selectOption("None");
    await dialog.getByRole("button", { name: "Create sandbox" }).click();
    await page.waitForURL(/sandboxes\/sbx-/);
    const id = /sbx-[0-9a-f]+/.exec(page.url())[0];
    const { stdout } = await one.call("POST", `/sandboxes/${id}/exec`, { command: "ls /sys/class/net" });
    assert.equal(stdout, "lo\n");
    await page.context().close();
    await one.call("DELETE", `/sandboxes/${id}?graceful=false`);
  });

  test("several sandboxes get an hour more, and are destroyed, at once", async () => {
    const names = ["many-one", "many-two", "many-three"];
    const boxes = [];
    for (const name of names) boxes.push(await one.create({ user_id: "many", name, ttl_seconds: 600 }));
    const page = await newWindow();
    await signIn(page);
    await page.getByLabel("User", { exact: true }).selectOption("many");
    for (const name of names) await page.getByLabel(`Select ${name}`).check();
    const chosen = page.getByRole("region", { name: "Selected sandboxes" });
    await chosen.getByText("3 selected").waitFor();
    await chosen.getByRole("button", { name: "1 h more" }).click();
    await page.getByText("3 sandboxes have an hour more").waitFor();
    for (const { sandbox_id, expires_at } of boxes) {
      const after = (await one.call("GET", `/sandboxes/${sandbox_id}`)).expires_at;
      assert.ok(Date.parse(after) - Date.parse(expires_at) > 3_500_000);
    }
    await chosen.getByRole("button", { name: "Destroy…" }).click();
    const dialog = page.getByRole("dialog");
    for (const name of names) await dialog.getByText(name).waitFor(); // it names what it destroys
    await dialog.getByRole("button", { name: "Destroy 3 sandboxes" }).click();
    await page.getByText("3 sandboxes: destroyed").waitFor();
    for (const { sandbox_id } of boxes) {
      assert.equal((await one.call("GET", `/sandboxes/${sandbox_id}`)).status, "stopped");
    }
    await page.context().close();
  });

  test("hostile lines in a log and in a process's output stay text", async () => {
    const evil = "<img src=x onerror=window.hurt=1><script>window.hurt=2</script>";
    const lines = `printf '%s\\n\\033]0;hurt\\007\\033[2J\\033[31mred\\033[0m\\r\\nend-of-it\\n' '${evil}'`;
    const box = await one.create({ user_id: "mallory", name: "logs" });
    const at = `/sandboxes/${box.sandbox_id}`;
    await one.call("POST", `${at}/exec`, { command: `${lines} > /proc/1/fd/1`, user: "root" });
    await one.call("POST", `${at}/processes`, { command: `${lines}; sleep 60` });
    const page = await newWindow();
    await signIn(page);
    const title = await page.title();
    await page.goto(`/dashboard${at}/logs`);
    const log = page.getByLabel("Log", { exact: true });
    await log.getByText("end-of-it").waitFor();
    assert.ok((await log.innerText()).includes(evil));
    assert.equal(await log.locator("*").count(), 0, "no element came of it");
    await page.getByRole("tab", { name: "Processes" }).click();
    await page.getByRole("row", { name: /sleep 60/ }).getByRole("button").first().click();
    const output = page.getByLabel("Output text");
    await output.getByText("end-of-it").waitFor();
    assert.ok((await output.innerText()).includes(evil));
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    assert.ok(!(await page.title()).includes("hurt") && title);
    await page.context().close();
    await one.call("DELETE", `${at}?graceful=false`);
  });

  test("the list recovers from a restart of the orchestrator, too", async () => {
    const before = await one.create({ user_id: "again", name: "before-it" });
    const page = await newWindow();
    await signIn(page);
    await rowOf(page, "before-it").waitFor();
    await page.getByLabel("Search").fill("-it");
    await one.stop();
    await page.getByText("Connection lost, trying again").waitFor();
    await rowOf(page, "before-it").waitFor(); // what was known stays in sight
    await one.start();
    await page.getByText("Your session has ended").waitFor();
    await page.getByLabel("API key").fill(KEY);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("Live", { exact: true }).waitFor();
    assert.equal(await page.getByLabel("Search").inputValue(), "-it", "the place is kept");
    const after = await one.create({ user_id: "again", name: "after-it" });
    await rowOf(page, "after-it").waitFor();
    await one.call("DELETE", `/sandboxes/${before.sandbox_id}?graceful=false`);
    await until("it is seen to go", async () => (await rowOf(page, "before-it").count()) === 0);
    await one.call("DELETE", `/sandboxes/${after.sandbox_id}?graceful=false`);
    await page.context().close();
  });
}
