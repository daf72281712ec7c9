"""What every file of migrations/ has to keep to; what Postgres makes of them: tests/integration/test_postgres.py."""
import re

from conftest import ROOT

FILES = sorted((ROOT / "migrations").rglob("*.sql"))
# Made before the rule; 007 closes every function that it finds.
CLOSED_LATER = {"004_note_what_is_forgotten.sql"}
ENDS_WITH_TEMP = re.compile(r"SET\s+search_path\s*(=|TO)\s*pg_catalog,[^;$]*\bpg_temp\s*$", re.IGNORECASE)


def open_definers(text):
    """The heads of functions that run as their owner and look names up where a caller may put something."""
    text = re.sub(r"--[^\n]*", "", text)
    heads = re.findall(r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s(.*?)\bAS\s+\$", text,
                       re.IGNORECASE | re.DOTALL)
    return [head.split("(")[0].strip() for head in heads
            if re.search(r"SECURITY\s+DEFINER", head, re.IGNORECASE) and not ENDS_WITH_TEMP.search(head.strip())]


def test_whoever_runs_as_its_owner_looks_into_pg_temp_last():
    for path in FILES:
        if path.name not in CLOSED_LATER:
            assert open_definers(path.read_text()) == [], f"{path}: SET search_path = pg_catalog, …, pg_temp"
    assert open_definers((ROOT / "migrations/004_note_what_is_forgotten.sql").read_text()) == [
        "matrx_note_forgotten", "matrx_begin_feed_anew"]


def test_the_rule_finds_what_it_is_for():
    function = "CREATE FUNCTION f() RETURNS void LANGUAGE sql {} AS $$ SELECT 1 $$;"
    assert open_definers(function.format("SECURITY INVOKER")) == []
    assert open_definers(function.format("SECURITY DEFINER")) == ["f"]
    assert open_definers(function.format("SECURITY DEFINER SET search_path FROM CURRENT")) == ["f"]
    assert open_definers(function.format("SECURITY DEFINER SET search_path = pg_temp, pg_catalog")) == ["f"]
    assert open_definers(function.format("SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp")) == []


def test_postgres_is_told_of_every_file():
    listed = re.findall(r'"(\d{3}_\w+\.sql)"', (ROOT / "src/adapters/postgres/schema.hpp").read_text())
    assert listed == [path.name for path in sorted((ROOT / "migrations").glob("*.sql"))]
    for number, name in enumerate(listed, 1):
        text = (ROOT / "migrations" / name).read_text()
        assert int(name[:3]) == number and f"INSERT INTO matrx_schema (version) VALUES ({number});" in text
