#!/usr/bin/env python3
"""Writes text files as rows {"name", R"(text)"} of a C++ array: embed_text.py OUT FILE..."""
import pathlib
import sys

out, *files = sys.argv[1:]
rows = []
for file in sorted(files):
    path = pathlib.Path(file)
    rows.append(f'{{"{path.name}", R"~~~({path.read_text()})~~~"}},\n')
pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(out).write_text("".join(rows))
