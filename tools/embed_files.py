#!/usr/bin/env python3
"""Writes the files of a folder, compressed, as a C++ table of DashboardFile: embed_files.py OUT [FOLDER]

Without a folder the table is empty. The same files give the same bytes.
"""
import gzip
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
}

out = pathlib.Path(sys.argv[1])
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
arrays, rows = [], []
for number, path in enumerate(files):
    if path.suffix not in TYPES:
        sys.exit(f"embed_files.py: {path.name}: no content type is known for '{path.suffix}'; add it to TYPES.")
    packed = gzip.compress(path.read_bytes(), 9, mtime=0)
    lines = [packed[i : i + 24].hex(",").replace(",", ",0x") for i in range(0, len(packed), 24)]
    body = "".join(f"0x{line},\n" for line in lines)
    arrays.append(f"constexpr unsigned char kFile{number}[] = {{\n{body}}};\n")
    view = f"{{reinterpret_cast<const char*>(kFile{number}), sizeof kFile{number}}}"
    rows.append(f'{{"{path.relative_to(folder).as_posix()}", "{TYPES[path.suffix]}", {view}}},\n')
out.parent.mkdir(parents=True, exist_ok=True)
table = f"const std::array<api::DashboardFile, {len(rows)}> kFiles = {{{{\n{''.join(rows)}}}}};\n"
out.write_text("".join(arrays) + table)
