"""Terminals over WebSockets, as people use them: programs that draw, connections that break,
several viewers, and clients that speak nonsense."""
import random
import time

import pytest
from orchestrator import wait_for
from streams import Reader, numbered, writer_of
from terminal_client import RawTerminal, Terminal

pytestmark = pytest.mark.integration


@pytest.fixture
def term(shared, box):
    """A terminal with a prompt that is known."""
    with Terminal(shared, box) as one:
        quiet_prompt(one)
        yield one


def quiet_prompt(terminal):
    terminal.type("PS1='$ '; bind 'set enable-bracketed-paste off'; echo re''ady\n")
    terminal.see("ready\r\n")
    terminal.see("$ ")


def refusal(one, sandbox_id, **query):
    raw = RawTerminal(one, sandbox_id, "&".join(f"{key}={query[key]}" for key in query))
    raw.close()
    return raw.status


# --- Programs that draw --------------------------------------------------------------------------

def test_shell_of_its_user(shared, box, term):
    term.type("id -un; pwd; echo $TERM $USER_ID; tty; stty size\n")
    before = term.see("24 80\r\n").decode()
    assert "agent\r\n/home/agent\r\nxterm-256color user-1\r\n/dev/pts/" in before
    with Terminal(shared, box, user="root", cwd="/etc", cols=132, rows=50) as root:
        root.type("id -un; pwd; stty size\n")
        root.see("root\r\n/etc\r\n50 132\r\n")


def test_vi_draws_and_edits(shared, box, term):
    term.type("vi /tmp/note\n")
    term.see("~")
    term.type("ihello from vi\x1b:wq\r")
    term.see("$ ")
    assert shared.run(box, "cat /tmp/note")["stdout"] == "hello from vi\n"


def test_top_draws_and_follows_the_size(term):
    term.type("top -d 0.2\n")
    term.see("load average")
    term.see("PID")
    term.tell(type="resize", cols=100, rows=12)
    term.type("q")
    term.see("$ ")
    term.type("stty size\n")
    term.see("12 100\r\n")


CURSES = ("import curses\n"
          "def main(screen):\n"
          "  screen.timeout(200)\n"  # a resize that comes just before it waits wakes nobody
          "  while True:\n"
          "    screen.erase(); rows, cols = screen.getmaxyx()\n"
          "    screen.addstr(0, 0, f'size-{rows}-{cols}-end'); screen.refresh()\n"
          "    if screen.getch() == ord('q'): return\n"
          "curses.wrapper(main)\n")


def test_a_program_that_draws_hears_of_a_resize(shared, box, term):
    shared.run(box, f'cat > /tmp/draw.py <<"E"\n{CURSES}E')
    term.type("python3 /tmp/draw.py\n")
    term.see("size-24-80-end")
    term.tell(type="resize", cols=97, rows=31)
    # curses redraws only what has changed.
    term.see("31-97-end")
    response = shared.request("POST", f"/sandboxes/{box}/processes/{term.terminal_id}/resize",
                              json={"cols": 61, "rows": 21})
    assert response.status_code == 204
    term.see("21-61-end")
    term.type("q")
    term.see("$ ")


def test_control_keys(term):
    term.type("sleep 100\n")
    term.see("sleep 100\r\n")
    time.sleep(0.2)
    term.type("\x03")
    term.see("^C")
    term.type("echo status $?\n")
    term.see("status 130\r\n")
    term.tell(type="input", data="cat\n")
    term.see("cat\r\n")
    term.type("\x04")
    term.see("$ ")
    term.type("sh -c 'trap \"echo heard; exit\" HUP; kill -STOP $$; sleep 0.1'; echo back\n")
    term.see("Stopped")
    term.type("fg\n")
    term.see("back\r\n")


def test_signal_and_exit(shared, box, term):
    term.type("trap 'echo got-it' USR1\n")
    term.see("$ ")
    term.tell(type="signal", signal="SIGUSR1")
    time.sleep(0.2)
    term.type("\n")
    term.see("got-it\r\n")
    term.tell(type="ping")
    term.hear(type="pong")
    term.type("exit 7\n")
    assert term.hear(type="exit")["exit_code"] == 7
    term.wait("the good-bye", lambda: term.closed)
    assert term.socket.close_code() == 1000
    # It can still be read, and says again how it ended.
    with Terminal(shared, box, terminal=term.terminal_id) as again:
        assert again.hear(type="exit")["exit_code"] == 7
        assert b"got-it" in again.shown


# --- Leaving and coming back ---------------------------------------------------------------------

