#!/usr/bin/env python3
"""Writes sdk/typescript/src/database.ts from the tables that migrations/ make: the shape that Supabase's generator
gives, so that its client is typed the same way.

    tools/with-postgres.sh tools/make_types.py           write the file
    tools/with-postgres.sh tools/make_types.py --check   exit 1 where the file differs from the schema
"""
import json
import os
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "sdk/typescript/src/database.ts"

# Postgres's type → TypeScript's. bigint is a number in JSON as the REST interface sends it.
TYPES = {
    "text": "string", "timestamp with time zone": "string", "jsonb": "Json", "boolean": "boolean",
    "integer": "number", "bigint": "number", "double precision": "number", "xid8": "unknown",
}

COLUMNS = """
SELECT json_agg(json_build_object('table', table_name, 'name', column_name, 'type', data_type,
         'nullable', is_nullable = 'YES', 'default', column_default IS NOT NULL,
         'generated', identity_generation = 'ALWAYS') ORDER BY table_name, column_name)
FROM information_schema.columns WHERE table_schema = 'public'
"""

KEYS = """
SELECT coalesce(json_agg(json_build_object('table', c.conrelid::regclass::text, 'name', c.conname,
         'columns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k (num, n)
                     JOIN pg_attribute ON attrelid = c.conrelid AND attnum = k.num),
         'target', c.confrelid::regclass::text,
         'target_columns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k (num, n)
                            JOIN pg_attribute ON attrelid = c.confrelid AND attnum = k.num),
         'one_to_one', EXISTS (SELECT FROM pg_constraint u WHERE u.conrelid = c.conrelid AND u.contype IN ('p', 'u')
                               AND u.conkey = c.conkey)) ORDER BY c.conname), '[]')
FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""

HEAD = """\
// Made by `make types` from migrations/. Do not edit.
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  public: {
    Tables: {
"""
NEVER = "{\n      [_ in never]: never\n    }\n"
TAIL = f"""\
    }}
    Views: {NEVER}    Functions: {NEVER}    Enums: {NEVER}    CompositeTypes: {NEVER}  }}
}}

type PublicTables = Database["public"]["Tables"]

export type Tables<Name extends keyof PublicTables> = PublicTables[Name]["Row"]
export type TablesInsert<Name extends keyof PublicTables> = PublicTables[Name]["Insert"]
export type TablesUpdate<Name extends keyof PublicTables> = PublicTables[Name]["Update"]
"""


def query(sql: str):
    url = os.environ["MATRX_TEST_DATABASE_URL"]
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", sql],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def field(column: dict, optional: bool, writes: bool) -> str:
    kind = "never" if writes and column["generated"] else TYPES[column["type"]]
    if column["nullable"]:
        kind += " | null"
    return f"          {column['name']}{'?' if optional else ''}: {kind}\n"


def shape(name: str, columns: list, is_optional, writes: bool = True) -> str:
    fields = "".join(field(c, is_optional(c), writes) for c in columns)
    return f"        {name}: {{\n{fields}        }}\n"


def relationship(key: dict) -> str:
    return ("          {\n"
            f"            foreignKeyName: \"{key['name']}\"\n"
            f"            columns: {json.dumps(key['columns'])}\n"
            f"            isOneToOne: {str(key['one_to_one']).lower()}\n"
            f"            referencedRelation: \"{key['target']}\"\n"
            f"            referencedColumns: {json.dumps(key['target_columns'])}\n"
            "          },\n")


def render() -> str:
    columns, keys = query(COLUMNS), query(KEYS)
    out = HEAD
    for table in sorted({c["table"] for c in columns}):
        own = [c for c in columns if c["table"] == table]
        relations = "".join(relationship(k) for k in keys if k["table"] == table)
        out += f"      {table}: {{\n"
        out += shape("Row", own, lambda c: False, writes=False)
        out += shape("Insert", own, lambda c: c["nullable"] or c["default"] or c["generated"])
        out += shape("Update", own, lambda c: True)
        out += f"        Relationships: [\n{relations}        ]\n" if relations else "        Relationships: []\n"
        out += "      }\n"
    return out + TAIL


def main() -> int:
    text = render()
    if "--check" not in sys.argv:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text)
        print(f"wrote {TARGET.relative_to(Path.cwd())}")
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        print("the types are those of the schema")
        return 0
    print(f"{TARGET.name} is not what the schema gives: run 'make types' and commit it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
