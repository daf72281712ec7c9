"""Tests that need nothing but Debian's Python and a shell: no Docker, no network, nothing built."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "sdk/python"))
sys.dont_write_bytecode = True