def test_coming_back_while_output_flows(own):
    one = own().start()
    sandbox_id = one.create()["sandbox_id"]
    total, chance = 2_500_000, random.Random(5)
    with Terminal(one, sandbox_id) as term:
        quiet_prompt(term)
        # Not before this much was written: what comes first is known.
        begin = term.offset
        program = writer_of(total, 20_000, 0.02).replace("'", "'\\''")
        one.run(sandbox_id, f"printf %s '{program}' > /tmp/writer.py")
        term.type("stty raw -echo; python3 /tmp/writer.py; printf '<END>'\n")
        term.see(b"\n")
        terminal_id = term.terminal_id
        begin = term.offset - len(term.shown)
        shown = term.shown
    offset, losses = begin + len(shown), 0
    while b"<END>" not in shown[-200:]:
        with Terminal(one, sandbox_id, terminal=terminal_id, since=offset) as term:
            assert term.ready["offset"] == offset
            until = time.monotonic() + chance.uniform(0.1, 0.5)
            while time.monotonic() < until and b"<END>" not in term.shown[-200:]:
                term.take(0.05)
            # Some go without a word, and once the orchestrator is killed under it.
            if losses % 2:
                term.drop()
            losses += 1
            if losses == 4:
                one.kill9()
                while not term.closed:
                    term.take(0.2)
            shown += term.shown
            offset = term.offset
            assert term.gaps == []
        if losses == 4:
            one.start()
    assert losses > 4, "it was all there before anything was lost"
    end = shown.index(b"<END>")
    # The echo of the last command's newline may stand in front.
    text = shown[:end]
    assert text[text.index(b"0" * 15):] == numbered(0, total)


def test_a_minute_away(own):
    """Output flows all the while; half of the time there is no orchestrator either."""
    one = own().start()
    sandbox_id = one.create()["sandbox_id"]
    total = 2_000_000
    program = writer_of(total, 20_000, 0.7).replace("'", "'\\''")
    one.run(sandbox_id, f"printf %s '{program}' > /tmp/writer.py")
    with Terminal(one, sandbox_id) as term:
        quiet_prompt(term)
        term.type("stty raw -echo; python3 /tmp/writer.py; printf '<E''ND>'\n")
        shown = term.see(b"0" * 14 + b"1") + term.shown
        offset, terminal_id = term.offset, term.terminal_id
    time.sleep(30)
    one.kill9()
    time.sleep(30)
    one.start()
    with Terminal(one, sandbox_id, terminal=terminal_id, since=offset) as term:
        shown += term.see("<END>", 60)
        assert term.gaps == []
    written = shown[shown.index(b"0" * 15):shown.index(b"<END>")]
    assert written == numbered(0, total)


def test_what_is_overwritten_is_announced(shared, box, term):
    term.type("head -c 9000000 /dev/zero | tr '\\0' x; echo; echo do''ne\n")
    began = term.ready["offset"]
    term.see("done\r\n")
    with Terminal(shared, box, terminal=term.terminal_id, since=began) as again:
        again.wait("the end", lambda: again.shown.endswith(b"done\r\n$ "))
        [(gap_from, gap_to)] = again.gaps
        assert gap_from == began and gap_to > 4_000_000
        assert len(again.shown) == again.offset - gap_to
    assert refusal(shared, box, terminal=term.terminal_id, since=10**12) == 400
    assert refusal(shared, box, terminal=term.terminal_id, since="x") == 400
    assert refusal(shared, box, terminal="prc-000000000000") == 404


# --- Several viewers -----------------------------------------------------------------------------

def test_one_writes_and_all_see(shared, box, term):
    assert term.ready["writer"]
    with Terminal(shared, box, terminal=term.terminal_id, since=0) as second, \
            Terminal(shared, box, terminal=term.terminal_id, since=0, readonly="true") as looker:
        assert not second.ready["writer"] and not looker.ready["writer"]
        term.type("echo from-fi''rst\n")
        for one in (term, second, looker):
            one.see("from-first\r\n")
        second.type("echo from-sec''ond\n")
        assert second.hear(type="error")["code"] == "conflict"
        second.tell(type="takeover")
        second.hear(type="writer", writer=True)
        term.hear(type="writer", writer=False)
        second.type("echo from-sec''ond\n")
        for one in (term, second, looker):
            one.see("from-second\r\n")
        term.type("echo nev''er\n")
        assert term.hear(type="error")["code"] == "conflict"
        # Who only looks stays so, whatever it sends.
        looker.type("echo nev''er\n")
        assert looker.hear(type="error")["code"] == "conflict"
        looker.tell(type="takeover")
        assert looker.hear(type="error")["code"] == "conflict"
        looker.tell(type="resize", cols=10, rows=10)
        assert looker.hear(type="error")["code"] == "conflict"
        second.type("echo sti''ll\n")
        looker.see("still\r\n")
        assert b"never" not in looker.shown
    # The seat is free again.
    def writes():
        term.type("echo min''e\n")
        term.take(0.5)
        return b"mine\r\n" in term.shown
    wait_for("the keyboard", writes)


# --- What is refused -----------------------------------------------------------------------------

