import subprocess

from conftest import ROOT


def test_the_table_of_the_coverage_adds_up():
    subprocess.run([ROOT / "tools/coverage_table.py", "--self-test"], check=True)
