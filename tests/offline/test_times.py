"""The tables that say where the time of a run went, and the measure that limits of tests grow by."""
import subprocess

from conftest import ROOT


def test_steps_stand_in_their_order_those_within_another_one_indented(tmp_path):
    table = tmp_path / "steps-x.tsv"
    table.write_text("11\t1\t4\t8\t0\t0\tinner\n"
                     "10\t0\t6\t9\t1\t1\touter\n"
                     "16\t0\t2\t2\t0\t0\tlast\n")
    shown = subprocess.run([ROOT / "tools/times.py", table], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines()[:4] == [" seconds    busy  stolen  step",
                                      "       6       9       1  outer FAILED (1)",
                                      "       4       8       0     inner",
                                      "       2       2       0  last"]


def test_a_table_that_is_not_there_is_said(tmp_path):
    done = subprocess.run([ROOT / "tools/times.py", tmp_path / "none.tsv"], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "no run has left a table" in done.stderr


def test_each_step_of_a_script_leaves_its_line(tmp_path):
    script = tmp_path / "example.sh"
    script.write_text(f"source {ROOT}/tools/lib.sh\n"
                      "nested() { step 'within' true; }\n"
                      "step 'around' nested\n"
                      "step 'fails' false || true\n")
    table = tmp_path / "steps.tsv"
    subprocess.run(["bash", script], check=True, capture_output=True,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MATRX_STEPS_FILE": str(table)})
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert [(row[1], row[5], row[6]) for row in rows] == [("1", "0", "within"), ("0", "0", "around"),
                                                          ("0", "1", "fails")]


def test_slowness_is_a_number_from_one_on():
    shown = subprocess.run([ROOT / "tools/slowness.py"], check=True, capture_output=True, text=True).stdout
    assert 1 <= float(shown) <= 20