def test_sizes_that_are_none(shared, box, term):
    for cols, rows in ((0, 0), (100_000, 100_000), (80, 0), (4097, 24), (-1, 24)):
        assert refusal(shared, box, cols=cols, rows=rows) == 422
        term.tell(type="resize", cols=cols, rows=rows)
        assert term.hear(type="error")["code"] == "invalid"
        response = shared.request("POST", f"/sandboxes/{box}/processes/{term.terminal_id}/resize",
                                  json={"cols": cols, "rows": rows})
        assert response.status_code == 422
    term.tell(type="resize")
    assert term.hear(type="error")["code"] == "invalid"
    term.type("stty size\n")
    term.see("24 80\r\n")


def test_no_more_terminals_than_there_may_be(shared):
    sandbox_id = shared.create()["sandbox_id"]
    opened = []
    try:
        for _ in range(64):
            opened.append(Terminal(shared, sandbox_id))
        refused = RawTerminal(shared, sandbox_id)
        assert refused.status == 429 and b"Too many terminals" in refused.body()
        refused.close()
        opened[0].type("exit\n")
        opened[0].hear(type="exit")
        opened.append(Terminal(shared, sandbox_id))
        assert shared.run(sandbox_id, "echo on")["stdout"] == "on\n"
    finally:
        for one in opened:
            one.socket.close()
        shared.destroy(sandbox_id, "?graceful=false")


def test_what_is_no_websocket(shared, box):
    plain = shared.request("GET", f"/sandboxes/{box}/pty")
    assert plain.status_code == 426 and plain.headers["Upgrade"] == "websocket"
    for headers in ({"Sec-WebSocket-Version": "12"}, {"Sec-WebSocket-Version": ""},
                    {"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Key": ""}):
        raw = RawTerminal(shared, box, **{"Sec-WebSocket-Version": "13", **headers})
        assert raw.status == 400, raw.head
        raw.close()
    raw = RawTerminal(shared, box, **{"X-API-Key": "wrong"})
    assert raw.status == 403
    raw.close()
    assert refusal(shared, "sbx-000000000000") == 404
    job = shared.request("POST", f"/sandboxes/{box}/processes", json={"command": "sleep 20"})
    assert refusal(shared, box, terminal=job.json()["process_id"]) == 409


def test_nonsense_disturbs_nobody_else(shared, box, term):
    # Text that is not what was agreed is answered, and the viewer stays.
    with Terminal(shared, box, terminal=term.terminal_id) as second:
        for text in ("{", "[]", "17", "\"x\"", "null", "{}", '{"type": 7}', '{"type": "fly"}',
                     '{"type": "signal"}', '{"type": "signal", "signal": {}}', "[" * 5000):
            second.socket.send(text)
            assert second.hear(type="error")["code"] in ("invalid", "conflict"), text
        second.tell(type="ping")
        second.hear(type="pong")

    def ends(*frames, **extra):
        raw = RawTerminal(shared, box, f"terminal={term.terminal_id}", **extra)
        assert raw.status == 101
        try:
            for frame in frames:
                raw.send(**frame)
        except OSError:
            pass  # it had enough already
        ended = raw.is_ended()
        raw.close()
        return ended

    assert ends({"opcode": 1, "payload": b"\xff\xfe{"})                      # broken UTF-8
    assert ends({"opcode": 1, "payload": b"{}", "masked": False})            # unmasked
    assert ends({"opcode": 3, "payload": b"x"})                              # no such opcode
    assert ends({"opcode": 9, "payload": b"x" * 126})                        # a ping too long
    assert ends({"opcode": 0, "payload": b"x"})                              # goes on with nothing
    assert ends({"opcode": 2, "payload": b"x", "length": 1 << 62})           # huge
    assert ends({"opcode": 2, "payload": b"x" * 300_000})                    # larger than may be
    assert ends(*[{"opcode": 2, "payload": b"x" * 50_000, "fin": False}] * 8)
    chance = random.Random(7)
    for _ in range(20):
        raw = RawTerminal(shared, box, f"terminal={term.terminal_id}")
        raw.socket.sendall(chance.randbytes(200))
        raw.close()
    term.type("echo undis''turbed\n")
    term.see("undisturbed\r\n")
    assert b"xxx" not in term.shown


def test_a_terminal_as_a_process(shared, box):
    job = shared.request("POST", f"/sandboxes/{box}/processes",
                         json={"command": "stty size; tty; read line; echo got $line",
                               "tty": True, "cols": 90, "rows": 20}).json()["process_id"]
    path = f"/sandboxes/{box}/processes/{job}"
    assert shared.request("POST", path + "/stdin", json={"data": "word\n"}).status_code == 204
    reader = Reader(shared, box, job)
    reader.read()
    text = reader.bytes().decode()
    # The terminal echoes what was typed whenever it comes, also in between.
    assert all(part in text for part in ["20 90\r\n", "/dev/pts/", "got word\r\n"]), text
    with Terminal(shared, box, terminal=job, since=0) as term:
        term.see("got word\r\n")
        assert term.hear(type="exit")["exit_code"] == 0
    assert shared.request("POST", path + "/resize",
                          json={"cols": 80, "rows": 24}).status_code == 404
